//! Distributions.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::writable::{self, Writable, check_name, referenced, unique};
use crate::api::bodies::{LabelMap, Timestamp};
use crate::api::endpoint::Endpoint;
use crate::api::family::{self, View, label_endpoints, list_endpoint, read_endpoint};
use crate::api::filters::{Filters, IntoCondition, col, target_id};
use crate::api::list::label_select;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::app::App;
use crate::content::grace;
use crate::db::{WriteTx, now};
use crate::error::{Error, Result};
use crate::models::{
    Labels, content_guard, distribution, publication, remote, repository, repository_content as membership,
    repository_version,
};
use crate::plugin::{Family, Hooks, Noun};
use crate::refs::{Link, Target, VersionRef};
use crate::registry;

/// Core's fields of a distribution.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    /// The base (relative) path component of the published url. Avoid paths that overlap with other distribution base
    /// paths (e.g. "foo" and "foo/bar").
    #[schema(min_length = 1)]
    base_path: String,
    /// The URL for accessing the publication as defined by this distribution.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false)]
    base_url: String,
    /// An optional content-guard.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uri")]
    content_guard: Option<Link<content_guard::Entity>>,
    /// The Pulp Resource Name (PRN) of the associated optional content guard.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false)]
    content_guard_prn: Option<String>,
    /// Timestamp since when the distributed content served by this distribution has not changed. If equals to `null`, no
    /// guarantee is provided about content changes.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, value_type = String)]
    no_content_change_since: Option<Timestamp>,
    /// Whether this distribution should be shown in the content app.
    #[serde(default)]
    #[schema(default = false)]
    hidden: bool,
    #[serde(default)]
    pulp_labels: LabelMap,
    /// A unique name. Ex, `rawhide` and `stable`.
    #[schema(min_length = 1)]
    name: String,
    /// The latest RepositoryVersion for this Repository will be served.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uri")]
    repository: Option<Link<repository::Entity>>,
    /// RepositoryVersion to be served.
    #[serde(default)]
    repository_version: Option<VersionRef>,
    /// Publication to be served.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uri")]
    publication: Option<Link<publication::Entity>>,
    /// Remote that can be used to fetch content when using pull-through caching.
    // The outer option: kinds that pull through nothing have no such field.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = "uri")]
    remote: Option<Option<Link<remote::Entity>>>,
    /// Whether it serves checkpoints.
    #[serde(default)]
    checkpoint: bool,
}

/// What the list over all types does not show.
const TYPED: &[&str] = &["publication", "remote", "checkpoint"];

impl View for distribution::Entity {
    type Body = Body;
    type Seen = distribution::Model;

    fn filters() -> Filters {
        use distribution::Column as C;
        let filters = Filters::new()
            .text(C::Name)
            .lookups(C::BasePath, &["", "in", "contains", "icontains"])
            .boolean(C::Checkpoint)
            .reference::<repository::Entity, _>("repository", C::RepositoryId)
            .reference_in::<repository::Entity, _>("repository__in", C::RepositoryId)
            .reference::<content_guard::Entity, _>("content_guard", C::ContentGuardId)
            .reference_in::<content_guard::Entity, _>("content_guard__in", C::ContentGuardId)
            .custom("with_content", |text, _| offering(text))
            .ordered(&[
                C::PulpId,
                C::PulpCreated,
                C::PulpLastUpdated,
                C::PulpType,
                C::Name,
                C::PulpLabels,
                C::BasePath,
                C::Hidden,
                C::Checkpoint,
            ])
            .ordered_as("pk", C::PulpId);
        label_select(filters, C::PulpLabels)
    }

    async fn read(reader: &Reader, rows: &[distribution::Model]) -> Result<Vec<Body>> {
        let repositories = reader.hrefs::<repository::Entity>(rows.iter().filter_map(|row| row.repository_id)).await?;
        let publications =
            reader.hrefs::<publication::Entity>(rows.iter().filter_map(|row| row.publication_id)).await?;
        let versions = reader.version_hrefs(rows.iter().filter_map(|row| row.repository_version_id)).await?;
        let guards = reader.hrefs::<content_guard::Entity>(rows.iter().filter_map(|row| row.content_guard_id)).await?;
        let remotes = reader.hrefs::<remote::Entity>(rows.iter().filter_map(|row| row.remote_id)).await?;
        let settings = &reader.app.settings;
        let prefix = format!("{}{}", settings.content_origin(), settings.content_path_prefix);
        let body = |row: &distribution::Model| Body {
            base_path: row.base_path.clone(),
            base_url: format!("{prefix}{}/", row.base_path),
            content_guard: row.content_guard_id.and_then(|id| Some(Link::to(id, guards.get(&id)?))),
            content_guard_prn: row.content_guard_id.and_then(|id| Target::prn_of(guards.get(&id)?)),
            no_content_change_since: stands_still(row).then_some(Timestamp(row.pulp_last_updated)),
            hidden: row.hidden,
            pulp_labels: row.pulp_labels.0.clone(),
            name: row.name.clone(),
            repository: row.repository_id.and_then(|id| Some(Link::to(id, repositories.get(&id)?))),
            repository_version: row.repository_version_id.and_then(|id| Some(VersionRef::shown(&versions.get(&id)?.0))),
            publication: row.publication_id.and_then(|id| Some(Link::to(id, publications.get(&id)?))),
            remote: pulls_through(&row.pulp_type)
                .then(|| row.remote_id.and_then(|id| Some(Link::to(id, remotes.get(&id)?)))),
            checkpoint: row.checkpoint,
        };
        Ok(rows.iter().map(body).collect())
    }

    async fn read_generic(reader: &Reader, rows: &[distribution::Model]) -> Result<Vec<Map<String, Value>>> {
        let mut objects: Vec<_> = Self::read(reader, rows).await?.iter().map(shape::object).collect::<Result<_>>()?;
        for object in &mut objects {
            object.retain(|field, _| !TYPED.contains(&field.as_str()));
        }
        Ok(objects)
    }
}

impl Writable for distribution::Entity {
    async fn check(app: &App, noun: &Noun, id: Option<Uuid>, body: &Body) -> Result<()> {
        check_path(&body.base_path)?;
        check_name::<Self>(app, id, &body.name).await?;
        unique::<Self>(app, id, "base_path", &body.base_path).await?;
        check_overlap(app, noun, id, &body.base_path).await?;
        check_sources(body)?;
        if let Some(guard) = &body.content_guard {
            referenced::<content_guard::Entity>(app, "content_guard", guard.id).await?;
        }
        if let Some(repository) = &body.repository {
            referenced::<repository::Entity>(app, "repository", repository.id).await?;
        }
        if let Some(version) = &body.repository_version {
            version.find(app.db.read(), "repository_version").await?;
        }
        if let Some(publication) = &body.publication {
            let pulp_type = referenced::<publication::Entity>(app, "publication", publication.id).await?;
            if let Hooks::Distribution(hooks) = &noun.hooks
                && !hooks.publications.contains(&pulp_type.as_str())
            {
                return Err(Error::invalid("publication", "Invalid hyperlink - Incorrect URL match."));
            }
        }
        if let Some(Some(remote)) = &body.remote {
            let pulp_type = referenced::<remote::Entity>(app, "remote", remote.id).await?;
            if let Hooks::Distribution(hooks) = &noun.hooks
                && !hooks.remotes.contains(&pulp_type.as_str())
            {
                return Err(Error::invalid("remote", "Invalid hyperlink - Incorrect URL match."));
            }
        }
        Ok(())
    }

    async fn insert(tx: &WriteTx, app: &App, noun: &Noun, id: Uuid, body: Body) -> Result<()> {
        let now = now();
        let version = version_id(tx, body.repository_version.as_ref()).await?;
        distribution::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set(noun.type_name.to_owned()),
            name: Set(body.name),
            base_path: Set(body.base_path),
            pulp_labels: Set(Labels(body.pulp_labels)),
            hidden: Set(body.hidden),
            checkpoint: Set(body.checkpoint),
            content_guard_id: Set(body.content_guard.map(|link| link.id)),
            publication_id: Set(body.publication.map(|link| link.id)),
            repository_id: Set(body.repository.map(|link| link.id)),
            repository_version_id: Set(version),
            remote_id: Set(body.remote.flatten().map(|link| link.id)),
        }
        .insert(&**tx)
        .await?;
        Ok(())
    }

    async fn update(
        tx: &WriteTx,
        app: &App,
        row: distribution::Model,
        body: Body,
        _: &Map<String, Value>,
    ) -> Result<()> {
        let version = version_id(tx, body.repository_version.as_ref()).await?;
        let before = grace::served(tx, row.pulp_id).await?;
        let mut row = row.into_active_model();
        row.name = Set(body.name);
        row.base_path = Set(body.base_path);
        row.pulp_labels = Set(Labels(body.pulp_labels));
        row.hidden = Set(body.hidden);
        row.checkpoint = Set(body.checkpoint);
        row.content_guard_id = Set(body.content_guard.map(|link| link.id));
        row.publication_id = Set(body.publication.map(|link| link.id));
        row.repository_id = Set(body.repository.map(|link| link.id));
        row.repository_version_id = Set(version);
        if pulls_through(row.pulp_type.as_ref()) {
            row.remote_id = Set(body.remote.flatten().map(|link| link.id));
        }
        row.pulp_last_updated = Set(now());
        let row = row.update(&**tx).await?;
        grace::changed(tx, app, &row, before).await
    }
}

/// Whether what is served changes only with the distribution itself: it follows no repository, nor whatever will be
/// published of a version.
fn stands_still(row: &distribution::Model) -> bool {
    let serves_publications =
        || match registry::get().noun(Family::Distribution, &row.pulp_type).map(|noun| &noun.hooks) {
            Some(Hooks::Distribution(hooks)) => !hooks.publications.is_empty(),
            _ => true,
        };
    row.publication_id.is_some() || (row.repository_version_id.is_some() && !serves_publications())
}

/// All operations of a kind of distribution.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let mut endpoints = vec![
        list_endpoint::<distribution::Entity>(noun),
        writable::create_task_endpoint::<distribution::Entity>(noun),
        read_endpoint::<distribution::Entity>(noun),
        writable::delete_endpoint::<distribution::Entity>(noun),
    ];
    endpoints.extend(writable::update_endpoints::<distribution::Entity>(noun));
    endpoints.extend(label_endpoints::<distribution::Entity>(noun, 200));
    endpoints
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    let mut response = shape::core_response::<Body>("DistributionResponse");
    shape::rename(&mut response, "DistributionResponse", TYPED);
    family::generic_list_endpoint::<distribution::Entity>(response)
}

/// Whether distributions of this type have a remote.
fn pulls_through(pulp_type: &str) -> bool {
    let noun = registry::get().noun(Family::Distribution, pulp_type);
    noun.is_some_and(|noun| !noun.lacks("remote"))
}

/// What was given, null or not.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(body: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(body).map(Some)
}

async fn version_id(tx: &WriteTx, version: Option<&VersionRef>) -> Result<Option<Uuid>> {
    match version {
        Some(version) => Ok(Some(version.find(&**tx, "repository_version").await?.pulp_id)),
        None => Ok(None),
    }
}

/// Refuses paths that a URL cannot hold as they are: Pulp's rule for relative paths.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let canonical = !path.starts_with('/')
        && !path.ends_with('/')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains([' ', '?', '#']);
    if canonical {
        return Ok(());
    }
    Err(Error::invalid("base_path", format!("Relative path is not in canonical form. {path}")))
}

/// Refuses a path within another's, around another's, or whose URL is within or around a claim. Those that hold others are
/// around these.
async fn check_overlap(app: &App, noun: &Noun, id: Option<Uuid>, path: &str) -> Result<()> {
    if let Some(claim) = app.claims.against(path) {
        return Err(Error::invalid("base_path", format!("Overlaps with the URL space {claim}.")));
    }
    // Every ancestor of the path by name, and everything below it by prefix: both use the index on base_path.
    let parts: Vec<&str> = path.split('/').collect();
    let ancestors: Vec<String> = (1..parts.len()).map(|n| parts[..n].join("/")).collect();
    let (below, after) = (format!("{path}/"), format!("{path}0"));
    let (held, holders) = holding(noun);
    let mut overlapping = distribution::Entity::find()
        .filter(distribution::Column::PulpDomainId.eq(app.domain))
        .filter(
            Condition::any()
                .add(
                    distribution::Column::BasePath
                        .is_in(ancestors)
                        .and(distribution::Column::PulpType.is_not_in(holders)),
                )
                .add(
                    distribution::Column::BasePath
                        .gte(below)
                        .and(distribution::Column::BasePath.lt(after))
                        .and(distribution::Column::PulpType.is_not_in(held.iter().copied())),
                ),
        )
        .limit(1);
    if let Some(id) = id {
        overlapping = overlapping.filter(distribution::Column::PulpId.ne(id));
    }
    match overlapping.one(app.db.read()).await? {
        Some(_) => Err(Error::invalid("base_path", "Overlaps with an existing distribution.")),
        None => Ok(()),
    }
}

/// The types that one of this kind may hold, and those that may hold it.
fn holding(noun: &Noun) -> (&'static [&'static str], Vec<&'static str>) {
    let held = |noun: &Noun| match &noun.hooks {
        Hooks::Distribution(hooks) => hooks.holds,
        _ => &[],
    };
    let holders = registry::get().family(Family::Distribution).filter(|other| held(other).contains(&noun.type_name));
    (held(noun), holders.map(|other| other.type_name).collect())
}

fn check_sources(body: &Body) -> Result<()> {
    let sources: Vec<&str> = [
        ("repository", body.repository.is_some()),
        ("repository_version", body.repository_version.is_some()),
        ("publication", body.publication.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect();
    if sources.len() > 1 {
        let names = sources.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" and ");
        return Err(Error::invalid_together(format!("Only one of the attributes {names} may be used simultaneously.")));
    }
    if body.checkpoint && body.repository.is_none() {
        let message = "The 'checkpoint' attribute may only be used with the 'repository' attribute.";
        return Err(Error::invalid_together(message));
    }
    Ok(())
}

/// Distributions that serve a unit: by their publication's version, their version, or their repository's latest.
fn offering(text: &str) -> Result<Condition> {
    let unit = target_id("with_content", text)?;
    let holds = || {
        Query::select()
            .expr(Expr::col((repository_version::Entity, repository_version::Column::PulpId)))
            .from(repository_version::Entity)
            .inner_join(membership::Entity, super::version::held())
            .and_where(col(membership::Column::ContentId).eq(unit))
            .take()
    };
    let published = Query::select()
        .column(publication::Column::PulpId)
        .from(publication::Entity)
        .and_where(publication::Column::RepositoryVersionId.in_subquery(holds()))
        .take();
    let latest = Query::select()
        .column(membership::Column::RepositoryId)
        .from(membership::Entity)
        .and_where(membership::Column::ContentId.eq(unit))
        .and_where(membership::Column::VersionRemoved.is_null())
        .take();
    Ok(col(distribution::Column::RepositoryVersionId)
        .in_subquery(holds())
        .or(col(distribution::Column::PublicationId).in_subquery(published))
        .or(col(distribution::Column::RepositoryId).in_subquery(latest))
        .into_condition())
}
