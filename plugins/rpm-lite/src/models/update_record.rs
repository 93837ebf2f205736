//! Advisories: which packages mend what.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{artifact, content};
use pulpcore::plugin::{Content, Detail, Filters, Upload};
use sea_orm::entity::prelude::*;

use crate::advisory;
use crate::json::Raw;
use crate::metadata::updateinfo::Advisory;
use crate::serializers::UpdateRecordBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_updaterecord")]
pub struct Model {
    /// The unit's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_ptr_id: Uuid,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Its name: `RHSA-2026:0001`.
    pub id: String,
    /// When it was last changed, as its publisher wrote it.
    pub updated_date: Option<String>,
    /// What it is about.
    pub description: String,
    /// When it was issued.
    pub issued_date: String,
    /// Who issued it.
    pub fromstr: String,
    /// `final`, `stable`, …
    pub status: String,
    /// Its title.
    pub title: String,
    /// A summary.
    pub summary: String,
    /// Its version.
    pub version: String,
    /// `security`, `bugfix`, `enhancement`, `newpackage`.
    #[sea_orm(column_name = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: String,
    /// What to do.
    pub solution: String,
    /// The release of the distribution.
    pub release: String,
    /// Whose text it is.
    pub rights: String,
    /// How often it was pushed.
    pub pushcount: String,
    /// Whether a restart is advised.
    pub reboot_suggested: bool,
    /// Its collections of packages, as [`Advisory::collections`].
    pub pkglist: Raw,
    /// What it refers to, as [`Advisory::references`].
    pub references: Raw,
    /// The digest of all of it.
    pub digest: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of an advisory.
    ///
    /// # Errors
    /// Never: an advisory has JSON.
    pub fn of(advisory: &Advisory) -> Result<Self> {
        Ok(Self {
            id: advisory.id.clone(),
            updated_date: advisory.updated_date.clone(),
            description: advisory.description.clone(),
            issued_date: advisory.issued_date.clone(),
            fromstr: advisory.fromstr.clone(),
            status: advisory.status.clone(),
            title: advisory.title.clone(),
            summary: advisory.summary.clone(),
            version: advisory.version.clone(),
            kind: advisory.kind.clone(),
            severity: advisory.severity.clone(),
            solution: advisory.solution.clone(),
            release: advisory.release.clone(),
            rights: advisory.rights.clone(),
            pushcount: advisory.pushcount.clone(),
            reboot_suggested: advisory.reboot_suggested,
            pkglist: Raw::of(&advisory.collections)?,
            references: Raw::of(&advisory.references)?,
            digest: advisory.digest(),
            ..Self::default()
        })
    }

    /// The advisory again, as metadata is made of it.
    ///
    /// # Errors
    /// If the row does not hold what was written.
    pub fn advisory(self) -> Result<Advisory> {
        Ok(Advisory {
            collections: self.pkglist.read()?,
            references: self.references.read()?,
            id: self.id,
            updated_date: self.updated_date,
            description: self.description,
            issued_date: self.issued_date,
            fromstr: self.fromstr,
            status: self.status,
            title: self.title,
            summary: self.summary,
            version: self.version,
            kind: self.kind,
            severity: self.severity,
            solution: self.solution,
            release: self.release,
            rights: self.rights,
            pushcount: self.pushcount,
            reboot_suggested: self.reboot_suggested,
        })
    }
}

impl Detail for Entity {
    type Master = content::Entity;
    const TYPE: &'static str = "rpm.advisory";
    const MODEL: &'static str = "UpdateRecord";
    const ENDPOINT: &'static str = "advisories";
    type Body = UpdateRecordBody;
    // A file is read when it is posted and then not needed any more.
    const LACKS: &'static [&'static str] = &["artifact", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

    fn read(row: &Model) -> UpdateRecordBody {
        UpdateRecordBody::of(row)
    }

    /// All of it stands in the file.
    fn write(_row: &mut Model, _body: UpdateRecordBody) {}

    fn filters() -> Filters {
        use Column as C;
        Filters::new()
            .lookups(C::Id, &["", "in"])
            .lookups(C::Status, &["", "in", "ne"])
            .lookups(C::Severity, &["", "in", "ne"])
            .lookups(C::Kind, &["", "in", "ne"])
            .ordered(&[
                C::Description,
                C::Digest,
                C::Fromstr,
                C::Id,
                C::IssuedDate,
                C::Pushcount,
                C::RebootSuggested,
                C::Release,
                C::Rights,
                C::Severity,
                C::Solution,
                C::Status,
                C::Summary,
                C::Title,
                C::Kind,
                C::UpdatedDate,
                C::Version,
            ])
    }
}

impl Content for Entity {
    const NATURAL_KEY: &'static [Column] = &[Column::PulpDomainId, Column::Digest];
    // Two with one id are merged or refused by the repository, which compares what they say.
    const REPO_KEY: &'static [Column] = &[];

    async fn from_post(app: &App, _body: UpdateRecordBody, file: Option<&artifact::Model>) -> Result<Upload<Model>> {
        let file = file.ok_or_else(|| Error::invalid("file", "This field is required."))?;
        if file.size > advisory::json::LONGEST {
            return Err(Error::invalid("file", "This file is too large to be an advisory."));
        }
        let bytes = app.storage.read(&file.file, None).await?.bytes().await?;
        let row = Model::of(&advisory::json::read(&bytes)?)?;
        Ok(Upload { row, relative_path: String::new() })
    }
}
