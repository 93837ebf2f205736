//! Publishing: a version, with a manifest of its files.

use std::fmt::Write;

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{publication, repository_version};
use pulpcore::plugin::{Locks, Publisher, Ref, Task, TaskCx, TaskKind, VersionRef, register};
use pulpcore::publish::settle_version;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::manifest::Entry;
use crate::models::publication::Model;
use crate::models::{FilePublication, FileRepository};
use crate::serializers;

/// Makes a publication of a repository version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = file::Publish)]
pub struct Publish {
    /// The version.
    #[serde(default)]
    #[schema(nullable = false)]
    pub repository_version: Option<VersionRef>,
    /// The repository whose latest version is meant, where none is named.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub repository: Option<Ref<FileRepository>>,
    /// The name of the manifest; null makes none.
    #[serde(default = "serializers::manifest")]
    #[schema(default = "PULP_MANIFEST", min_length = 1)]
    pub manifest: Option<String>,
    /// Whether it is kept as a point in time.
    #[serde(default)]
    #[schema(default = false)]
    pub checkpoint: bool,
}

impl Task for Publish {
    const TYPE: &'static str = "file/publications";
    const NAME: &'static str = "pulp_file.app.tasks.publishing.publish";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        settle_version(app, &mut self.repository, &mut self.repository_version, self.checkpoint).await
    }

    fn locks(&self) -> Locks {
        match &self.repository {
            Some(repository) => Locks::default().shared(repository),
            None => Locks::default(),
        }
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let version = self.repository_version.ok_or_else(|| Error::internal("a prepared task has its version"))?;
        let version = version.find(cx.db().read(), "repository_version").await?;
        publish(&cx, version, self.manifest, self.checkpoint).await?;
        Ok(())
    }
}

register!(TaskKind::of::<Publish>());

/// Publishes a version: its files stay where they are, and the manifest (if it has a name) is made for it.
///
/// # Errors
/// If the database or the storage fails.
pub async fn publish(
    cx: &TaskCx,
    version: repository_version::Model,
    manifest: Option<String>,
    checkpoint: bool,
) -> Result<publication::Model> {
    let lines = manifest_of(cx, &version);
    publish_with(cx, version.clone(), manifest, checkpoint, lines).await
}

/// Publishes a version with a manifest that is there already, such as the remote's own.
pub(super) async fn publish_with(
    cx: &TaskCx,
    version: repository_version::Model,
    manifest: Option<String>,
    checkpoint: bool,
    body: impl Stream<Item = Result<Bytes>> + Send,
) -> Result<publication::Model> {
    let mut publisher = Publisher::new(cx, version).pass_through().checkpoint(checkpoint);
    if let Some(name) = &manifest {
        publisher.add(name, body).await?;
    }
    publisher.complete::<FilePublication>(Model { manifest, ..Model::default() }).await
}

/// How many files are read from the database at a time.
const PAGE: usize = 2000;

/// The lines of a version's manifest, a page at a time.
fn manifest_of(cx: &TaskCx, version: &repository_version::Model) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    let (cx, version) = (cx.clone(), version.clone());
    stream::try_unfold(Some(Uuid::nil()), move |after| {
        let (cx, version) = (cx.clone(), version.clone());
        async move {
            let Some(after) = after else { return Ok(None) };
            let files = page(cx.db().read(), &version, after).await?;
            let next = if files.len() == PAGE { files.last().map(|file| file.id) } else { None };
            let mut text = String::new();
            for file in files {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "{}", file.entry());
            }
            Ok(Some((Bytes::from(text), next)))
        }
    })
    .try_filter(|page| std::future::ready(!page.is_empty()))
}

/// A file of a version.
#[derive(FromQueryResult)]
struct File {
    id: Uuid,
    relative_path: String,
    digest: String,
    size: i64,
}

impl File {
    fn entry(self) -> Entry {
        Entry { relative_path: self.relative_path, sha256: self.digest, size: self.size.unsigned_abs() }
    }
}

/// The files of a version after one of them, in the order of their keys, in which the index holds a version's content.
/// A file that is not here has the size that its remotes promise.
async fn page(db: &impl ConnectionTrait, version: &repository_version::Model, after: Uuid) -> Result<Vec<File>> {
    let sql = format!(
        "SELECT m.content_id AS id, f.relative_path AS relative_path, f.digest AS digest, \
           COALESCE(a.size, \
             (SELECT MAX(r.size) FROM core_remoteartifact r WHERE r.content_artifact_id = c.pulp_id), 0) AS size \
         FROM core_repositorycontent m \
         JOIN file_filecontent f ON f.content_ptr_id = m.content_id \
         JOIN core_contentartifact c ON c.content_id = m.content_id AND c.relative_path = f.relative_path \
         LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE m.repository_id = $1 AND m.version_added <= $2 \
           AND (m.version_removed IS NULL OR m.version_removed > $2) AND m.content_id > $3 \
         ORDER BY m.content_id LIMIT {PAGE}"
    );
    let values = [version.repository_id.into(), version.number.into(), after.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(File::find_by_statement(statement).all(db).await?)
}
