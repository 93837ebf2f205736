//! Making a version, inside one transaction.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter,
};
use uuid::Uuid;

use crate::db::{Change, WriteTx, exec, now, one_of, rows};
use crate::error::{Error, Result};
use crate::models::{
    content, repository, repository_content as membership, repository_version, repository_version_count as counts,
};
use crate::plugin::{Family, Hooks, Noun};
use crate::registry;

/// A version that is being made. Nothing of it is visible before its transaction commits.
///
/// It starts with the content of the latest version. Adding what is there and removing what is not changes nothing;
/// a version that differs in nothing from the one before is not made.
///
/// ```
/// use pulpcore::error::Result;
/// use pulpcore::plugin::NewVersion;
///
/// /// Keeps a version to what it gained: for a repository that holds the newest units only.
/// async fn newest_only(version: &mut NewVersion<'_>) -> Result<()> {
///     version.remove_others(version.added_ids()).await
/// }
/// ```
pub struct NewVersion<'a> {
    tx: &'a WriteTx,
    noun: &'static Noun,
    repository: repository::Model,
    previous: repository_version::Model,
    base: Option<Uuid>,
    overwrite: bool,
    /// Whether anything was added or removed, even if it was taken back since.
    touched: bool,
    /// What was counted, if nothing was added or removed since.
    counted: Option<Changes>,
}

impl<'a> NewVersion<'a> {
    /// Begins a version of a repository.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the repository is gone.
    pub async fn open(tx: &'a WriteTx, repository: Uuid) -> Result<Self> {
        let row = repository::Entity::find_by_id(repository).one(&**tx).await?;
        let row = row.ok_or_else(|| Error::NotFound("No Repository matches the given query.".to_owned()))?;
        let noun = registry::get().noun(Family::Repository, &row.pulp_type);
        let noun = noun.ok_or_else(|| registry::missing(&row.pulp_type))?;
        let previous = super::latest(&**tx, repository).await?;
        Ok(Self { tx, noun, repository: row, previous, base: None, overwrite: true, touched: false, counted: None })
    }

    /// The repository.
    pub fn repository(&self) -> &repository::Model {
        &self.repository
    }

    /// The number that the version will have.
    pub fn number(&self) -> i64 {
        self.repository.next_version
    }

    /// The transaction: what a plugin needs to look at or add while it completes the version.
    pub fn tx(&self) -> &WriteTx {
        self.tx
    }

    /// The keys of the units that it holds so far, as a subquery.
    pub fn content_ids(&self) -> SelectStatement {
        super::content_ids(self.repository.pulp_id, self.number())
    }

    /// The keys of the units that it gained so far, as a subquery.
    pub fn added_ids(&self) -> SelectStatement {
        Query::select()
            .column(membership::Column::ContentId)
            .from(membership::Entity)
            .and_where(membership::Column::RepositoryId.eq(self.repository.pulp_id))
            .and_where(membership::Column::VersionAdded.eq(self.number()))
            .take()
    }

    /// The keys of the units that it lost so far, as a subquery.
    pub fn removed_ids(&self) -> SelectStatement {
        Query::select()
            .column(membership::Column::ContentId)
            .from(membership::Entity)
            .and_where(membership::Column::RepositoryId.eq(self.repository.pulp_id))
            .and_where(membership::Column::VersionRemoved.eq(self.number()))
            .take()
    }

    /// Whether a newcomer may replace a unit with the same repository key (it may, unless told otherwise).
    pub fn set_overwrite(&mut self, overwrite: bool) {
        self.overwrite = overwrite;
    }

    /// Starts from the content of another version instead of the latest.
    pub async fn start_from(&mut self, base: &repository_version::Model) -> Result<()> {
        self.base = Some(base.pulp_id);
        if base.pulp_id == self.previous.pulp_id {
            return Ok(());
        }
        self.remove_others(base.content_ids()).await?;
        self.add_selected(base.content_ids()).await
    }

    /// Adds units by key.
    pub async fn add(&mut self, units: &[Uuid]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        self.add_selected(self.named(units)).await
    }

    /// Removes units by key.
    pub async fn remove(&mut self, units: &[Uuid]) -> Result<()> {
        self.remove_selected(self.named(units)).await
    }

    /// Units as a subquery.
    fn named(&self, units: &[Uuid]) -> SelectStatement {
        Query::select()
            .column(content::Column::PulpId)
            .from(content::Entity)
            .and_where(one_of(&**self.tx, content::Column::PulpId, units.iter().copied()))
            .take()
    }

    /// Adds the units that a subquery selects.
    pub async fn add_selected(&mut self, units: SelectStatement) -> Result<()> {
        self.counted = None;
        let (repository, number) = (self.repository.pulp_id, self.number());
        if self.touched {
            // A unit that this same version removed was there before: it simply stays.
            membership::Entity::update_many()
                .col_expr(membership::Column::VersionRemoved, Expr::value(Option::<i64>::None))
                .filter(membership::Column::RepositoryId.eq(repository))
                .filter(membership::Column::VersionRemoved.eq(number))
                .filter(membership::Column::ContentId.in_subquery(units.clone()))
                .exec(&**self.tx)
                .await?;
        }
        let unit = (content::Entity, content::Column::PulpId);
        let present = Query::select()
            .expr(Expr::val(1))
            .from(membership::Entity)
            .and_where(membership::Column::RepositoryId.eq(repository))
            .and_where(Expr::col((membership::Entity, membership::Column::ContentId)).equals(unit))
            .and_where(membership::Column::VersionRemoved.is_null())
            .take();
        let select = Query::select()
            .expr(Expr::val(repository))
            .column(unit)
            .expr(Expr::val(number))
            .from(content::Entity)
            .and_where(Expr::col(unit).in_subquery(units))
            .and_where(Expr::exists(present).not())
            .take();
        let insert = Query::insert()
            .into_table(membership::Entity)
            .columns([
                membership::Column::RepositoryId,
                membership::Column::ContentId,
                membership::Column::VersionAdded,
            ])
            .select_from(select)
            .map_err(Error::internal)?
            .take();
        let added = self.tx.execute(&insert).await?;
        self.touched |= added.rows_affected() > 0;
        Ok(())
    }

    /// Removes the units that a subquery selects.
    pub async fn remove_selected(&mut self, units: SelectStatement) -> Result<()> {
        self.remove_where(membership::Column::ContentId.in_subquery(units)).await
    }

    /// Removes every unit that a subquery does not select.
    pub async fn remove_others(&mut self, units: SelectStatement) -> Result<()> {
        self.remove_where(membership::Column::ContentId.not_in_subquery(units)).await
    }

    /// Removes everything.
    pub async fn remove_all(&mut self) -> Result<()> {
        self.remove_where(Expr::val(1).eq(1)).await
    }

    async fn remove_where(&mut self, which: sea_orm::sea_query::SimpleExpr) -> Result<()> {
        self.counted = None;
        let (repository, number) = (self.repository.pulp_id, self.number());
        if self.touched {
            // A unit that this same version added was never there.
            membership::Entity::delete_many()
                .filter(membership::Column::RepositoryId.eq(repository))
                .filter(membership::Column::VersionAdded.eq(number))
                .filter(which.clone())
                .exec(&**self.tx)
                .await?;
        }
        let old = membership::Entity::update_many()
            .col_expr(membership::Column::VersionRemoved, Expr::value(number))
            .filter(membership::Column::RepositoryId.eq(repository))
            .filter(membership::Column::VersionRemoved.is_null())
            .filter(which)
            .exec(&**self.tx)
            .await?;
        self.touched |= old.rows_affected > 0;
        Ok(())
    }

    /// Completes the version: enforces types and repository keys, lets the plugin finish it, counts it, and applies
    /// `retain_repo_versions`. `None` if it would not differ from the version before.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it holds a type that the repository does not take, or two units with one repository key;
    /// whatever the plugin refuses it with. Roll the transaction back then.
    pub async fn complete(mut self) -> Result<Option<repository_version::Model>> {
        let Hooks::Repository(hooks) = &self.noun.hooks else {
            return Err(Error::internal("a repository's noun has a repository's hooks"));
        };
        if self.touched {
            let changes = self.changes().await?;
            self.check_types(hooks.content, &changes.added)?;
            let replaces = self.enforce_repo_keys(&changes.added).await?;
            self.counted = (!replaces).then_some(changes);
        }
        (hooks.finalize)(&mut self).await?;
        if !self.touched {
            return Ok(None);
        }
        let changes = match self.counted.take() {
            Some(changes) => changes,
            None => self.changes().await?,
        };
        if changes.added.is_empty() && changes.removed.is_empty() {
            return Ok(None);
        }
        let version = self.insert_row().await?;
        self.insert_counts(&version, changes).await?;
        super::delete::retain(self.tx, &self.repository).await?;
        Ok(Some(version))
    }

    /// The repository must take the types of what was added.
    fn check_types(&self, allowed: &[&str], added: &[TypeCount]) -> Result<()> {
        match added.iter().find(|count| !allowed.contains(&count.content_type.as_str())) {
            None => Ok(()),
            Some(wrong) => {
                let message = format!(
                    "Cannot add content of type '{}' to a repository of type '{}'.",
                    wrong.content_type, self.repository.pulp_type
                );
                Err(Error::invalid("add_content_units", message))
            }
        }
    }

    /// A newcomer replaces the units that have its repository key; two newcomers with one key are refused. Whether there
    /// were any to replace.
    async fn enforce_repo_keys(&self, added: &[TypeCount]) -> Result<bool> {
        let mut replaces = false;
        for TypeCount { content_type: type_name, n: newcomers } in added {
            let Some(noun) = registry::get().noun(Family::Content, type_name) else { continue };
            let Hooks::Content(hooks) = &noun.hooks else { continue };
            let columns = (hooks.repo_key)();
            if columns.is_empty() {
                continue;
            }
            let table = (noun.table)();
            let (name, key) = (&table.name, &table.key);
            let list = columns.iter().map(|c| format!("new.\"{c}\"")).collect::<Vec<_>>().join(", ");
            let among = format!(
                "core_repositorycontent a JOIN \"{name}\" new ON new.\"{key}\" = a.content_id \
                 WHERE a.repository_id = $1 AND a.version_added = $2 AND a.version_removed IS NULL"
            );
            let values = vec![self.repository.pulp_id.into(), self.number().into()];
            let twice = format!("SELECT COUNT(*) AS n FROM {among} GROUP BY {list} HAVING COUNT(*) > 1 LIMIT 1");
            if *newcomers > 1 && !rows::<Count>(&**self.tx, &twice, values.clone()).await?.is_empty() {
                return Err(Error::invalid_together(format!(
                    "Cannot create repository version. More than one {type_name} content with the duplicate values for {}.",
                    columns.join(", ")
                )));
            }
            let same = columns.iter().map(|c| format!("old.\"{c}\" = new.\"{c}\"")).collect::<Vec<_>>().join(" AND ");
            // From the newcomers to the units with their keys to the rows of those: cheap for one newcomer among a
            // million units, and linear for many. `OFFSET 0` keeps both databases from turning the look-up into a join,
            // which they would begin at the million when they have no statistics.
            let replaced = format!(
                "SELECT old.\"{key}\" FROM core_repositorycontent a \
                 JOIN \"{name}\" new ON new.\"{key}\" = a.content_id \
                 JOIN \"{name}\" old ON {same} AND old.\"{key}\" <> new.\"{key}\" \
                 WHERE a.repository_id = $1 AND a.version_added = $2 AND a.version_removed IS NULL \
                 AND EXISTS (SELECT 1 FROM core_repositorycontent p WHERE p.repository_id = $1 \
                   AND p.content_id = old.\"{key}\" AND p.version_removed IS NULL AND p.version_added < $2 \
                   LIMIT 1 OFFSET 0)"
            );
            // Mostly there is nothing to replace, and to count nothing costs less than to update nothing.
            let count = format!("SELECT COUNT(*) AS n FROM ({replaced}) replaced");
            if rows::<Count>(&**self.tx, &count, values.clone()).await?.iter().all(|row| row.n == 0) {
                continue;
            }
            if !self.overwrite {
                return Err(Error::Conflict(
                    "Content overwrite is not allowed: a unit in the repository has the same repository key."
                        .to_owned(),
                ));
            }
            let update = format!(
                "UPDATE core_repositorycontent SET version_removed = $2 WHERE repository_id = $1 \
                 AND version_removed IS NULL AND content_id IN ({replaced})"
            );
            exec(&**self.tx, &update, values).await?;
            replaces = true;
        }
        Ok(replaces)
    }

    /// What it gained and lost so far.
    async fn changes(&self) -> Result<Changes> {
        changes_of(self.tx, self.repository.pulp_id, self.number()).await
    }

    async fn insert_row(&mut self) -> Result<repository_version::Model> {
        let now = now();
        self.tx.changes(Change::Repository(self.repository.pulp_id));
        let version = repository_version::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            repository_id: Set(self.repository.pulp_id),
            number: Set(self.number()),
            base_version_id: Set(self.base),
        }
        .insert(&**self.tx)
        .await?;
        repository::Entity::update_many()
            .col_expr(repository::Column::NextVersion, Expr::value(self.number() + 1))
            .col_expr(repository::Column::PulpLastUpdated, Expr::value(now))
            .filter(repository::Column::PulpId.eq(self.repository.pulp_id))
            .exec(&**self.tx)
            .await?;
        Ok(version)
    }

    async fn insert_counts(&self, version: &repository_version::Model, changes: Changes) -> Result<()> {
        let mut present: std::collections::BTreeMap<String, i64> = counts::Entity::find()
            .filter(counts::Column::RepositoryVersionId.eq(self.previous.pulp_id))
            .filter(counts::Column::CountType.eq("P"))
            .all(&**self.tx)
            .await?
            .into_iter()
            .map(|row| (row.content_type, row.count))
            .collect();
        for gained in &changes.added {
            *present.entry(gained.content_type.clone()).or_default() += gained.n;
        }
        for lost in &changes.removed {
            *present.entry(lost.content_type.clone()).or_default() -= lost.n;
        }
        present.retain(|_, n| *n > 0);
        let present = present.into_iter().map(|(content_type, n)| TypeCount { content_type, n }).collect();
        insert_counts(self.tx, version.pulp_id, [("P", present), ("A", changes.added), ("R", changes.removed)]).await
    }
}

impl std::fmt::Debug for NewVersion<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewVersion").field("repository", &self.repository.name).field("number", &self.number()).finish()
    }
}

/// Makes version 0, empty: every repository has one from its first moment.
pub(crate) async fn version_zero(tx: &WriteTx, repository: Uuid) -> Result<()> {
    let now = now();
    tx.changes(Change::Repository(repository));
    repository_version::ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        repository_id: Set(repository),
        number: Set(0),
        base_version_id: Set(None),
    }
    .insert(&**tx)
    .await?;
    Ok(())
}

/// How many units of a type there are.
#[derive(Debug)]
pub(super) struct TypeCount {
    content_type: String,
    n: i64,
}

/// Units by type whose membership began and ended with a version.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: Vec<TypeCount>,
    pub(super) removed: Vec<TypeCount>,
}

#[derive(Debug, FromQueryResult)]
struct Count {
    n: i64,
}

#[derive(Debug, FromQueryResult)]
struct Changed {
    boundary: String,
    content_type: String,
    n: i64,
}

/// Counts what a version of this number gained and lost.
pub(super) async fn changes_of(tx: &WriteTx, repository: Uuid, number: i64) -> Result<Changes> {
    let counted = |boundary| {
        format!(
            "SELECT '{boundary}' AS boundary, c.pulp_type AS content_type, COUNT(*) AS n FROM core_repositorycontent m \
             JOIN core_content c ON c.pulp_id = m.content_id \
             WHERE m.repository_id = $1 AND m.{boundary} = $2 GROUP BY c.pulp_type"
        )
    };
    let sql = format!("{} UNION ALL {} ORDER BY content_type", counted(ADDED), counted("version_removed"));
    let mut changes = Changes::default();
    for Changed { boundary, content_type, n } in rows(&**tx, &sql, vec![repository.into(), number.into()]).await? {
        let counts = if boundary == ADDED { &mut changes.added } else { &mut changes.removed };
        counts.push(TypeCount { content_type, n });
    }
    Ok(changes)
}

const ADDED: &str = "version_added";

/// Stores counts by their kind (`P`, `A` or `R`).
pub(super) async fn insert_counts(
    tx: &WriteTx,
    version: Uuid,
    counts: impl IntoIterator<Item = (&str, Vec<TypeCount>)>,
) -> Result<()> {
    let row = |kind: &str, count: TypeCount| counts::ActiveModel {
        repository_version_id: Set(version),
        content_type: Set(count.content_type),
        count_type: Set(kind.to_owned()),
        count: Set(count.n),
    };
    let rows: Vec<_> =
        counts.into_iter().flat_map(|(kind, counts)| counts.into_iter().map(move |count| row(kind, count))).collect();
    if !rows.is_empty() {
        counts::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    }
    Ok(())
}
