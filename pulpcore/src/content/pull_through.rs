//! Pull-through: a path that a distribution does not hold is asked of the distribution's remote.
//!
//! What its URL is, and what becomes of it, the plugin says ([`Remote::pull`](crate::plugin::Remote::pull)). Metadata is
//! passed on each time. Of anything else a unit is made, with the remote as the place where it can be had, so that the next
//! request finds it here whatever became of its artifact; and if the distribution serves a repository that takes such
//! units, a task adds it. As in Pulp, what is known at a URL of a remote is not asked for again: a file that changes there
//! under the same name is not noticed.
//!
//! Nothing is known beforehand about such a file but what the remote says of its length, so nothing is verified but that.
//! A remote without it is a 404; one that cannot be had a 502, one that is too slow a 504. Nothing is asked for outside the
//! folder of the remote's URL.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moka::sync::Cache;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::on_demand::{Cargo, Failure, Head, Promised, Purpose, Told, broken_off, head};
use super::resolve::{ARTIFACT, File, Source};
use super::stored::Stored;
use super::{Ask, Service, text};
use crate::api::families::upload::AddRemove;
use crate::app::App;
use crate::artifacts;
use crate::db::{now, rows};
use crate::error::{Result, shown};
use crate::models::{
    artifact, content, content_artifact, distribution, remote, remote_artifact, repository, repository_content,
};
use crate::plugin::{Family, Hooks, Noun, Pull, Ref};
use crate::refs::prn;
use crate::registry;
use crate::settings::OnDemand;
use crate::storage::Received;
use crate::tasking::Dispatch;

/// No path is longer that a remote is asked for, in bytes: file systems hold no longer ones.
const LONGEST_PATH: usize = 4096;

/// For how long nobody dispatches the task anew that adds a unit to a repository.
const DISPATCHED: Duration = Duration::from_secs(60);

/// What is being added: repository and unit.
static ADDING: LazyLock<Cache<(Uuid, Uuid), ()>> =
    LazyLock::new(|| Cache::builder().max_capacity(10_000).time_to_live(DISPATCHED).build());

/// A file that a remote may have.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) remote: Arc<remote::Model>,
    pub(super) url: String,
    pub(super) path: String,
    /// What is made of it; none if it is passed on.
    pub(super) content: Option<&'static Noun>,
    /// The repository that the distribution serves.
    repository: Option<Uuid>,
}

/// A file that was pulled before, or synced from the same URL.
pub(super) struct Known {
    unit: Uuid,
    pub(super) file: File,
}

/// Answers a path that the distribution does not hold. `None` if it has no remote, or the remote no such path.
pub(super) async fn respond(service: &Service, source: &Source, path: &str, ask: &Ask<'_>) -> Result<Option<Response>> {
    let app = &service.app;
    if app.settings.on_demand == OnDemand::Off || !is_plain(path) {
        return Ok(None);
    }
    let Some(pulled) = find(app, source, path).await? else { return Ok(None) };
    let pulled = Arc::new(pulled);
    if let Some(known) = known(app, &pulled).await? {
        add(app, &pulled, known.unit).await;
        return service.file(&known.file, path, ask).await;
    }
    let promised =
        Promised::unknown(pulled.url.clone(), Arc::clone(&pulled.remote), app.settings.max_pull_through_size);
    let answer = if ask.is_head() {
        look(service, &promised, path, ask).await?
    } else {
        let cargo = Cargo { purpose: Purpose::New(pulled), promises: vec![promised] };
        service.on_demand.serve(cargo, path, ask).await?
    };
    Ok(Some(answer.unwrap_or_else(refused)))
}

/// Where the path is to be had.
async fn find(app: &App, source: &Source, path: &str) -> Result<Option<Pulled>> {
    let db = app.db.read();
    // Most distributions have none: their 404s ask nothing more.
    let Some(remote) = source.remote_id else { return Ok(None) };
    let repository = distribution::Entity::find_by_id(source.distribution_id)
        .select_only()
        .column(distribution::Column::RepositoryId)
        .into_tuple::<Option<Uuid>>()
        .one(db)
        .await?
        .flatten();
    let Some(remote) = remote::Entity::find_by_id(remote).one(db).await? else { return Ok(None) };
    let noun = registry::get().noun(Family::Remote, &remote.pulp_type);
    let Some(Hooks::Remote(hooks)) = noun.map(|noun| &noun.hooks) else { return Ok(None) };
    let Some(Pull { url, content }) = (hooks.pull)(db, &remote, path).await? else { return Ok(None) };
    if !is_below(&url, &remote.url) {
        tracing::warn!(
            remote = remote.name,
            url = shown(&url),
            "a path leads out of a remote's URL: it is not asked for"
        );
        return Ok(None);
    }
    let content = content.and_then(|name| registry::get().noun(Family::Content, name));
    Ok(Some(Pulled { remote: Arc::new(remote), url, path: path.to_owned(), content, repository }))
}

/// What is known at the URL: the newest, if there are several.
pub(super) async fn known(app: &App, pulled: &Pulled) -> Result<Option<Known>> {
    #[derive(FromQueryResult)]
    struct Row {
        content_artifact_id: Uuid,
        content_id: Uuid,
        file: Option<String>,
        size: Option<i64>,
        sha256: Option<String>,
        stored_at: Option<OffsetDateTime>,
    }
    // From the path to the offers: both steps are by an index. A cross join is not reordered by SQLite.
    let sql = format!(
        "SELECT c.pulp_id AS content_artifact_id, c.content_id, {ARTIFACT} \
         FROM core_contentartifact c CROSS JOIN core_remoteartifact r \
         LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE c.relative_path = $1 AND r.content_artifact_id = c.pulp_id AND r.remote_id = $2 AND r.url = $3 \
         ORDER BY c.pulp_id DESC LIMIT 1"
    );
    let values = vec![pulled.path.as_str().into(), pulled.remote.pulp_id.into(), pulled.url.as_str().into()];
    let found: Option<Row> = rows(app.db.read(), &sql, values).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let stored = Stored::of(row.file, row.size, row.sha256, row.stored_at, &pulled.path)?;
    Ok(Some(Known { unit: row.content_id, file: File { content_artifact: Some(row.content_artifact_id), stored } }))
}

/// Answers HEAD: asks the remote, and hangs up when it has begun to answer.
async fn look(service: &Service, promised: &Promised, path: &str, ask: &Ask<'_>) -> Result<Result<Response, Failure>> {
    let size = match service.on_demand.size(promised).await {
        Ok(size) => size,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(Ok(match head(&Told::of(promised, size), path, ask)? {
        Head::Begun(response, _) | Head::Done(response) => response,
    }))
}

/// Makes a unit of what came, and has it added to the repository. Doing it twice changes nothing, in any process.
pub(super) async fn keep(app: &App, pulled: &Pulled, received: Received) -> Result<()> {
    let Some(noun) = pulled.content else { return Ok(()) };
    let (artifact, _) = artifacts::save(app, received).await?;
    let made = match make(app, pulled, noun, &artifact).await {
        Ok(made) => made,
        // Somebody else has made the same unit in this moment: now it is found. Whatever else it was shows again.
        Err(_) => make(app, pulled, noun, &artifact).await?,
    };
    if let Some(unit) = made {
        add(app, pulled, unit).await;
    }
    Ok(())
}

async fn make(app: &App, pulled: &Pulled, noun: &Noun, artifact: &artifact::Model) -> Result<Option<Uuid>> {
    let Hooks::Content(hooks) = &noun.hooks else { return Ok(None) };
    let tx = app.db.write().await?;
    let Some(made) = (hooks.pulled)(&tx, &pulled.path, artifact, app.domain).await? else { return Ok(None) };
    content_artifact::Entity::insert(content_artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        content_id: Set(made.id),
        artifact_id: Set(Some(artifact.pulp_id)),
        relative_path: Set(made.relative_path.clone()),
    })
    .on_conflict(
        OnConflict::columns([content_artifact::Column::ContentId, content_artifact::Column::RelativePath])
            .update_column(content_artifact::Column::ArtifactId)
            .to_owned(),
    )
    .exec_without_returning(&*tx)
    .await?;
    let file = content_artifact::Entity::find()
        .filter(content_artifact::Column::ContentId.eq(made.id))
        .filter(content_artifact::Column::RelativePath.eq(made.relative_path))
        .one(&*tx)
        .await?;
    let Some(file) = file else { return Ok(None) };
    remote_artifact::Entity::insert(offer(app, pulled, file.pulp_id, artifact))
        .on_conflict(
            OnConflict::columns([remote_artifact::Column::ContentArtifactId, remote_artifact::Column::RemoteId])
                .update_column(remote_artifact::Column::Url)
                .to_owned(),
        )
        .exec_without_returning(&*tx)
        .await?;
    content::Entity::update_many()
        .col_expr(content::Column::TimestampOfInterest, Expr::value(now()))
        .filter(content::Column::PulpId.eq(made.id))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(Some(made.id))
}

/// Where the file is to be had should its artifact go, and what it must be then.
fn offer(app: &App, pulled: &Pulled, file: Uuid, artifact: &artifact::Model) -> remote_artifact::ActiveModel {
    remote_artifact::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_domain_id: Set(app.domain),
        content_artifact_id: Set(file),
        remote_id: Set(pulled.remote.pulp_id),
        url: Set(pulled.url.clone()),
        size: Set(Some(artifact.size)),
        md5: Set(None),
        sha1: Set(None),
        sha224: Set(None),
        sha256: Set(Some(artifact.sha256.clone())),
        sha384: Set(None),
        sha512: Set(None),
        failed_at: Set(None),
    }
}

/// Has a task add the unit to the repository that the distribution serves, if it takes such units and lacks this one. The
/// client has its file in any case: a failure is for the log.
async fn add(app: &App, pulled: &Pulled, unit: Uuid) {
    let (Some(repository), Some(noun)) = (pulled.repository, pulled.content) else { return };
    if app.settings.on_demand != OnDemand::Save || pulled.remote.policy == "streamed" {
        return;
    }
    if ADDING.contains_key(&(repository, unit)) {
        return;
    }
    match dispatch(app, repository, noun, unit).await {
        Ok(()) => ADDING.insert((repository, unit), ()),
        Err(error) => tracing::warn!(path = pulled.path, "what was pulled through is not added: {}", error.log()),
    }
}

async fn dispatch(app: &App, repository: Uuid, noun: &Noun, unit: Uuid) -> Result<()> {
    let db = app.db.read();
    let Some(row) = repository::Entity::find_by_id(repository).one(db).await? else { return Ok(()) };
    let takes = match registry::get().noun(Family::Repository, &row.pulp_type).map(|noun| &noun.hooks) {
        Some(Hooks::Repository(hooks)) => hooks.pull_through && hooks.content.contains(&noun.type_name),
        _ => false,
    };
    let has = repository_content::Entity::find()
        .filter(repository_content::Column::RepositoryId.eq(repository))
        .filter(repository_content::Column::ContentId.eq(unit))
        .filter(repository_content::Column::VersionRemoved.is_null());
    if !takes || has.one(db).await?.is_some() {
        return Ok(());
    }
    let task = AddRemove::adding(Ref::of(&row.pulp_type, repository)?, prn(noun.prn_model(), unit));
    app.queue.dispatch(Dispatch::new(&task)?.in_domain(app.domain)).await?;
    Ok(())
}

/// What a client is told when there is no answer of a remote to pass on.
fn refused(failure: Failure) -> Response {
    let status = match failure {
        Failure::Absent => return text(StatusCode::NOT_FOUND),
        Failure::Wrong => return broken_off(),
        Failure::Late => StatusCode::GATEWAY_TIMEOUT,
        Failure::Unreachable | Failure::NoRoom => StatusCode::BAD_GATEWAY,
    };
    let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"))]);
    (headers, text(status)).into_response()
}

/// Whether a path names something below a folder and nothing else. It may end in a slash.
fn is_plain(path: &str) -> bool {
    path.len() <= LONGEST_PATH
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.strip_suffix('/').unwrap_or(path).split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a URL lies in the folder of another, or below it, as a client of either would understand them.
fn is_below(url: &str, base: &str) -> bool {
    let (Ok(url), Ok(base)) = (Url::parse(url), Url::parse(base)) else { return false };
    let folder = base.path().rfind('/').map_or("/", |slash| &base.path()[..=slash]);
    // Of an encoded slash or dot nobody knows what a server makes.
    let hides = |path: &str| {
        let path = path.to_ascii_lowercase();
        path.contains("%2f") || path.contains("%5c") || path.split('/').any(|part| part.replace("%2e", ".") == "..")
    };
    (url.scheme(), url.host(), url.port_or_known_default())
        == (base.scheme(), base.host(), base.port_or_known_default())
        && (url.username(), url.password()) == (base.username(), base.password())
        && url.path().strip_prefix(folder).is_some_and(|rest| !hides(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_something_below() {
        for path in ["a", "a/b c.txt", "a/", "...", "ä"] {
            assert!(is_plain(path), "{path}");
        }
        let long = "a".repeat(LONGEST_PATH + 1);
        for path in ["", "/", "/a", "a//b", "a//", "..", "a/../b", "a/.", "./a", "a\\..\\b", "a\nb", long.as_str()] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn a_url_lies_in_the_remotes_folder() {
        let base = "https://example.test/a/PULP_MANIFEST?token=1";
        for url in ["https://example.test/a/b", "https://example.test:443/a/b/c?token=1", "https://example.test/a/"] {
            assert!(is_below(url, base), "{url}");
        }
        for url in [
            "https://example.test/b",
            "https://example.test/a/../b",
            "https://example.test/a/%2e%2E/b",
            "https://example.test/a/..%2fb",
            "https://example.test/a/..%5Cb",
            "https://example.test/ab",
            "http://example.test/a/b",
            "https://example.test:8443/a/b",
            "https://other.test/a/b",
            "https://me@example.test/a/b",
            "nonsense",
        ] {
            assert!(!is_below(url, base), "{url}");
        }
        assert!(is_below("file:///srv/a/b c", "file:///srv/a/M") && !is_below("file:///srv/b", "file:///srv/a/M"));
    }
}
