//! Advisories.

use pulpcore::api::schema::markers::AnyObject;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;
use crate::models::update_record::Model;

/// An advisory. What a client writes of it is in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::UpdateRecord)]
#[serde(default)]
pub struct UpdateRecordBody {
    /// Update id (short update name, e.g. RHEA-2013:1777)
    #[schema(read_only, required = false)]
    pub id: String,
    /// Date when the update was updated, e.g. '2013-12-02 00:00:00'
    #[schema(read_only, required = false, nullable = false)]
    pub updated_date: Option<String>,
    /// Update description
    #[schema(read_only, required = false)]
    pub description: String,
    /// Date when the update was issued, e.g. '2013-12-02 00:00:00'
    #[schema(read_only, required = false)]
    pub issued_date: String,
    /// Source of the update, e.g. security@redhat.com
    #[schema(read_only, required = false)]
    pub fromstr: String,
    /// Update status ('final', ...)
    #[schema(read_only, required = false)]
    pub status: String,
    /// Update name
    #[schema(read_only, required = false)]
    pub title: String,
    /// Short summary
    #[schema(read_only, required = false)]
    pub summary: String,
    /// Update version (probably always an integer number)
    #[schema(read_only, required = false)]
    pub version: String,
    /// Update type ('enhancement', 'bugfix', ...)
    #[serde(rename = "type")]
    #[schema(read_only, required = false)]
    pub kind: String,
    /// Severity
    #[schema(read_only, required = false)]
    pub severity: String,
    /// Solution
    #[schema(read_only, required = false)]
    pub solution: String,
    /// Update release
    #[schema(read_only, required = false)]
    pub release: String,
    /// Copyrights
    #[schema(read_only, required = false)]
    pub rights: String,
    /// Push count
    #[schema(read_only, required = false)]
    pub pushcount: String,
    /// List of packages
    #[schema(read_only, required = false, value_type = Vec<UpdateCollection>)]
    pub pkglist: Raw,
    /// List of references
    #[schema(read_only, required = false, value_type = Vec<AnyObject>)]
    pub references: Raw,
    /// Reboot suggested
    #[schema(read_only, required = false)]
    pub reboot_suggested: bool,
}

/// Some packages of an advisory, as [`Collection`](crate::metadata::updateinfo::Collection) writes them: for the description.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::UpdateCollectionResponse)]
pub struct UpdateCollection {
    /// Collection name.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Collection short name.
    #[schema(required = true)]
    pub shortname: Option<String>,
    /// Collection modular NSVCA.
    #[schema(nullable = true)]
    pub module: Raw,
    /// List of packages
    #[schema(read_only, required = false, value_type = Vec<AnyObject>)]
    pub packages: Raw,
}

impl UpdateRecordBody {
    /// A row, as clients see it.
    pub fn of(row: &Model) -> Self {
        Self {
            id: row.id.clone(),
            updated_date: row.updated_date.clone(),
            description: row.description.clone(),
            issued_date: row.issued_date.clone(),
            fromstr: row.fromstr.clone(),
            status: row.status.clone(),
            title: row.title.clone(),
            summary: row.summary.clone(),
            version: row.version.clone(),
            kind: row.kind.clone(),
            severity: row.severity.clone(),
            solution: row.solution.clone(),
            release: row.release.clone(),
            rights: row.rights.clone(),
            pushcount: row.pushcount.clone(),
            pkglist: row.pkglist.clone(),
            references: row.references.clone(),
            reboot_suggested: row.reboot_suggested,
        }
    }
}
