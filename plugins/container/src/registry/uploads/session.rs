//! Sessions: how far an upload has come, and its next chunk.

use std::collections::HashMap;

use bytes::Bytes;
use futures::Stream;
use pulpcore::app::App;
use pulpcore::artifacts;
use pulpcore::db::{now, one_of};
use pulpcore::error::Result;
use pulpcore::models::artifact;
use pulpcore::storage::Expected;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::refused;
use crate::models::{upload, upload_chunk};
use crate::registry::errors::Answer;

/// An upload that is under way.
#[derive(Debug)]
pub(super) struct Session(upload::Model);

impl Session {
    /// Opens one.
    pub(super) async fn open(app: &App, repository: Uuid) -> Result<Self> {
        let now = now();
        let row = upload::Model {
            pulp_id: Uuid::now_v7(),
            pulp_created: now,
            pulp_last_updated: now,
            repository_id: repository,
            size: 0,
        };
        let tx = app.db.write().await?;
        row.clone().into_active_model().insert(&*tx).await?;
        tx.commit().await?;
        Ok(Self(row))
    }

    /// The one of this id, if it is for this repository.
    pub(super) async fn find(app: &App, id: Uuid, repository: Uuid) -> Result<Option<Self>> {
        let found = upload::Entity::find_by_id(id).filter(upload::Column::RepositoryId.eq(repository));
        Ok(found.one(app.db.read()).await?.map(Self))
    }

    pub(super) fn id(&self) -> Uuid {
        self.0.pulp_id
    }

    pub(super) fn repository(&self) -> Uuid {
        self.0.repository_id
    }

    /// How many bytes are there.
    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.0.size).unwrap_or(0)
    }

    /// Receives the next chunk and keeps it. What it is then; or, if somebody else has sent a chunk meanwhile, what it is
    /// without this one.
    pub(super) async fn append(
        self,
        app: &App,
        body: impl Stream<Item = Result<Bytes>> + Send,
        size: Option<u64>,
    ) -> Answer<Result<Self, Self>> {
        let expected = Expected { size, ..Expected::default() };
        let received = app.storage.receive(body, &expected).await.map_err(refused)?;
        if received.size() == 0 {
            return Ok(Ok(self));
        }
        let (artifact, _) = artifacts::save(app, received).await?;
        Ok(self.record(app, &artifact).await?)
    }

    async fn record(mut self, app: &App, artifact: &artifact::Model) -> Result<Result<Self, Self>> {
        let size = self.0.size + artifact.size;
        let tx = app.db.write().await?;
        let moved = upload::Entity::update_many()
            .col_expr(upload::Column::Size, Expr::value(size))
            .col_expr(upload::Column::PulpLastUpdated, Expr::value(now()))
            .filter(upload::Column::PulpId.eq(self.0.pulp_id))
            .filter(upload::Column::Size.eq(self.0.size))
            .exec(&*tx)
            .await?;
        if moved.rows_affected == 0 {
            tx.rollback().await?;
            let now = Self::find(app, self.0.pulp_id, self.0.repository_id).await?;
            return Ok(Err(now.unwrap_or(self)));
        }
        let chunk = upload_chunk::ActiveModel {
            upload_id: Set(self.0.pulp_id),
            offset: Set(self.0.size),
            artifact_id: Set(artifact.pulp_id),
        };
        chunk.insert(&*tx).await?;
        tx.commit().await?;
        self.0.size = size;
        Ok(Ok(self))
    }

    /// The chunks, in their order; none if some were taken as orphans, because nobody went on for so long.
    pub(super) async fn chunks(&self, app: &App) -> Result<Option<Vec<artifact::Model>>> {
        let chunks = upload_chunk::Entity::find().filter(upload_chunk::Column::UploadId.eq(self.0.pulp_id));
        let chunks = chunks.order_by_asc(upload_chunk::Column::Offset).all(app.db.read()).await?;
        let db = app.db.read();
        let these = one_of(db, artifact::Column::PulpId, chunks.iter().map(|chunk| chunk.artifact_id));
        let found = artifact::Entity::find().filter(these).all(db).await?;
        let found: HashMap<Uuid, artifact::Model> = found.into_iter().map(|row| (row.pulp_id, row)).collect();
        let mut artifacts = Vec::with_capacity(chunks.len());
        let mut at = 0;
        for chunk in chunks {
            let Some(artifact) = found.get(&chunk.artifact_id).filter(|_| chunk.offset == at) else { break };
            at += artifact.size;
            artifacts.push(artifact.clone());
        }
        Ok((at == self.0.size).then_some(artifacts))
    }

    /// Ends it. Its chunks are orphans from then on.
    pub(super) async fn cancel(self, app: &App) -> Result<()> {
        let tx = app.db.write().await?;
        upload::Entity::delete_by_id(self.0.pulp_id).exec(&*tx).await?;
        tx.commit().await
    }
}
