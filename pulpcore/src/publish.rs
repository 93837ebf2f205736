//! Making publications: files first, then one transaction that makes the publication with everything in it.

use bytes::Bytes;
use futures::Stream;
use sea_orm::sea_query::{Expr, LockType, OnConflict, Query};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, QuerySelect};
use uuid::Uuid;

use crate::app::App;
use crate::content::{checkpoints, grace};
use crate::db::{Change, bulk, now};
use crate::error::{Error, Result};
use crate::models::{
    content_artifact, publication, published_artifact, published_metadata, repository, repository_version,
};
use crate::plugin::{Detail, Publication, Ref, Repository, TaskCx, VersionRef};
use crate::storage::{Expected, Received};
use crate::{artifacts, plugin, versions};

/// A publication that is being made. Nothing of it exists before [`Publisher::complete`]; what was received until then is
/// left to orphan cleanup.
///
/// ```
/// use bytes::Bytes;
/// use pulpcore::error::Result;
/// use pulpcore::plugin::Publisher;
///
/// /// Adds an index that the publication's clients look for.
/// async fn add_index(publisher: &mut Publisher<'_>) -> Result<()> {
///     let text = format!("version {}\n", publisher.version().number);
///     publisher.add("INDEX", futures::stream::iter([Ok(Bytes::from(text))])).await
/// }
/// ```
#[derive(Debug)]
pub struct Publisher<'a> {
    cx: &'a TaskCx,
    version: repository_version::Model,
    pass_through: bool,
    checkpoint: bool,
    publish_content: bool,
    metadata: Vec<(String, Uuid)>,
    files: Vec<(String, Uuid)>,
}

impl<'a> Publisher<'a> {
    /// Begins a publication of a version.
    pub fn new(cx: &'a TaskCx, version: repository_version::Model) -> Self {
        Self {
            cx,
            version,
            pass_through: false,
            checkpoint: false,
            publish_content: false,
            metadata: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The version.
    pub fn version(&self) -> &repository_version::Model {
        &self.version
    }

    /// Paths that the publication does not list are looked up in the version.
    #[must_use]
    pub fn pass_through(mut self) -> Self {
        self.pass_through = true;
        self
    }

    /// It is kept as a point in time.
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: bool) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    /// It lists every file of the version, at the path that the content gives it.
    #[must_use]
    pub fn with_content(mut self) -> Self {
        self.publish_content = true;
        self
    }

    /// It lists a file of the version's content, by the key of its content artifact, at a path of its own. Of two files at one
    /// path the first one stands.
    pub fn list(&mut self, path: String, content_artifact: Uuid) {
        self.files.push((path, content_artifact));
    }

    /// Adds a file that publishing made, streamed to the storage.
    ///
    /// # Errors
    /// Whatever the stream fails with.
    pub async fn add(&mut self, path: &str, body: impl Stream<Item = Result<Bytes>> + Send) -> Result<()> {
        let received = self.receive(body).await?;
        self.keep(path, received).await
    }

    /// Receives a file whose path is known only once it is there, because its digest is part of it; [`Self::keep`] adds it.
    /// Several may come in at the same time.
    ///
    /// # Errors
    /// Whatever the stream fails with.
    pub async fn receive(&self, body: impl Stream<Item = Result<Bytes>> + Send) -> Result<Received> {
        self.cx.storage().receive(body, &Expected::default()).await.map_err(|error| error.invalid())
    }

    /// Adds a file that was received.
    ///
    /// # Errors
    /// If the storage or the database fails.
    pub async fn keep(&mut self, path: &str, file: Received) -> Result<()> {
        let (artifact, _) = artifacts::save(self.cx.app(), file).await?;
        self.metadata.push((path.to_owned(), artifact.pulp_id));
        Ok(())
    }

    /// Makes the publication, with the plugin's row, in one transaction; records it as what the task made and returns. What it
    /// supersedes stays within reach for a while, and the repository's `retain_checkpoints` is applied.
    ///
    /// # Errors
    /// If the database fails, or the version is gone.
    pub async fn complete<P: Publication>(self, row: P::Model) -> Result<publication::Model> {
        let tx = self.cx.db().write().await?;
        tx.changes(Change::Repository(self.version.repository_id));
        // Publications of one repository are completed one after the other: each sees which it supersedes.
        let repository = repository::Entity::find_by_id(self.version.repository_id).lock(LockType::NoKeyUpdate);
        let repository = repository.one(&*tx).await?.ok_or_else(|| crate::api::not_found("Repository"))?;
        let (id, now) = (Uuid::now_v7(), now());
        let made = publication::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(self.cx.domain()),
            pulp_type: Set(<P as Detail>::TYPE.to_owned()),
            repository_version_id: Set(self.version.pulp_id),
            complete: Set(true),
            pass_through: Set(self.pass_through),
            checkpoint: Set(self.checkpoint),
        }
        .insert(&*tx)
        .await?;
        plugin::insert::<P>(&tx, id, row).await?;
        if self.publish_content {
            let files = Query::select()
                .expr(Expr::val(id))
                .columns([content_artifact::Column::RelativePath, content_artifact::Column::PulpId])
                .from(content_artifact::Entity)
                .and_where(sea_orm::ColumnTrait::in_subquery(
                    &content_artifact::Column::ContentId,
                    self.version.content_ids(),
                ))
                .take();
            let insert = Query::insert()
                .into_table(published_artifact::Entity)
                .columns([
                    published_artifact::Column::PublicationId,
                    published_artifact::Column::RelativePath,
                    published_artifact::Column::ContentArtifactId,
                ])
                .select_from(files)
                .map_err(Error::internal)?
                .take();
            tx.execute(&insert).await?;
        }
        let files = self.metadata.into_iter().map(|(path, artifact)| published_metadata::ActiveModel {
            publication_id: Set(id),
            relative_path: Set(path),
            artifact_id: Set(artifact),
        });
        let files: Vec<_> = files.collect();
        for files in files.chunks(crate::db::rows_per_statement(3)) {
            published_metadata::Entity::insert_many(files.to_vec()).exec_without_returning(&*tx).await?;
        }
        let once =
            OnConflict::columns([published_artifact::Column::PublicationId, published_artifact::Column::RelativePath])
                .do_nothing()
                .to_owned();
        let listed = self.files.into_iter().map(|(path, file)| published_artifact::ActiveModel {
            publication_id: Set(id),
            relative_path: Set(path),
            content_artifact_id: Set(file),
        });
        bulk::insert(&*tx, listed.collect(), &once).await?;
        grace::published(&tx, self.cx.app(), &self.version, &made).await?;
        if self.checkpoint {
            checkpoints::retain(&tx, repository.pulp_id, repository.retain_checkpoints).await?;
        }
        self.cx.record_in(&tx, Ref::<P>::new(id).model(), id).await?;
        tx.commit().await?;
        let noun = crate::registry::get().noun(crate::plugin::Family::Publication, P::TYPE);
        if let Some(noun) = noun {
            crate::api::families::general::returns::<publication::Entity>(self.cx, noun, id).await?;
        }
        Ok(made)
    }
}

/// Settles what a task publishes: the version that its parameters name, or else the latest one of the repository that they
/// name. Both are named then.
///
/// # Errors
/// [`Error::Invalid`] if neither is named, there is no such thing, or the version is of another kind of repository; also if a
/// named version is to be a checkpoint, which only the latest can be.
pub async fn settle_version<R: Repository>(
    app: &App,
    repository: &mut Option<Ref<R>>,
    version: &mut Option<VersionRef>,
    checkpoint: bool,
) -> Result<()> {
    let db = app.db.read();
    let found = match (&*version, &*repository) {
        (Some(_), None) if checkpoint => {
            return Err(Error::invalid_together("'checkpoint' may only be used with 'repository'"));
        }
        (Some(version), _) => version.find(db, "repository_version").await?,
        (None, Some(repository)) => {
            repository.find(db, "repository").await?;
            versions::latest(db, repository.id).await?
        }
        (None, None) => {
            let message = "Either the 'repository' or 'repository_version' need to be specified.";
            return Err(Error::invalid_together(message));
        }
    };
    let row = repository::Entity::find_by_id(found.repository_id).one(db).await?;
    if row.is_none_or(|row| row.pulp_type != R::TYPE) {
        return Err(Error::invalid("repository_version", "Invalid hyperlink - Incorrect URL match."));
    }
    *version = Some(VersionRef::new(found.pulp_id));
    *repository = Some(Ref::new(found.repository_id));
    Ok(())
}
