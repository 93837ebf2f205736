//! Publications.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::version::held;
use crate::api::bodies::AsyncOperationResponse;
use crate::api::cx::no_content;
use crate::api::endpoint::{Described, Endpoint, operation_id, tag};
use crate::api::family::{self, View, find, list_endpoint, read_endpoint, singular};
use crate::api::filters::{Filters, IntoCondition, Kind, col, target_id};
use crate::api::query::values;
use crate::api::reader::Reader;
use crate::api::schema::markers::Uri;
use crate::api::shape;
use crate::api::validate::{BodySchema, Mode};
use crate::db::one_of;
use crate::error::{Error, Result};
use crate::models::{distribution, publication, repository, repository_content as membership, repository_version};
use crate::plugin::{Hooks, Noun};
use crate::refs::{Link, Target, VersionRef};
use crate::versions;

/// Core's fields of a publication.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    #[serde(default)]
    #[schema(nullable = false)]
    repository_version: Option<VersionRef>,
    /// A URI of the repository to be published.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    repository: Option<Link<repository::Entity>>,
    /// List of distributions currently pointing to this publication.
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, value_type = Vec<Uri>)]
    distributions: Vec<String>,
    /// Whether it is kept as a point in time.
    #[serde(default)]
    checkpoint: bool,
}

/// What the list over all types does not show.
const TYPED: &[&str] = &["distributions", "checkpoint"];

impl View for publication::Entity {
    type Body = Body;
    type Seen = publication::Model;

    fn filters() -> Filters {
        use publication::Column as C;
        Filters::new()
            .boolean(C::Checkpoint)
            .datetime(C::PulpCreated)
            .custom("repository", |text, _| of_repository(text))
            .custom("repository_version", |text, _| of_version(text))
            .add("content", Kind::Text, |text, _| holding(&[target_id("content", text)?]))
            .add("content__in", Kind::List(Box::new(Kind::Text)), |text, _| {
                let ids = values::strings("content__in", text)?;
                holding(&ids.iter().map(|id| target_id("content__in", id)).collect::<Result<Vec<_>>>()?)
            })
            .ordered(&[
                C::PulpId,
                C::PulpCreated,
                C::PulpLastUpdated,
                C::PulpType,
                C::Complete,
                C::PassThrough,
                C::Checkpoint,
            ])
            .ordered_as("pk", C::PulpId)
    }

    async fn read(reader: &Reader, rows: &[publication::Model]) -> Result<Vec<Body>> {
        let versions = reader.version_hrefs(rows.iter().map(|row| row.repository_version_id)).await?;
        let db = reader.app.db.read();
        let serving = distribution::Entity::find()
            .filter(one_of(db, distribution::Column::PublicationId, rows.iter().map(|row| row.pulp_id)))
            .all(db)
            .await?;
        let mut distributions: HashMap<Uuid, Vec<String>> = HashMap::new();
        for row in serving {
            let href = reader.href(crate::plugin::Family::Distribution, &row.pulp_type, row.pulp_id);
            if let (Some(publication), Some(href)) = (row.publication_id, href) {
                distributions.entry(publication).or_default().push(href);
            }
        }
        let body = |row: &publication::Model| {
            let version = versions.get(&row.repository_version_id);
            Body {
                repository_version: version.map(|(href, _)| VersionRef::shown(href)),
                repository: version.map(|(_, repository)| Link::to(Uuid::nil(), repository)),
                distributions: distributions.remove(&row.pulp_id).unwrap_or_default(),
                checkpoint: row.checkpoint,
            }
        };
        Ok(rows.iter().map(body).collect())
    }

    async fn read_generic(reader: &Reader, rows: &[publication::Model]) -> Result<Vec<Map<String, Value>>> {
        let mut objects: Vec<_> = Self::read(reader, rows).await?.iter().map(shape::object).collect::<Result<_>>()?;
        for object in &mut objects {
            object.retain(|field, _| !TYPED.contains(&field.as_str()));
        }
        Ok(objects)
    }
}

/// All operations of a kind of publication.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    vec![
        list_endpoint::<publication::Entity>(noun),
        create_endpoint(noun),
        read_endpoint::<publication::Entity>(noun),
        delete_endpoint(noun),
    ]
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    let mut response = shape::core_response::<Body>("PublicationResponse");
    shape::rename(&mut response, "PublicationResponse", TYPED);
    family::generic_list_endpoint::<publication::Entity>(response)
}

fn create_endpoint(noun: &'static Noun) -> Endpoint {
    let schema = Arc::new(shape::checker::<Body>(noun));
    Endpoint::new(Method::POST, noun.path(), operation_id(noun, "create"), move |mut cx| {
        let schema = Arc::clone(&schema);
        async move {
            let given = cx.body(&schema, Mode::Create).await?;
            let own = shape::field_names::<Body>();
            let (core, detail): (Map<_, _>, Map<_, _>) = given.into_iter().partition(|(name, _)| own.contains(name));
            let body: Body = BodySchema::parse(core)?;
            (noun.check)(detail.clone())?;
            let version = version(&cx.app, &body).await?;
            let Hooks::Publication(hooks) = &noun.hooks else {
                return Err(Error::internal("a publication's noun has a publication's hooks"));
            };
            let (task, prepared) = (hooks.publish)(detail, &version, body.checkpoint)?;
            let row = cx.dispatch_prepared(task, prepared).await?;
            Ok(cx.accepted(&row))
        }
    })
    .tagged(tag(noun))
    .about(format!("Create {}", singular(noun)))
    .takes(shape::request::<Body>(noun))
    .answers(202, Described::of::<AsyncOperationResponse>())
}

/// The version that a body names, itself or as the latest of a repository.
async fn version(app: &crate::app::App, body: &Body) -> Result<repository_version::Model> {
    match (&body.repository_version, &body.repository) {
        (Some(_), None) if body.checkpoint => {
            Err(Error::invalid_together("'checkpoint' may only be used with 'repository'"))
        }
        (Some(version), None) => version.find(app.db.read(), "repository_version").await,
        (None, Some(repository)) => {
            super::writable::referenced::<repository::Entity>(app, "repository", repository.id).await?;
            versions::latest(app.db.read(), repository.id).await
        }
        (None, None) => {
            Err(Error::invalid_together("Either the 'repository' or 'repository_version' need to be specified"))
        }
        (Some(_), Some(_)) => Err(Error::invalid_together(
            "Either the 'repository' or 'repository_version' need to be specified but not both.",
        )),
    }
}

fn delete_endpoint(noun: &'static Noun) -> Endpoint {
    Endpoint::new(
        Method::DELETE,
        format!("{}{{pulp_id}}/", noun.path()),
        operation_id(noun, "delete"),
        move |cx| async move {
            let row = find::<publication::Entity>(&cx, noun, cx.id()?).await?;
            let tx = cx.app.db.write().await?;
            super::writable::say::<publication::Entity>(&tx, row.pulp_id);
            publication::Entity::delete_by_id(row.pulp_id).exec(&*tx).await?;
            tx.commit().await?;
            Ok(no_content())
        },
    )
    .on(noun)
    .about(format!("Delete {}", singular(noun)))
    .answers_nothing(StatusCode::NO_CONTENT.as_u16())
}

fn of_repository(text: &str) -> Result<Condition> {
    let repository = target_id("repository", text)?;
    let versions = Query::select()
        .column(repository_version::Column::PulpId)
        .from(repository_version::Entity)
        .and_where(repository_version::Column::RepositoryId.eq(repository))
        .take();
    Ok(col(publication::Column::RepositoryVersionId).in_subquery(versions).into_condition())
}

fn of_version(text: &str) -> Result<Condition> {
    let which = match Target::parse(text) {
        Some(Target::Version { repository, number }) => {
            repository_version::Column::RepositoryId.eq(repository).and(repository_version::Column::Number.eq(number))
        }
        Some(Target::Object { model: crate::refs::VERSION_MODEL, id }) => repository_version::Column::PulpId.eq(id),
        _ => return Err(Error::invalid("repository_version", format!("URI not valid: {text}"))),
    };
    let versions = Query::select()
        .column(repository_version::Column::PulpId)
        .from(repository_version::Entity)
        .and_where(which)
        .take();
    Ok(col(publication::Column::RepositoryVersionId).in_subquery(versions).into_condition())
}

/// Publications whose version holds any of these units.
fn holding(units: &[Uuid]) -> Result<Condition> {
    let versions = Query::select()
        .expr(col(repository_version::Column::PulpId))
        .from(repository_version::Entity)
        .inner_join(membership::Entity, held())
        .and_where(col(membership::Column::ContentId).is_in(units.iter().copied()))
        .take();
    Ok(Expr::expr(col(publication::Column::RepositoryVersionId)).in_subquery(versions).into_condition())
}
