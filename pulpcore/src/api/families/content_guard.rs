//! Content guards. They are small and nothing waits for them, so they are written at once, without a task.

use axum::http::{Method, StatusCode};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::writable::{self, Writable, check_name};
use crate::api::cx::{Cx, no_content};
use crate::api::endpoint::{Endpoint, operation_id};
use crate::api::family::{self, View, find, list_endpoint, one, read_endpoint, singular};
use crate::api::filters::Filters;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::app::App;
use crate::db::{WriteTx, now};
use crate::error::Result;
use crate::models::content_guard;
use crate::plugin::{Beside, Hooks, Noun};

/// Core's fields of a content guard.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    /// The unique name.
    #[schema(min_length = 1)]
    name: String,
    /// An optional description.
    #[serde(default)]
    #[schema(min_length = 1)]
    description: Option<String>,
}

impl View for content_guard::Entity {
    type Body = Body;
    type Seen = content_guard::Model;

    fn filters() -> Filters {
        use content_guard::Column as C;
        Filters::new()
            .text(C::Name)
            .ordered(&[C::PulpId, C::PulpCreated, C::PulpLastUpdated, C::PulpType, C::Name, C::Description])
            .ordered_as("pk", C::PulpId)
    }

    async fn read(_reader: &Reader, rows: &[content_guard::Model]) -> Result<Vec<Body>> {
        let body = |row: &content_guard::Model| Body { name: row.name.clone(), description: row.description.clone() };
        Ok(rows.iter().map(body).collect())
    }

    async fn read_beside(reader: &Reader, noun: &Noun, rows: &[content_guard::Model]) -> Result<Option<Vec<String>>> {
        let Some(beside) = beside(noun) else { return Ok(None) };
        let ids: Vec<Uuid> = rows.iter().map(|row| row.pulp_id).collect();
        Ok(Some((beside.read)(reader, &ids).await?))
    }
}

impl Writable for content_guard::Entity {
    async fn check(app: &App, _noun: &Noun, id: Option<Uuid>, body: &Body) -> Result<()> {
        check_name::<Self>(app, id, &body.name).await
    }

    async fn insert(tx: &WriteTx, app: &App, noun: &Noun, id: Uuid, body: Body) -> Result<()> {
        let now = now();
        content_guard::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set(noun.type_name.to_owned()),
            name: Set(body.name),
            description: Set(body.description),
        }
        .insert(&**tx)
        .await?;
        Ok(())
    }

    async fn update(
        tx: &WriteTx,
        _app: &App,
        row: content_guard::Model,
        body: Body,
        _: &Map<String, Value>,
    ) -> Result<()> {
        let mut row = row.into_active_model();
        row.name = Set(body.name);
        row.description = Set(body.description);
        row.pulp_last_updated = Set(now());
        row.update(&**tx).await?;
        Ok(())
    }

    async fn check_beside(app: &App, noun: &Noun, id: Option<Uuid>, detail: &Map<String, Value>) -> Result<()> {
        match beside(noun) {
            Some(beside) => (beside.check)(app, id, detail).await,
            None => Ok(()),
        }
    }

    async fn write_beside(
        tx: &WriteTx,
        noun: &Noun,
        id: Uuid,
        detail: &Map<String, Value>,
        creator: Option<i64>,
    ) -> Result<()> {
        match beside(noun) {
            Some(beside) => (beside.write)(tx, id, detail, creator).await,
            None => Ok(()),
        }
    }
}

/// All operations of a kind of content guard.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let mut endpoints = vec![
        list_endpoint::<content_guard::Entity>(noun),
        writable::create_endpoint::<content_guard::Entity>(noun),
        read_endpoint::<content_guard::Entity>(noun),
        delete_endpoint(noun),
    ];
    endpoints.extend(update_endpoints(noun));
    endpoints
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    family::generic_list_endpoint::<content_guard::Entity>(shape::core_response::<Body>("ContentGuardResponse"))
}

fn beside(noun: &Noun) -> Option<&Beside> {
    match &noun.hooks {
        Hooks::ContentGuard(hooks) => hooks.beside.as_ref(),
        _ => None,
    }
}

fn update_endpoints(noun: &'static Noun) -> [Endpoint; 2] {
    writable::updating::<content_guard::Entity, _, _>(noun, move |mut cx, schema, mode| async move {
        let id = cx.id()?;
        find::<content_guard::Entity>(&cx, noun, id).await?;
        let given = cx.body(&schema, mode).await?;
        writable::update::<content_guard::Entity>(&cx.app, noun, id, given).await?;
        cx.whole(StatusCode::OK, &one::<content_guard::Entity>(&cx, noun, id).await?)
    })
}

fn delete_endpoint(noun: &'static Noun) -> Endpoint {
    Endpoint::new(
        Method::DELETE,
        format!("{}{{pulp_id}}/", noun.path()),
        operation_id(noun, "delete"),
        move |cx: Cx| async move {
            let row = find::<content_guard::Entity>(&cx, noun, cx.id()?).await?;
            writable::delete::<content_guard::Entity>(&cx.app, row.pulp_id).await?;
            Ok(no_content())
        },
    )
    .on(noun)
    .about(format!("Delete {}", singular(noun)))
    .answers_nothing(StatusCode::NO_CONTENT.as_u16())
}
