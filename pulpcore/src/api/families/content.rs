//! Content units.

use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::network::NetworkConfig;
use super::upload;
use super::version::{Relation, units_of};
use crate::api::bodies::LabelMap;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::family::{self, View, label_endpoints, list_endpoint, read_endpoint};
use crate::api::filters::{Filters, IntoCondition, Kind, col};
use crate::api::list::label_select;
use crate::api::query::values;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::db::{now, one_of};
use crate::error::{Error, Result};
use crate::models::{artifact, content, content_artifact, repository, repository_content as membership};
use crate::plugin::Noun;
use crate::refs::Link;

/// Core's fields of a unit with one file.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    /// A URI of a repository the new content unit should be associated with.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, value_type = String, format = "uri", required = false)]
    pub(crate) repository: Option<Link<repository::Entity>>,
    /// When set to true, existing content in the repository with the same unique key will be silently overwritten.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, nullable = false)]
    pub(crate) overwrite: Option<bool>,
    /// A dictionary of arbitrary key/value pairs used to describe a specific Content instance.
    #[serde(default)]
    pub(crate) pulp_labels: LabelMap,
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, format = "uri", nullable = false)]
    vuln_report: Option<String>,
    /// Artifact file representing the physical content.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub(crate) artifact: Option<Link<artifact::Entity>>,
    /// An uploaded file that may be turned into the content unit.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, format = "binary", nullable = false)]
    pub(crate) file: Option<String>,
    /// An uncommitted upload that may be turned into the content unit.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, value_type = String, format = "uri", required = false)]
    pub(crate) upload: Option<Link<crate::models::upload::Entity>>,
    /// A url that Pulp can download and turn into the content unit.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, min_length = 1, nullable = false)]
    pub(crate) file_url: Option<String>,
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(write_only, required = false, value_type = NetworkConfig)]
    pub(crate) downloader_config: Option<NetworkConfig>,
    /// The MD5 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    md5: Option<String>,
    /// The SHA-1 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    sha1: Option<String>,
    /// The SHA-224 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    sha224: Option<String>,
    /// The SHA-256 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    sha256: Option<String>,
    /// The SHA-384 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    sha384: Option<String>,
    /// The SHA-512 checksum if available.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    sha512: Option<String>,
}

/// Core's fields in the list over all types.
#[derive(Debug, Serialize, ToSchema)]
struct GenericBody {
    #[schema(required = false)]
    pulp_labels: LabelMap,
    #[schema(read_only, required = false, format = "uri", nullable = false)]
    vuln_report: Option<String>,
    /// A dict mapping relative paths inside the Content to the corresponding Artifact URLs.
    #[schema(value_type = BTreeMap<String, Value>)]
    artifacts: BTreeMap<String, Option<String>>,
}

impl View for content::Entity {
    type Body = Body;
    type Seen = content::Model;

    fn filters() -> Filters {
        use content::Column as C;
        let of = |filters: Filters, name: &'static str, relation| {
            filters.custom(name, move |text, _| {
                Ok(col(C::PulpId).in_subquery(units_of(name, text, relation)?).into_condition())
            })
        };
        let filters = of(Filters::new(), "repository_version", Relation::Present);
        let filters = of(filters, "repository_version_added", Relation::Added);
        let filters = of(filters, "repository_version_removed", Relation::Removed);
        let filters = filters
            .add("orphaned_for", Kind::Number, |text, _| orphaned(text))
            .add("added_between", Kind::List(Box::new(Kind::Text)), |text, _| between("added_between", text, false))
            .add("removed_between", Kind::List(Box::new(Kind::Text)), |text, _| between("removed_between", text, true))
            .ordered(&[
                C::PulpId,
                C::PulpCreated,
                C::PulpLastUpdated,
                C::PulpType,
                C::TimestampOfInterest,
                C::PulpLabels,
            ])
            .ordered_as("pk", C::PulpId);
        label_select(filters, C::PulpLabels)
    }

    async fn read(reader: &Reader, rows: &[content::Model]) -> Result<Vec<Body>> {
        let files = files(reader, rows).await?;
        let body = |row: &content::Model| {
            let file = files.get(&row.pulp_id).and_then(|files| files.first());
            Body {
                repository: None,
                overwrite: None,
                pulp_labels: row.pulp_labels.0.clone(),
                vuln_report: None,
                artifact: file.and_then(|file| {
                    let id = file.artifact_id?;
                    Some(Link::to(id, format!("{}artifacts/{id}/", reader.root)))
                }),
                file: None,
                upload: None,
                file_url: None,
                downloader_config: None,
                md5: file.and_then(|file| file.md5.clone()),
                sha1: file.and_then(|file| file.sha1.clone()),
                sha224: file.and_then(|file| file.sha224.clone()),
                sha256: file.and_then(|file| file.sha256.clone()),
                sha384: file.and_then(|file| file.sha384.clone()),
                sha512: file.and_then(|file| file.sha512.clone()),
            }
        };
        Ok(rows.iter().map(body).collect())
    }

    async fn read_generic(reader: &Reader, rows: &[content::Model]) -> Result<Vec<Map<String, Value>>> {
        let mut files = files(reader, rows).await?;
        rows.iter()
            .map(|row| {
                let own = files.remove(&row.pulp_id).unwrap_or_default().into_iter();
                let href = |id| format!("{}artifacts/{id}/", reader.root);
                shape::object(&GenericBody {
                    pulp_labels: row.pulp_labels.0.clone(),
                    vuln_report: None,
                    artifacts: own.map(|file| (file.relative_path, file.artifact_id.map(href))).collect(),
                })
            })
            .collect()
    }
}

/// A file of a unit, with the digests of its bytes.
#[derive(Debug, FromQueryResult)]
struct File {
    content_id: Uuid,
    artifact_id: Option<Uuid>,
    relative_path: String,
    md5: Option<String>,
    sha1: Option<String>,
    sha224: Option<String>,
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
}

async fn files(reader: &Reader, rows: &[content::Model]) -> Result<HashMap<Uuid, Vec<File>>> {
    use artifact::Column as A;
    let mut files: HashMap<Uuid, Vec<File>> = HashMap::new();
    if rows.is_empty() {
        return Ok(files);
    }
    let db = reader.app.db.read();
    let mut select = Query::select();
    select
        .expr(col(content_artifact::Column::ContentId))
        .expr(col(content_artifact::Column::ArtifactId))
        .expr(col(content_artifact::Column::RelativePath))
        .from(content_artifact::Entity)
        .left_join(artifact::Entity, col(A::PulpId).eq(col(content_artifact::Column::ArtifactId)))
        .and_where(one_of(db, content_artifact::Column::ContentId, rows.iter().map(|row| row.pulp_id)));
    for digest in [A::Md5, A::Sha1, A::Sha224, A::Sha256, A::Sha384, A::Sha512] {
        select.expr(col(digest));
    }
    for file in File::find_by_statement(db.get_database_backend().build(&select)).all(db).await? {
        files.entry(file.content_id).or_default().push(file);
    }
    Ok(files)
}

/// All operations of a kind of content.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let mut endpoints = vec![list_endpoint::<content::Entity>(noun), read_endpoint::<content::Entity>(noun)];
    endpoints.extend(upload::create_endpoints(noun));
    // As Pulp's viewsets do: the base of those that only read says so.
    let status = if noun.omits("create") { 200 } else { 201 };
    endpoints.extend(label_endpoints::<content::Entity>(noun, status));
    endpoints
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    family::generic_list_endpoint::<content::Entity>(generic_response())
}

fn generic_response() -> Described {
    shape::core_response::<GenericBody>("MultipleArtifactContentResponse")
}

/// Units that no version holds and nothing has touched for so many days.
fn orphaned(text: &str) -> Result<Condition> {
    let days: f64 = text.parse().map_err(|_| Error::invalid("orphaned_for", "Enter a number."))?;
    if !days.is_finite() || !(0.0..1e6).contains(&days) {
        return Err(Error::invalid("orphaned_for", "Enter a number."));
    }
    let before: OffsetDateTime = now() - time::Duration::seconds_f64(days * 86_400.0);
    let held = Query::select().column(membership::Column::ContentId).from(membership::Entity).take();
    Ok(Condition::all()
        .add(col(content::Column::PulpId).not_in_subquery(held))
        .add(col(content::Column::TimestampOfInterest).lt(before)))
}

/// Units that came (or went) after the first of two versions of a repository, up to the second.
fn between(name: &'static str, text: &str, removed: bool) -> Result<Condition> {
    use crate::refs::Target;
    let names = values::strings(name, text)?;
    let numbers: Option<Vec<(Uuid, i64)>> = names
        .iter()
        .map(|text| match Target::parse(text) {
            Some(Target::Version { repository, number }) => Some((repository, number)),
            _ => None,
        })
        .collect();
    let Some([(repository, first), (same, last)]) = numbers.as_deref() else {
        return Err(Error::invalid(name, "Two repository version HREFs are expected."));
    };
    if repository != same {
        return Err(Error::invalid(name, "Both versions must belong to the same repository."));
    }
    let boundary = if removed { membership::Column::VersionRemoved } else { membership::Column::VersionAdded };
    let units = Query::select()
        .column(membership::Column::ContentId)
        .from(membership::Entity)
        .and_where(membership::Column::RepositoryId.eq(*repository))
        .and_where(boundary.gt(*first))
        .and_where(boundary.lte(*last))
        .take();
    Ok(col(content::Column::PulpId).in_subquery(units).into_condition())
}
