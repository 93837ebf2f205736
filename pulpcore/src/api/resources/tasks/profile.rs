//! What was observed of a task: where it is, and the thing itself.
//!
//! The original gives addresses at the content service, signed so that nobody guesses them. Here they are below the task,
//! and ask for the same credentials as the task does: what a task logged is for whoever may see the task.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;

use super::{HREF, ONE, TAG, find};
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint};
use crate::api::schema::markers::Uri;
use crate::api::shape;
use crate::error::{Error, Result};
use crate::models::{artifact, profile_artifact};

/// Where to find what was observed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProfileArtifactResponse)]
struct Urls {
    /// Addresses by the name of what was observed.
    #[schema(value_type = std::collections::HashMap<String, Uri>)]
    urls: BTreeMap<String, String>,
}

/// `profile_artifacts/`, and each of them.
pub(super) fn endpoints() -> [Endpoint; 2] {
    let one = |endpoint: Endpoint| endpoint.of_object(ONE, HREF).tagged(TAG);
    [
        one(Endpoint::new(
            Method::GET,
            format!("{ONE}profile_artifacts/"),
            "tasks_profile_artifacts",
            |cx| async move { list(&cx).await },
        ))
        .about("Fetch downloadable links for profile artifacts")
        .selectable()
        .answers(200, Described::of::<Urls>()),
        one(Endpoint::new(
            Method::GET,
            format!("{ONE}profile_artifacts/{{name}}/"),
            "tasks_profile_artifacts_read",
            |cx| async move { download(&cx).await },
        ))
        .about("Download a profile artifact: a text")
        .answers_nothing(200),
    ]
}

async fn list(cx: &Cx) -> Result<Response> {
    let task = find(cx).await?.pulp_id;
    let rows = profile_artifact::Entity::find().filter(profile_artifact::Column::TaskId.eq(task));
    let rows = rows.all(cx.app.db.read()).await?;
    let base = cx.url();
    let urls = rows.into_iter().map(|row| (row.name.clone(), format!("{base}{}/", row.name))).collect();
    Ok(cx.object(StatusCode::OK, shape::object(&Urls { urls })?))
}

async fn download(cx: &Cx) -> Result<Response> {
    let task = find(cx).await?.pulp_id;
    let found = profile_artifact::Entity::find()
        .filter(profile_artifact::Column::TaskId.eq(task))
        .filter(profile_artifact::Column::Name.eq(cx.param("name").unwrap_or_default()))
        .one(cx.app.db.read())
        .await?;
    let found = found.ok_or_else(|| crate::api::not_found("ProfileArtifact"))?;
    let artifact = artifact::Entity::find_by_id(found.artifact_id).one(cx.app.db.read()).await?;
    let artifact = artifact.ok_or_else(|| crate::api::not_found("Artifact"))?;
    let reading = cx.app.storage.read(&artifact.file, None).await?;
    let mut response = Response::new(Body::from_stream(reading.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reading.size));
    // What a task logs may quote what a stranger sent; a browser shall not make more of it than a text.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let name = format!("attachment; filename=\"{task}-{}.txt\"", found.name);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Error::internal)?);
    Ok(response)
}
