//! Manifests: of images, of artifacts, and indexes of manifests.

use oci_spec::image::Descriptor;
use pulpcore::api::reader::Reader;
use pulpcore::db::{Writing, bulk};
use pulpcore::error::Result;
use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail, Filters};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use serde_json::{Map, Value};

use super::{Texts, blob_manifest, manifest_list_manifest as listed, references};
use crate::manifest::{ImageConfig, Kind, Manifest};
use crate::serializers::{MEDIA_TYPES, ManifestBody};

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_manifest")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The digest of its bytes, with its algorithm.
    pub digest: String,
    /// The version of its schema.
    pub schema_version: i64,
    /// What it is: the type that it is served with.
    pub media_type: String,
    /// Its bytes, as they were pushed: they are JSON, so they are text. A manifest has no artifact, so that serving one
    /// is one look-up.
    #[sea_orm(column_type = "Text")]
    pub data: String,
    /// The digest of the blob with the image's configuration.
    pub config_digest: Option<String>,
    /// The digest of the manifest that it is about (a signature, an attestation, …): it is a referrer of that one.
    pub subject_digest: Option<String>,
    /// What kind of artifact it is, as the referrers API shows it.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: Texts,
    /// The labels of the image, from its configuration.
    pub labels: Texts,
    /// Whether one can boot from the image.
    pub is_bootable: bool,
    /// Whether the image bundles a Flatpak application.
    pub is_flatpak: bool,
    /// What the image is for, in Pulp's words: `image`, `bootable`, `helm`, `cosign_signature`, …
    #[sea_orm(column_name = "type")]
    pub nature: Option<String>,
    /// The processor that it runs on.
    pub architecture: Option<String>,
    /// The operating system that it runs on.
    pub os: Option<String>,
    /// The sum of its layers' sizes in bytes, as they travel.
    pub compressed_image_size: Option<i64>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a manifest with this digest: its bytes, what they say, and what the image's configuration says, if it is
    /// known.
    pub fn of(digest: &str, data: String, manifest: &Manifest, config: Option<&ImageConfig>) -> Self {
        let descriptor = |descriptor: &Descriptor| descriptor.digest().as_ref().to_owned();
        let nature = manifest.nature(config);
        let image = manifest.kind == Kind::Image;
        Self {
            digest: digest.to_owned(),
            schema_version: manifest.schema_version,
            media_type: manifest.media_type.clone(),
            data,
            config_digest: manifest.config.as_ref().map(descriptor),
            subject_digest: manifest.subject.as_ref().map(descriptor),
            artifact_type: manifest.artifact_type.clone(),
            annotations: Texts(manifest.annotations.clone()),
            labels: Texts(config.map(|config| config.labels.clone()).unwrap_or_default()),
            is_bootable: nature == "bootable",
            is_flatpak: nature == "flatpak",
            nature: Some(nature.to_owned()),
            architecture: config.and_then(|config| config.architecture.clone()),
            os: config.and_then(|config| config.os.clone()),
            compressed_image_size: image.then(|| manifest.compressed_size()),
            ..Self::default()
        }
    }
}

/// Writes down what manifests refer to, by their keys. What was written down before stays as it is.
///
/// # Errors
/// If the database fails.
pub async fn save_references(tx: &Writing, manifests: &[(Uuid, &Manifest)]) -> Result<()> {
    let (mut blobs, mut children) = (Vec::new(), Vec::new());
    for (id, manifest) in manifests {
        blobs.extend(blob_manifest::rows(*id, manifest));
        children.extend(listed::rows(*id, manifest));
    }
    use blob_manifest::Column as B;
    let once = OnConflict::columns([B::ManifestId, B::Position]).do_nothing().to_owned();
    bulk::insert(tx, blobs, &once).await?;
    use listed::Column as L;
    let once = OnConflict::columns([L::ListId, L::Position]).do_nothing().to_owned();
    bulk::insert(tx, children, &once).await?;
    Ok(())
}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "container.manifest";
    const MODEL: &'static str = "Manifest";
    const ENDPOINT: &'static str = "manifests";
    type Body = ManifestBody;
    const LACKS: &'static [&'static str] = references::WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Data];

    fn read(row: &Model) -> ManifestBody {
        ManifestBody {
            digest: row.digest.clone(),
            schema_version: row.schema_version,
            media_type: row.media_type.clone(),
            listed_manifests: None,
            config_blob: None,
            blobs: None,
            annotations: row.annotations.0.clone(),
            labels: row.labels.0.clone(),
            is_bootable: row.is_bootable,
            is_flatpak: row.is_flatpak,
            nature: row.nature.clone(),
            architecture: row.architecture.clone(),
            os: row.os.clone(),
            compressed_image_size: row.compressed_image_size,
        }
    }

    /// Manifests come by push and by sync only.
    fn write(_row: &mut Model, _body: ManifestBody) {}

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Digest, &["", "in"])
            .boolean(C::IsBootable)
            .boolean(C::IsFlatpak)
            .custom_choices("media_type", MEDIA_TYPES, |types| {
                Ok(sea_orm::Condition::all().add(C::MediaType.is_in(types)))
            })
            .ordered(&[
                C::Annotations,
                C::Architecture,
                C::CompressedImageSize,
                C::Digest,
                C::IsBootable,
                C::IsFlatpak,
                C::Labels,
                C::MediaType,
                C::Os,
                C::SchemaVersion,
                C::Nature,
            ])
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_manifests(reader, keys).await
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    const REPO_KEY: &'static [Column] = &[];
}
