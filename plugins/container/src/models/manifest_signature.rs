//! Detached signatures of manifests, as `atomic` and `skopeo` make them.

use pulpcore::api::reader::Reader;
use pulpcore::error::Result;
use pulpcore::models::content;
use pulpcore::plugin::{Content, Detail, Filters};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value};

use super::references;
use crate::serializers::ManifestSignatureBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_manifestsignature")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// The signed digest, `@`, and 32 characters that tell it from others.
    pub name: String,
    /// The digest of the signature.
    pub digest: String,
    /// Its kind: `atomic`.
    #[sea_orm(column_name = "type")]
    pub kind: String,
    /// The id of the key that made it.
    pub key_id: String,
    /// The fingerprint of that key.
    pub fingerprint: Option<String>,
    /// When it was made, in seconds since 1970.
    pub timestamp: i64,
    /// The program that made it.
    pub creator: String,
    /// The signature, in base64.
    #[sea_orm(column_type = "Text")]
    pub data: String,
    /// The digest of the manifest that it signs.
    pub signed_digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "container.signature";
    const MODEL: &'static str = "ManifestSignature";
    const ENDPOINT: &'static str = "signatures";
    type Body = ManifestSignatureBody;
    const LACKS: &'static [&'static str] = references::WITHOUT_FILE;
    const UNREAD: &'static [Column] = &[Column::Data];

    fn read(row: &Model) -> ManifestSignatureBody {
        ManifestSignatureBody {
            name: row.name.clone(),
            digest: row.digest.clone(),
            kind: row.kind.clone(),
            key_id: row.key_id.clone(),
            fingerprint: row.fingerprint.clone(),
            timestamp: row.timestamp,
            creator: row.creator.clone(),
            signed_manifest: None,
        }
    }

    /// Signatures come through the registry and by sync only.
    fn write(_row: &mut Model, _body: ManifestSignatureBody) {}

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .text(C::Name)
            .lookups(C::Digest, &["", "in"])
            .lookups(C::KeyId, &["", "in"])
            .custom_list("manifest", |digests| Ok(Condition::all().add(C::SignedDigest.is_in(digests))))
            .ordered(&[C::Creator, C::Digest, C::Fingerprint, C::KeyId, C::Name, C::Timestamp, C::Kind])
    }

    async fn beside(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Map<String, Value>>> {
        references::of_signatures(reader, keys).await
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest, Column::SignedDigest];
    const REPO_KEY: &'static [Column] = &[];
}
