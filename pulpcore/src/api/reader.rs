//! Hrefs for keys: what a page of rows points at, looked up for all of them at once.

use std::collections::HashMap;

use sea_orm::sea_query::{ExprTrait, IntoIden, Query};
use sea_orm::{EntityTrait, FromQueryResult, IdenStatic, Iterable, PrimaryKeyToColumn};
use uuid::Uuid;

use crate::app::App;
use crate::db::one_of;
use crate::error::Result;
use crate::models::{repository, repository_version};
use crate::plugin::{Detail, Family, Master};
use crate::refs::{self, Own};
use crate::registry;

/// Renders rows for one answer: the process, and the API root that its hrefs begin with.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::api::reader::Reader;
/// use uuid::Uuid;
///
/// /// The repositories that some shelves stand for, as links.
/// async fn links(reader: &Reader, repositories: Vec<Uuid>) -> Result<Vec<String>> {
///     let hrefs = reader.hrefs::<pulpcore::models::repository::Entity>(repositories).await?;
///     Ok(hrefs.into_values().collect())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    /// The process.
    pub app: App,
    /// The API root, such as `/pulp/api/v3/`.
    pub root: String,
}

/// Hrefs by key.
pub type Hrefs = HashMap<Uuid, String>;

impl Reader {
    /// With the root that settings name, for what is not an answer to a request.
    pub(crate) fn of_task(app: &App) -> Self {
        Self { app: app.clone(), root: format!("{}api/v3/", app.settings.api_root) }
    }

    /// The href of a thing of a noun.
    pub fn href_of<D: Detail>(&self, id: Uuid) -> String {
        self.href(D::Master::FAMILY, D::TYPE, id).expect("a noun in use is registered")
    }

    /// The href of one of core's own things.
    pub fn own_href<O: Own>(&self, id: Uuid) -> String {
        let collection =
            refs::CORE_MODELS.iter().find(|(_, model)| *model == O::MODEL).expect("core lists its own things");
        format!("{}{}/{id}/", self.root, collection.0)
    }

    /// The href of a thing, by family and type.
    pub(crate) fn href(&self, family: Family, type_name: &str, id: Uuid) -> Option<String> {
        let noun = registry::get().noun(family, type_name)?;
        Some(format!("{}{}{id}/", self.root, noun.path()))
    }

    /// The hrefs of rows of a master table, by key. What is gone, or of a plugin that this build lacks, has none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn hrefs<M: Master>(&self, ids: impl IntoIterator<Item = Uuid>) -> Result<Hrefs> {
        #[derive(FromQueryResult)]
        struct Found {
            pulp_id: Uuid,
            pulp_type: String,
        }
        let column = |name: &str| {
            M::Column::iter().find(|column| column.as_str() == name).expect("every master has its key and type")
        };
        let (key, pulp_type) = (column("pulp_id"), column("pulp_type"));
        let mut hrefs = Hrefs::new();
        let ids = unique(ids);
        if ids.is_empty() {
            return Ok(hrefs);
        }
        let db = self.app.db.read();
        let select =
            Query::select().columns([key, pulp_type]).from(M::default()).and_where(one_of(db, key, ids)).take();
        for row in Found::find_by_statement(db.get_database_backend().build(&select)).all(db).await? {
            if let Some(href) = self.href(M::FAMILY, &row.pulp_type, row.pulp_id) {
                hrefs.insert(row.pulp_id, href);
            }
        }
        Ok(hrefs)
    }

    /// The hrefs of repository versions, and of their repositories.
    pub(crate) async fn version_hrefs(
        &self,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, (String, String)>> {
        #[derive(FromQueryResult)]
        struct Found {
            pulp_id: Uuid,
            number: i64,
            repository_id: Uuid,
            pulp_type: String,
        }
        let mut hrefs = HashMap::new();
        let ids = unique(ids);
        if ids.is_empty() {
            return Ok(hrefs);
        }
        let db = self.app.db.read();
        let select = Query::select()
            .columns([
                (repository_version::Entity.into_iden(), repository_version::Column::PulpId.into_iden()),
                (repository_version::Entity.into_iden(), repository_version::Column::Number.into_iden()),
                (repository_version::Entity.into_iden(), repository_version::Column::RepositoryId.into_iden()),
                (repository::Entity.into_iden(), repository::Column::PulpType.into_iden()),
            ])
            .from(repository_version::Entity)
            .inner_join(
                repository::Entity,
                super::filters::col(repository::Column::PulpId)
                    .eq(super::filters::col(repository_version::Column::RepositoryId)),
            )
            .and_where(one_of(db, repository_version::Column::PulpId, ids))
            .take();
        for row in Found::find_by_statement(db.get_database_backend().build(&select)).all(db).await? {
            if let Some(repository) = self.href(Family::Repository, &row.pulp_type, row.repository_id) {
                hrefs.insert(row.pulp_id, (format!("{repository}versions/{}/", row.number), repository));
            }
        }
        Ok(hrefs)
    }
}

fn unique(ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The key column of an entity with a single one.
pub(crate) fn key_of<E: EntityTrait>() -> E::Column {
    E::PrimaryKey::iter().next().expect("sea-orm refuses entities without a primary key").into_column()
}
