//! Pruning: old versions of packages leave repositories. One task looks for the repositories, and each of them gets its own.

use pulpcore::app::App;
use pulpcore::db::{now, one_of};
use pulpcore::error::{Error, Result};
use pulpcore::models::{repository, repository_content as membership, repository_version};
use pulpcore::plugin::{Detail, Locks, NewVersion, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::versions;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::models::RpmRepository;
use crate::versions::older_than_all;

/// Prunes repositories.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Prune)]
pub struct Prune {
    /// The repositories; `*` stands for all.
    pub repo_hrefs: Vec<String>,
    /// Packages that came within so many days stay.
    #[serde(default = "crate::serializers::actions::fortnight")]
    #[schema(default = 14, minimum = 0, maximum = 36500)]
    pub keep_days: i64,
    /// Whether it only counts.
    #[serde(default)]
    #[schema(default = false)]
    pub dry_run: bool,
}

/// Stands for all repositories.
const ALL: &str = "*";

/// The repositories that are pruned at a time, so that others find workers meanwhile.
const AT_ONCE: usize = 5;

impl Prune {
    fn repositories(&self) -> Result<Vec<Uuid>> {
        let id = |href: &String| {
            let parsed: Result<Ref<RpmRepository>, _> = serde_json::from_value(href.as_str().into());
            parsed
                .map(|repository| repository.id)
                .map_err(|_| Error::invalid("repo_hrefs", format!("URI not valid: {href}")))
        };
        self.repo_hrefs.iter().map(id).collect()
    }

    fn all(&self) -> bool {
        self.repo_hrefs.iter().any(|href| href == ALL)
    }
}

impl Task for Prune {
    const TYPE: &'static str = "rpm/prunes";
    const NAME: &'static str = "pulp_rpm.app.tasks.prune.prune_packages";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        if self.all() {
            return match self.repo_hrefs.len() {
                1 => Ok(()),
                _ => Err(Error::invalid("repo_hrefs", "Can't specify specific HREFs when using '*'")),
            };
        }
        if self.repo_hrefs.is_empty() {
            return Err(Error::invalid("repo_hrefs", "Must not be [] (select specific HREFs or '*')"));
        }
        let wanted = self.repositories()?;
        let db = app.db.read();
        let known: Vec<Uuid> = repository::Entity::find()
            .select_only()
            .column(repository::Column::PulpId)
            .filter(one_of(db, repository::Column::PulpId, wanted.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        match self.repo_hrefs.iter().zip(&wanted).find(|(_, id)| !known.contains(id)) {
            Some((href, _)) => Err(Error::invalid("repo_hrefs", format!("URI {href} not found for repository."))),
            None => Ok(()),
        }
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let repositories = if self.all() {
            repository::Entity::find()
                .select_only()
                .column(repository::Column::PulpId)
                .filter(repository::Column::PulpType.eq(RpmRepository::TYPE))
                .filter(repository::Column::PulpDomainId.eq(cx.domain()))
                .into_tuple()
                .all(cx.db().read())
                .await?
        } else {
            self.repositories()?
        };
        let group = match cx.own_group() {
            Some(group) => group,
            None => cx.group("Prune old Packages.").await?,
        };
        let total = i64::try_from(repositories.len()).unwrap_or(i64::MAX);
        group.report("Pruning old Packages", REPORT, Some(total)).await?;
        for (n, id) in repositories.into_iter().enumerate() {
            let (keep_days, dry_run, lane) = (self.keep_days, self.dry_run, n % AT_ONCE);
            group.dispatch(&PruneRepository { repository: Ref::new(id), keep_days, dry_run, lane }).await?;
        }
        group.finish().await
    }
}

register!(TaskKind::of::<Prune>());

/// The group's report.
const REPORT: &str = "rpm.package.prune";

/// Prunes one repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::PruneRepository)]
pub struct PruneRepository {
    #[schema(value_type = String, format = "uri")]
    repository: Ref<RpmRepository>,
    keep_days: i64,
    dry_run: bool,
    /// Which of those that are pruned at a time it belongs to.
    lane: usize,
}

impl Task for PruneRepository {
    const TYPE: &'static str = "rpm/repository-prunes";
    const NAME: &'static str = "pulp_rpm.app.tasks.prune.prune_repo_packages";
    const ENDPOINT: bool = false;

    fn locks(&self) -> Locks {
        Locks::default().exclusive(&self.repository).exclusive(format_args!("rpm-prune-worker-{}", self.lane))
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let tx = cx.db().write().await?;
        let mut version = NewVersion::open(&tx, self.repository.id).await?;
        let name = version.repository().name.clone();
        let old = old(&version, self.keep_days);
        let count = crate::sql::count(&*tx, old.clone()).await?;
        let progress = cx.progress(&format!("Pruning {name}"), "rpm.package.prune.repository");
        progress.set_total(count);
        if self.dry_run {
            tx.rollback().await?;
        } else {
            version.remove_selected(old).await?;
            let made = version.complete().await?;
            versions::finish(&cx, tx, made).await?;
            progress.increment(count).await?;
        }
        progress.finish().await?;
        match cx.own_group() {
            Some(group) => group.count(REPORT, 1).await,
            None => Ok(()),
        }
    }
}

register!(TaskKind::of::<PruneRepository>());

/// Packages of which there is a newer version, and that came long enough ago.
fn old(version: &NewVersion<'_>, keep_days: i64) -> SelectStatement {
    use membership::Column as M;
    use repository_version::Column as V;
    let before = now() - time::Duration::days(keep_days.clamp(0, 36_500));
    let long_ago = Query::select()
        .column((repository_version::Entity, V::Number))
        .from(repository_version::Entity)
        .and_where(V::RepositoryId.eq(version.repository().pulp_id))
        .and_where(V::PulpCreated.lt(before))
        .take();
    Query::select()
        .column(M::ContentId)
        .from(membership::Entity)
        .and_where(M::RepositoryId.eq(version.repository().pulp_id))
        .and_where(M::VersionRemoved.is_null())
        .and_where(Expr::col((membership::Entity, M::VersionAdded)).in_subquery(long_ago))
        .and_where(M::ContentId.in_subquery(older_than_all(version.content_ids(), 1)))
        .take()
}
