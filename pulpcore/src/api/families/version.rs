//! Repository versions.

use std::collections::{BTreeMap, HashMap};

use axum::http::{Method, StatusCode};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::bodies::{AsyncOperationResponse, Identity, Timestamp, yes};
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint, operation_id, tag};
use crate::api::family::{find, version_href_name};
use crate::api::filters::{Filters, IntoCondition, Kind, col, target_id};
use crate::api::list::{self, Paged};
use crate::api::query::values;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::db::one_of;
use crate::error::{Error, Result};
use crate::models::{
    repository, repository_content as membership, repository_version, repository_version_count as counts,
};
use crate::plugin::{Family, Locks, Noun, Task, TaskCx, TaskKind, register};
use crate::refs::{Target, VERSION_MODEL, prn};
use crate::sync::repair::RepairVersion;
use crate::{registry, versions};

/// How many units of a type, and where to see them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypeSummary {
    count: i64,
    href: String,
}

/// What a version holds, gained and lost, by type.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ContentSummaryResponse)]
pub(crate) struct ContentSummary {
    #[schema(value_type = BTreeMap<String, Object>)]
    added: BTreeMap<String, TypeSummary>,
    #[schema(value_type = BTreeMap<String, Object>)]
    removed: BTreeMap<String, TypeSummary>,
    #[schema(value_type = BTreeMap<String, Object>)]
    present: BTreeMap<String, TypeSummary>,
}

/// A repository version, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Body {
    #[schema(read_only, required = false)]
    number: i64,
    #[schema(read_only, required = false, format = "uri")]
    repository: String,
    /// A repository version whose content was used as the initial set of content for this repository version.
    #[schema(format = "uri", required = false, nullable = false)]
    base_version: Option<String>,
    /// Various count summaries of the content in the version and the HREF to view them.
    #[schema(read_only, required = false)]
    content_summary: ContentSummary,
    #[schema(read_only, required = false)]
    vuln_report: String,
}

fn filters() -> Filters {
    use repository_version::Column as C;
    Filters::new()
        .number(C::Number, &["", "lt", "lte", "gt", "gte", "range"])
        .datetime(C::PulpCreated)
        .add("content", Kind::Text, |text, _| holding(&[target_id("content", text)?]))
        .add("content__in", Kind::List(Box::new(Kind::Text)), |text, _| {
            let ids = values::strings("content__in", text)?;
            holding(&ids.iter().map(|id| target_id("content__in", id)).collect::<Result<Vec<_>>>()?)
        })
        .add("pulp_href__in", Kind::List(Box::new(Kind::Text)), |text, _| named("pulp_href__in", text))
        .add("prn__in", Kind::List(Box::new(Kind::Text)), |text, _| named("prn__in", text))
        .ordered(&[C::PulpId, C::PulpCreated, C::PulpLastUpdated, C::Number])
        .ordered_as("pk", C::PulpId)
}

/// Versions that hold any of these units.
fn holding(units: &[Uuid]) -> Result<Condition> {
    let member = Query::select()
        .expr(Expr::val(1))
        .from(membership::Entity)
        .and_where(membership::Column::ContentId.is_in(units.iter().copied()))
        .and_where(held())
        .take();
    Ok(Expr::exists(member).into_condition())
}

/// The membership's range covers the version's number.
pub(crate) fn held() -> sea_orm::sea_query::SimpleExpr {
    col(membership::Column::RepositoryId)
        .eq(col(repository_version::Column::RepositoryId))
        .and(col(membership::Column::VersionAdded).lte(col(repository_version::Column::Number)))
        .and(
            col(membership::Column::VersionRemoved)
                .is_null()
                .or(col(membership::Column::VersionRemoved).gt(col(repository_version::Column::Number))),
        )
}

fn named(name: &str, text: &str) -> Result<Condition> {
    let mut any = Condition::any();
    for text in values::strings(name, text)? {
        any = any.add(is_version(name, &text)?);
    }
    Ok(any)
}

/// The version that an href or PRN names, as a condition on the version table.
fn is_version(name: &str, text: &str) -> Result<sea_orm::sea_query::SimpleExpr> {
    match Target::parse(text) {
        Some(Target::Object { model: VERSION_MODEL, id }) => Ok(col(repository_version::Column::PulpId).eq(id)),
        Some(Target::Version { repository, number }) => Ok(col(repository_version::Column::RepositoryId)
            .eq(repository)
            .and(col(repository_version::Column::Number).eq(number))),
        _ => Err(Error::invalid(name, format!("URI not valid: {text}"))),
    }
}

/// How a unit relates to a version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Relation {
    Present,
    Added,
    Removed,
}

/// The units of a version that an href or PRN names, as a subquery over their keys.
pub(crate) fn units_of(name: &str, text: &str, relation: Relation) -> Result<SelectStatement> {
    let number = || col(repository_version::Column::Number);
    let same_repository = col(membership::Column::RepositoryId).eq(col(repository_version::Column::RepositoryId));
    let related = match relation {
        Relation::Present => held(),
        Relation::Added => same_repository.and(col(membership::Column::VersionAdded).eq(number())),
        Relation::Removed => same_repository.and(col(membership::Column::VersionRemoved).eq(number())),
    };
    Ok(Query::select()
        .expr(col(membership::Column::ContentId))
        .from(repository_version::Entity)
        .inner_join(membership::Entity, related)
        .and_where(is_version(name, text)?)
        .take())
}

/// The list of a repository's versions, one version, and its deletion.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let listed = std::sync::Arc::new(filters());
    let prefix = format!("{}{{pulp_id}}/", noun.path());
    let detail = format!("{prefix}versions/{{number}}/");
    let (id, href) = (|action: &str| operation_id(noun, &format!("versions_{action}")), version_href_name(noun));
    let of_versions = format!("{} Versions", tag(noun));
    vec![
        Endpoint::new(Method::GET, format!("{prefix}versions/"), id("list"), move |cx| {
            let filters = std::sync::Arc::clone(&listed);
            async move {
                let row = find::<repository::Entity>(&cx, noun, cx.id()?).await?;
                let of_repository = repository_version::Column::RepositoryId.eq(row.pulp_id);
                let paged: Paged<_> =
                    list::page::<repository_version::Entity>(&cx, &filters, Some(of_repository)).await?;
                let objects = render(&cx.reader(), &paged.rows).await?;
                Ok(paged.respond(&cx, objects))
            }
        })
        .on(noun)
        .tagged(&of_versions)
        .about("List repository versions")
        .listed(&filters())
        .answers(200, shape::paginated(response())),
        Endpoint::new(Method::GET, &detail, id("read"), move |cx| async move {
            let row = in_path(&cx, noun).await?;
            let object = render(&cx.reader(), &[row]).await?.pop().unwrap_or_default();
            Ok(cx.object(StatusCode::OK, object))
        })
        .of_object(&detail, &href)
        .tagged(&of_versions)
        .about("Inspect a repository version")
        .selectable()
        .answers(200, response()),
        Endpoint::new(Method::DELETE, &detail, id("delete"), move |cx| async move {
            let row = in_path(&cx, noun).await?;
            if versions::protected(cx.app.db.read(), row.repository_id).await?.contains(&row.pulp_id) {
                return Err(Error::invalid_together(versions::PROTECTED));
            }
            let repository = prn(noun.prn_model(), row.repository_id);
            cx.dispatch(DeleteVersion { version: row.pulp_id, repository }).await
        })
        .of_object(&detail, &href)
        .tagged(&of_versions)
        .about("Delete a repository version")
        .answers(202, Described::of::<AsyncOperationResponse>()),
        repair_endpoint(noun, &detail),
    ]
}

/// How thoroughly to look.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Repair {
    /// Will verify that the checksum of all stored files matches saved in the database. Otherwise only the existence of
    /// the files will be checked. Enabled by default.
    #[serde(default = "yes")]
    #[schema(default = true, required = false)]
    verify_checksums: bool,
}

fn repair_endpoint(noun: &'static Noun, detail: &str) -> Endpoint {
    let schema = std::sync::Arc::new(BodySchema::of::<Repair>());
    Endpoint::new(Method::POST, format!("{detail}repair/"), operation_id(noun, "versions_repair"), move |mut cx| {
        let schema = std::sync::Arc::clone(&schema);
        async move {
            let row = in_path(&cx, noun).await?;
            let Repair { verify_checksums } = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
            let repository = prn(noun.prn_model(), row.repository_id);
            cx.dispatch(RepairVersion { version: row.pulp_id, repository, verify_checksums }).await
        }
    })
    .of_object(detail, version_href_name(noun))
    .tagged(format!("{} Versions", tag(noun)))
    .about("Trigger an asynchronous task to repair a repository version")
    .takes(Described::of::<Repair>())
    .answers(202, Described::of::<AsyncOperationResponse>())
}

/// The list over all repositories.
pub(crate) fn generic_list() -> Endpoint {
    let listed = std::sync::Arc::new(filters());
    Endpoint::new(Method::GET, "repository_versions/", "repository_versions_list", move |cx| {
        let filters = std::sync::Arc::clone(&listed);
        async move {
            let paged: Paged<_> = list::page::<repository_version::Entity>(&cx, &filters, None).await?;
            let objects = render(&cx.reader(), &paged.rows).await?;
            Ok(paged.respond(&cx, objects))
        }
    })
    .tagged("Repository_Versions")
    .about("List repository versions")
    .listed(&filters())
    .answers(200, shape::paginated(response()))
}

fn response() -> Described {
    shape::core_response::<Body>("RepositoryVersionResponse")
}

async fn in_path(cx: &Cx, noun: &'static Noun) -> Result<repository_version::Model> {
    let repository = find::<repository::Entity>(cx, noun, cx.id()?).await?;
    let missing = || crate::api::not_found("RepositoryVersion");
    let number: i64 = cx.param("number").and_then(|number| number.parse().ok()).ok_or_else(missing)?;
    let row = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository.pulp_id))
        .filter(repository_version::Column::Number.eq(number))
        .one(cx.app.db.read())
        .await?;
    row.ok_or_else(missing)
}

/// The task returns the version.
pub(crate) async fn returns(cx: &TaskCx, version: &repository_version::Model) -> Result<()> {
    cx.returns(render(&Reader::of_task(cx.app()), std::slice::from_ref(version)).await?.pop())
}

async fn render(reader: &Reader, rows: &[repository_version::Model]) -> Result<Vec<Map<String, Value>>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = || rows.iter().map(|row| row.pulp_id);
    let hrefs = reader.version_hrefs(ids().chain(rows.iter().filter_map(|row| row.base_version_id))).await?;
    let mut summaries: HashMap<Uuid, Vec<counts::Model>> = HashMap::new();
    let db = reader.app.db.read();
    let found = counts::Entity::find().filter(one_of(db, counts::Column::RepositoryVersionId, ids()));
    for row in found.all(db).await? {
        summaries.entry(row.repository_version_id).or_default().push(row);
    }
    let mut objects = Vec::with_capacity(rows.len());
    for row in rows {
        // Versions of a plugin that this build lacks have no address here.
        let Some((href, repository)) = hrefs.get(&row.pulp_id) else { continue };
        let name = prn(VERSION_MODEL, row.pulp_id);
        let body = Body {
            number: row.number,
            repository: repository.clone(),
            base_version: row.base_version_id.and_then(|id| Some(hrefs.get(&id)?.0.clone())),
            content_summary: summary(reader, href, summaries.remove(&row.pulp_id).unwrap_or_default()),
            vuln_report: format!("{}vuln_report/?repo_versions={name}", reader.root),
        };
        let mut object = shape::object(&Identity {
            pulp_href: href.clone(),
            prn: name,
            pulp_created: Timestamp(row.pulp_created),
            pulp_last_updated: Timestamp(row.pulp_last_updated),
        })?;
        object.append(&mut shape::object(&body)?);
        objects.push(object);
    }
    Ok(objects)
}

fn summary(reader: &Reader, version: &str, rows: Vec<counts::Model>) -> ContentSummary {
    let mut summary = ContentSummary::default();
    for row in rows {
        let (filter, side) = match row.count_type.as_str() {
            "A" => ("repository_version_added", &mut summary.added),
            "R" => ("repository_version_removed", &mut summary.removed),
            _ => ("repository_version", &mut summary.present),
        };
        let list =
            registry::get().noun(Family::Content, &row.content_type).map(Noun::path).unwrap_or("content/".to_owned());
        let href = format!("{}{list}?{filter}={version}", reader.root);
        side.insert(row.content_type, TypeSummary { count: row.count, href });
    }
    summary
}

/// Deletes a repository version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::VersionDeletion)]
pub(crate) struct DeleteVersion {
    /// The version.
    version: Uuid,
    /// The repository's PRN.
    repository: String,
}

impl Task for DeleteVersion {
    const TYPE: &'static str = "core/version-deletions";
    const NAME: &'static str = "pulpcore.app.tasks.repository.delete_version";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        // Gone already is what was asked for.
        let Some(row) = repository_version::Entity::find_by_id(self.version).one(&*tx).await? else { return Ok(()) };
        versions::delete(&tx, &row).await?;
        tx.commit().await
    }
}

register!(TaskKind::of::<DeleteVersion>());
