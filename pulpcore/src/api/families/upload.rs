//! Making units from files, and putting units into repositories.

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use futures::StreamExt;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::content::Body;
use super::general::returns;
use super::network::NetworkConfig;
use super::writable::referenced;
use crate::api::bodies::AsyncOperationResponse;
use crate::api::cx::Cx;
use crate::api::endpoint::{Described, Endpoint, operation_id, tag};
use crate::api::family::{find, one, singular};
use crate::api::validate::{BodySchema, Mode};
use crate::api::{labels, shape};
use crate::app::App;
use crate::artifacts;
use crate::db::now;
use crate::error::{Error, Result};
use crate::models::{Labels, artifact, content, content_artifact, repository};
use crate::plugin::{Hooks, Locks, Noun, Ref, Task, TaskCx, TaskKind, register};
use crate::refs::{Link, prn};
use crate::registry;
use crate::storage::Expected;
use crate::sync::download::{RemoteConfig, Request, check_url, downloader, fetch};
use crate::versions::Modification;

/// Where a unit's file comes from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) enum Source {
    /// There is none: the fields say everything.
    Nowhere,
    /// An artifact that is there.
    Artifact(Uuid),
    /// A chunked upload that is complete.
    Upload(Uuid),
    /// A URL, and how to reach it (encrypted).
    Url { url: String, config: Option<String> },
}

/// Makes a content unit from a file, and may put it into a repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::ContentCreation)]
pub(crate) struct CreateContent {
    /// The noun's PRN name, such as `file.filecontent`.
    noun: String,
    /// The plugin's fields, as its schema allows them.
    #[schema(value_type = Object)]
    body: Map<String, Value>,
    source: Source,
    labels: crate::api::bodies::LabelMap,
    #[schema(value_type = Option<String>, format = "uri")]
    repository: Option<Ref<repository::Entity>>,
    overwrite: bool,
}

impl Task for CreateContent {
    const TYPE: &'static str = "core/content-creations";
    const NAME: &'static str = "pulpcore.app.tasks.base.general_create";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        let locks = match &self.repository {
            Some(repository) => Locks::default().exclusive(repository),
            None => Locks::default(),
        };
        match &self.source {
            Source::Nowhere | Source::Artifact(_) | Source::Url { .. } => locks,
            Source::Upload(id) => locks.exclusive(prn("core.upload", id)),
        }
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let noun = registry::get().noun_of_model(&self.noun).ok_or_else(|| registry::missing(&self.noun))?;
        let artifact = match &self.source {
            Source::Nowhere => None,
            Source::Artifact(id) => Some(stored(cx.app(), *id).await?),
            Source::Upload(id) => Some(crate::api::resources::uploads::commit(&cx, *id, None).await?),
            Source::Url { url, config } => Some(download(cx.app(), url, config.as_deref()).await?),
        };
        let (id, _) = make(cx.app(), noun, self.body, artifact.as_ref(), self.labels).await?;
        let unit = format!("prn:{}:{id}", noun.prn_model());
        if let Some(repository) = &self.repository {
            let change =
                Modification { add_content_units: vec![unit], overwrite: self.overwrite, ..Modification::default() };
            change.apply(&cx, repository.id).await?;
        }
        cx.record(noun.prn_model(), id).await?;
        returns::<content::Entity>(&cx, noun, id).await
    }
}

register!(TaskKind::of::<CreateContent>());

/// `POST` on a content collection, and its `upload/` that answers at once.
pub(crate) fn create_endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let checker = Arc::new(shape::checker::<Body>(noun));
    let same = Arc::clone(&checker);
    let mut upload = shape::request::<Body>(noun);
    let mut answer = shape::response::<Body>(noun);
    match noun.upload_form {
        Some((name, without)) => shape::rename(&mut upload, name, &[&["repository"], without].concat()),
        None => {
            let name = format!("{}Upload", noun.model);
            shape::rename(&mut upload, &name, &["repository"]);
            shape::rename(&mut answer, &format!("{name}Response"), &[]);
        }
    }
    let post = Endpoint::new(Method::POST, noun.path(), operation_id(noun, "create"), move |mut cx| {
        let schema = Arc::clone(&checker);
        async move { create(&mut cx, noun, &schema).await }
    });
    let request = shape::request::<Body>(noun);
    let post = if noun.lacks("file") { post.takes(request) } else { post.takes_form(request) };
    vec![
        post.tagged(tag(noun))
            .about(format!("Create {}", singular(noun)))
            .answers(202, Described::of::<AsyncOperationResponse>()),
        Endpoint::new(Method::POST, format!("{}upload/", noun.path()), operation_id(noun, "upload"), move |mut cx| {
            let schema = Arc::clone(&same);
            async move { upload_now(&mut cx, noun, &schema).await }
        })
        .tagged(tag(noun))
        .about(format!("Upload {} synchronously", singular(noun)))
        .takes_form(upload)
        .answers(201, answer),
    ]
}

/// What a client posted: core's fields, the plugin's, and where the file is.
struct Posted {
    body: Body,
    detail: Map<String, Value>,
    source: Source,
}

async fn posted(cx: &mut Cx, noun: &Noun, schema: &BodySchema) -> Result<Posted> {
    let mut input = cx.input().await?;
    if input.file.is_some() {
        input.fields.insert("file".to_owned(), Value::from("(the file)"));
    }
    let given = schema.check(input.fields, Mode::Create, input.encoding)?;
    let own = shape::field_names::<Body>();
    let (core, detail): (Map<_, _>, Map<_, _>) = given.into_iter().partition(|(name, _)| own.contains(name));
    let body: Body = BodySchema::parse(core)?;
    (noun.check)(detail.clone())?;
    labels::check(&body.pulp_labels)?;
    let given = [input.file.is_some(), body.artifact.is_some(), body.upload.is_some(), body.file_url.is_some()];
    if given.iter().filter(|given| **given).count() != usize::from(!noun.lacks("file")) {
        return Err(Error::invalid_together("Exactly one of file_url, artifact, file, upload must be specified."));
    }
    if let Some(Link { id, .. }) = &body.repository {
        referenced::<repository::Entity>(&cx.app, "repository", *id).await?;
    }
    let source = match (input.file, &body.artifact, &body.upload, &body.file_url) {
        (Some(file), ..) => Source::Artifact(artifacts::save(&cx.app, file).await?.0.pulp_id),
        (_, Some(artifact), ..) => {
            if !cx.exists::<artifact::Entity>(artifact::Column::PulpId, artifact.id).await? {
                return Err(Error::missing("artifact"));
            }
            Source::Artifact(artifact.id)
        }
        (_, _, Some(upload), _) => {
            use crate::models::upload as table;
            if !cx.exists::<table::Entity>(table::Column::PulpId, upload.id).await? {
                return Err(Error::missing("upload"));
            }
            Source::Upload(upload.id)
        }
        (.., Some(url)) => {
            check_url(url, &cx.app.download_settings()).map_err(|message| Error::invalid("file_url", message))?;
            let config = body.downloader_config.as_ref().map(|config| config.sealed(&cx.app)).transpose()?;
            Source::Url { url: url.clone(), config }
        }
        (None, None, None, None) => Source::Nowhere,
    };
    Ok(Posted { body, detail, source })
}

async fn create(cx: &mut Cx, noun: &'static Noun, schema: &BodySchema) -> Result<Response> {
    let Posted { body, detail, source } = posted(cx, noun, schema).await?;
    let repository = match &body.repository {
        Some(link) => {
            let pulp_type = referenced::<repository::Entity>(&cx.app, "repository", link.id).await?;
            Some(Ref::of(&pulp_type, link.id)?)
        }
        None => None,
    };
    cx.dispatch(CreateContent {
        noun: noun.prn_model().to_owned(),
        body: detail,
        source,
        labels: body.pulp_labels,
        repository,
        overwrite: body.overwrite.unwrap_or(true),
    })
    .await
}

async fn upload_now(cx: &mut Cx, noun: &'static Noun, schema: &BodySchema) -> Result<Response> {
    let Posted { body, detail, source } = posted(cx, noun, schema).await?;
    if body.repository.is_some() {
        return Err(Error::invalid("repository", "Unexpected field"));
    }
    let artifact = match source {
        Source::Nowhere => None,
        Source::Artifact(id) => Some(stored(&cx.app, id).await?),
        Source::Url { url, config } => Some(download(&cx.app, &url, config.as_deref()).await?),
        Source::Upload(_) => {
            return Err(Error::invalid("upload", "A chunked upload takes a task: post it to the collection instead."));
        }
    };
    let (id, _) = make(&cx.app, noun, detail, artifact.as_ref(), body.pulp_labels).await?;
    let object = one::<content::Entity>(cx, noun, id).await?;
    Ok(cx.created(serde_json::from_str(object.get())?))
}

/// The artifact with a key.
async fn stored(app: &App, id: Uuid) -> Result<artifact::Model> {
    let row = artifact::Entity::find_by_id(id).one(app.db.read()).await?;
    row.ok_or_else(|| crate::api::not_found("Artifact"))
}

/// Finds or makes the unit of what was posted; says whether it is new. A kind without artifacts reads the file and keeps
/// none of it.
async fn make(
    app: &App,
    noun: &Noun,
    body: Map<String, Value>,
    artifact: Option<&artifact::Model>,
    labels: crate::api::bodies::LabelMap,
) -> Result<(Uuid, bool)> {
    let Hooks::Content(hooks) = &noun.hooks else {
        return Err(Error::internal("a content's noun has a content's hooks"));
    };
    let unit = (hooks.upload)(app, body, artifact).await?;
    let tx = app.db.write().await?;
    let made = unit.save(&tx, app.domain).await?;
    match artifact.filter(|_| !noun.lacks("artifact")) {
        Some(artifact) if made.new => {
            content_artifact::ActiveModel {
                pulp_id: Set(Uuid::now_v7()),
                content_id: Set(made.id),
                artifact_id: Set(Some(artifact.pulp_id)),
                relative_path: Set(made.relative_path),
            }
            .insert(&*tx)
            .await?;
        }
        // A unit that was only known to a remote has its bytes now.
        Some(artifact) => {
            content_artifact::Entity::update_many()
                .col_expr(content_artifact::Column::ArtifactId, sea_orm::sea_query::Expr::value(artifact.pulp_id))
                .filter(content_artifact::Column::ContentId.eq(made.id))
                .filter(content_artifact::Column::RelativePath.eq(made.relative_path))
                .filter(content_artifact::Column::ArtifactId.is_null())
                .exec(&*tx)
                .await?;
        }
        None => {}
    }
    let mut touched = content::Entity::update_many()
        .col_expr(content::Column::TimestampOfInterest, sea_orm::sea_query::Expr::value(now()))
        .filter(content::Column::PulpId.eq(made.id));
    if made.new && !labels.is_empty() {
        let labels = sea_orm::Value::from(Labels(labels));
        touched = touched.col_expr(content::Column::PulpLabels, sea_orm::sea_query::Expr::value(labels));
    }
    touched.exec(&*tx).await?;
    tx.commit().await?;
    Ok((made.id, made.new))
}

/// Downloads a URL into an artifact.
async fn download(app: &App, url: &str, config: Option<&str>) -> Result<artifact::Model> {
    let config = match config {
        Some(sealed) => NetworkConfig::opened(app, sealed)?.remote(url),
        None => RemoteConfig { url: url.to_owned(), ..RemoteConfig::default() },
    };
    let downloader = downloader(&config, &app.download_settings())?;
    let expected = Expected { max_size: Some(app.settings.max_upload_size), ..Expected::default() };
    let received = fetch(&*downloader, Request::get(url), |download| {
        let (storage, expected) = (app.storage.clone(), expected.clone());
        async move { storage.receive(download.body.boxed(), &expected).await.map_err(|error| error.upstream(url)) }
    })
    .await?;
    Ok(artifacts::save(app, received).await?.0)
}

/// Adds and removes content.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = core::ContentChange)]
pub(crate) struct AddRemove {
    #[schema(value_type = String, format = "uri")]
    repository: Ref<repository::Entity>,
    change: Modification,
}

impl AddRemove {
    /// Adds a unit to a repository.
    pub(crate) fn adding(repository: Ref<repository::Entity>, unit: String) -> Self {
        Self {
            repository,
            change: Modification { add_content_units: vec![unit], overwrite: true, ..Modification::default() },
        }
    }
}

impl Task for AddRemove {
    const TYPE: &'static str = "core/content-changes";
    const NAME: &'static str = "pulpcore.app.tasks.repository.add_and_remove";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        self.change.apply(&cx, self.repository.id).await?;
        Ok(())
    }
}

register!(TaskKind::of::<AddRemove>());

/// `modify/`.
pub(crate) fn modify_endpoint(noun: &'static Noun) -> Endpoint {
    let schema = Arc::new(BodySchema::of::<Modification>());
    Endpoint::new(
        Method::POST,
        format!("{}{{pulp_id}}/modify/", noun.path()),
        operation_id(noun, "modify"),
        move |mut cx| {
            let schema = Arc::clone(&schema);
            async move {
                let row = find::<repository::Entity>(&cx, noun, cx.id()?).await?;
                let change: Modification = BodySchema::parse(cx.body(&schema, Mode::Create).await?)?;
                change.check(&cx.app).await?;
                cx.dispatch(AddRemove { repository: Ref::of(&row.pulp_type, row.pulp_id)?, change }).await
            }
        },
    )
    .on(noun)
    .about("Modify Repository Content")
    .takes(Described::of::<Modification>())
    .answers(202, Described::of::<AsyncOperationResponse>())
}
