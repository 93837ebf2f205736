//! The live API: books by their own URLs, under a base path of several segments, with errors of its own shape.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulpcore::artifacts;
use pulpcore::db::now;
use pulpcore::error::{Error, Result};
use pulpcore::models::{Labels, artifact, content, content_artifact};
use pulpcore::plugin::{LiveApi, LiveCx, LiveRoute, Offer, Refusal, WellKnown, register};
use pulpcore::storage::Expected;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::plugin::{Shelving, book, window};

/// The largest book, in bytes.
pub const LARGEST: u64 = 600_000;

register!(LiveApi { label: "room", name: "reading room", claims: &["/read/", "/desk/v2/"], routes, refuse });
// The plugin is part of this build, so this says nothing.
register!(WellKnown { label: "room", name: "a reading room", claims: &["/read/"] });
register!(WellKnown { label: "ghost", name: "a registry of ghosts", claims: &["/ghost/"] });

fn routes() -> Vec<LiveRoute> {
    vec![
        LiveRoute::read("GET", "/read/", async |_| Ok(drawn("Silence, please.".into_response()))),
        LiveRoute::read("GET", "/read/{*window}/books/{title}", by_title).passing_files_on(),
        LiveRoute::read("GET", "/read/{*window}/copies/{title}", copy),
        LiveRoute::read("GET", "/read/{*window}/digests/{digest}", by_digest),
        LiveRoute::read("GET", "/read/{*window}/unshelved/{digest}", unshelved),
        LiveRoute::read("GET", "/read/{*window}/trap", trap),
        LiveRoute::write("PUT", "/read/{*window}/books/{title}", donate),
        LiveRoute::write("GET", "/desk/v2/reader", async |cx: LiveCx| {
            let reader = cx.user().await?;
            Ok(drawn(Json(json!({ "reader": reader.username, "hello": cx.query("hello") })).into_response()))
        }),
    ]
}

async fn trap(_: LiveCx) -> Result<Response> {
    panic!("the secret of the house")
}

/// Every answer of the room can be told from those of others.
fn drawn(mut response: Response) -> Response {
    response.headers_mut().insert("x-room", HeaderValue::from_static("reading"));
    response
}

fn refuse(refusal: &Refusal) -> Response {
    let body = json!({ "sorry": refusal.message, "ticket": refusal.correlation_id });
    drawn((refusal.status, Json(body)).into_response())
}

fn nothing() -> Error {
    Error::NotFound("There is no such book.".to_owned())
}

async fn at_window(cx: &LiveCx) -> Result<Offer> {
    let offer = cx.offer::<window::Entity>(cx.param("window")).await?;
    offer.filter(|offer| offer.rest.is_empty()).ok_or_else(nothing)
}

async fn by_title(cx: LiveCx) -> Result<Response> {
    let offer = at_window(&cx).await?;
    offer.file(&cx, cx.param("title")).await?.map(drawn).ok_or_else(nothing)
}

/// The same, having read all of it.
async fn copy(cx: LiveCx) -> Result<Response> {
    let (parts, body) = by_title(cx).await?.into_parts();
    let read = axum::body::to_bytes(body, LARGEST as usize).await.map_err(Error::internal)?;
    Ok(Response::from_parts(parts, read.to_vec().into()))
}

async fn by_digest(cx: LiveCx) -> Result<Response> {
    let offer = at_window(&cx).await?;
    let found = book::Entity::find().filter(book::Column::Digest.eq(cx.param("digest")));
    let found = found.one(cx.app.db.read()).await?.ok_or_else(nothing)?;
    let mut response = offer.unit(&cx, found.pulp_id).await?.ok_or_else(nothing)?;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-book"));
    Ok(drawn(response))
}

async fn unshelved(cx: LiveCx) -> Result<Response> {
    let offer = at_window(&cx).await?;
    let artifact = artifacts::by_sha256(cx.app.db.read(), cx.app.domain, cx.param("digest")).await?;
    offer.artifact(&cx, &artifact.ok_or_else(nothing)?, "gift.txt").await.map(drawn)
}

async fn donate(mut cx: LiveCx) -> Result<Response> {
    let donor = cx.user().await?;
    let offer = at_window(&cx).await?;
    let (shelf, _) = offer.version().ok_or_else(nothing)?;
    let body = cx.body(LARGEST)?;
    let received = cx.app.storage.receive(body, &Expected::default()).await.map_err(|error| error.invalid())?;
    let (artifact, _) = artifacts::save(&cx.app, received).await?;
    let book = catalogue(&cx, &artifact).await?;
    let task = cx.dispatch(Shelving { shelf, book }, Some(&donor)).await?;
    let task = cx.app.queue.ended(task.pulp_id).await?;
    match task.state.as_str() {
        "completed" => Ok(drawn(StatusCode::CREATED.into_response())),
        _ => Err(Error::Conflict("The book could not be shelved.".to_owned())),
    }
}

async fn catalogue(cx: &LiveCx, artifact: &artifact::Model) -> Result<Uuid> {
    let (id, title) = (Uuid::now_v7(), cx.param("title").to_owned());
    let same = book::Entity::find().filter(book::Column::Title.eq(&title));
    if let Some(book) = same.filter(book::Column::Digest.eq(&artifact.sha256)).one(cx.app.db.read()).await? {
        return Ok(book.pulp_id);
    }
    let tx = cx.app.db.write().await?;
    content::Model {
        pulp_id: id,
        pulp_created: now(),
        pulp_last_updated: now(),
        pulp_domain_id: cx.app.domain,
        pulp_type: "room.book".to_owned(),
        timestamp_of_interest: now(),
        pulp_labels: Labels::default(),
    }
    .into_active_model()
    .insert(&*tx)
    .await?;
    let row = book::ActiveModel { pulp_id: Set(id), title: Set(title.clone()), digest: Set(artifact.sha256.clone()) };
    row.insert(&*tx).await?;
    let file = content_artifact::Model {
        pulp_id: Uuid::now_v7(),
        content_id: id,
        artifact_id: Some(artifact.pulp_id),
        relative_path: title,
    };
    file.into_active_model().insert(&*tx).await?;
    tx.commit().await?;
    Ok(id)
}
