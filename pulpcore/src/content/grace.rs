//! The files of publications that a distribution has gone on from, for a while.
//!
//! A client reads the metadata first and the files later; in between the distribution may have got a newer publication. So
//! a path that what is served now does not have is looked up in what was served until recently, the latest first. The
//! transaction that changes what is served remembers what was served before, for the setting
//! `distributed_publication_retention_period`, and forgets what is older.

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::resolve::{self, ARTIFACT, File, Source, Sql};
use crate::app::App;
use crate::db::{WriteTx, comparable, exec, now, rows};
use crate::error::Result;
use crate::models::{distributed_publication as superseded, distribution, publication, repository_version};
use crate::registry;

/// How many publications are remembered a distribution, however fast they follow one another: it bounds what a path that
/// leads nowhere costs.
pub(super) const MOST: u32 = 256;

/// A file that a distribution served until recently.
pub(super) async fn file(app: &App, source: &Source, path: &str) -> Result<Option<File>> {
    // What serves nothing any more serves nothing old either. A checkpoint is a point in time, with nothing before it.
    if source.publication_id.is_none() || source.checkpoint || expiry(app).is_none() {
        return Ok(None);
    }
    let mut sql = Sql::new(app);
    let text = file_query(&mut sql, source.distribution_id, path);
    resolve::found(app, &text, sql, path).await
}

/// The publication that a distribution serves.
///
/// # Errors
/// If the database fails.
pub(crate) async fn served(tx: &WriteTx, distribution: Uuid) -> Result<Option<Uuid>> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
    }
    let mut sql = Sql::on(backend(tx));
    let id = sql.bind(distribution);
    let unpublished = sql.list(registry::get().distribution_types().0);
    let publication = resolve::served_publication(&unpublished, "");
    let text = format!(
        "SELECT p.pulp_id AS id FROM core_distribution d JOIN core_publication p ON p.complete AND p.pulp_id = {publication} \
         WHERE d.pulp_id = {id} AND NOT d.checkpoint"
    );
    Ok(rows::<Row>(&**tx, &text, sql.values).await?.pop().map(|row| row.id))
}

/// Remembers what a distribution served before it was changed, unless it still does. One that was told to serve nothing
/// forgets everything, as in Pulp.
///
/// # Errors
/// If the database fails.
pub(crate) async fn changed(
    tx: &WriteTx,
    app: &App,
    distribution: &distribution::Model,
    before: Option<Uuid>,
) -> Result<()> {
    let id = distribution.pulp_id;
    let sources = [distribution.publication_id, distribution.repository_version_id, distribution.repository_id];
    if sources.iter().all(Option::is_none) {
        superseded::Entity::delete_many().filter(superseded::Column::DistributionId.eq(id)).exec(&**tx).await?;
        return Ok(());
    }
    let (Some(before), Some(expiry)) = (before, expiry(app)) else { return Ok(()) };
    if served(tx, id).await? == Some(before) {
        return Ok(());
    }
    let text = format!("INSERT INTO core_distributedpublication ({COLUMNS}) VALUES ($1, $2, $3) {AGAIN}");
    exec(&**tx, &text, vec![id.into(), before.into(), expiry.into()]).await?;
    let mut sql = Sql::on(backend(tx));
    let distribution = sql.bind(id);
    forget(tx, sql, &distribution).await
}

/// Remembers what the distributions of a version and its repository served until this publication was made. The caller
/// has locked the repository, so that what another one makes at the same time comes before or after.
///
/// # Errors
/// If the database fails.
pub(crate) async fn published(
    tx: &WriteTx,
    app: &App,
    version: &repository_version::Model,
    new: &publication::Model,
) -> Result<()> {
    let Some(expiry) = expiry(app) else { return Ok(()) };
    let mut sql = Sql::on(backend(tx));
    let unpublished = sql.list(registry::get().distribution_types().0);
    let others = format!("AND q.pulp_id <> {}", sql.bind(new.pulp_id));
    let before = resolve::served_publication(&unpublished, &others);
    let (number, created, expiry) = (sql.bind(version.number), sql.bind(new.pulp_created), sql.bind(expiry));
    let affected = following(&mut sql, version);
    // Whoever publishes an older version changes nothing for those who follow the repository.
    let text = format!(
        "INSERT INTO core_distributedpublication ({COLUMNS}) \
         SELECT d.pulp_id, p.pulp_id, {expiry} FROM core_distribution d \
         JOIN core_publication p ON p.pulp_id = {before} \
         JOIN core_repositoryversion v ON v.pulp_id = p.repository_version_id \
         WHERE {affected} AND (v.number, p.pulp_created) < ({number}, {created}) {AGAIN}"
    );
    if exec(&**tx, &text, sql.values).await? == 0 {
        return Ok(());
    }
    let mut sql = Sql::on(backend(tx));
    let distributions = format!("SELECT d.pulp_id FROM core_distribution d WHERE {}", following(&mut sql, version));
    forget(tx, sql, &distributions).await
}

const COLUMNS: &str = "distribution_id, publication_id, expires_at";

/// What was served twice counts from the last time.
const AGAIN: &str = "ON CONFLICT (distribution_id, publication_id) DO UPDATE SET expires_at = excluded.expires_at";

/// Until when what is superseded now is found; `None` if it is not.
fn expiry(app: &App) -> Option<OffsetDateTime> {
    let seconds =
        i64::try_from(app.settings.distributed_publication_retention_period).ok().filter(|seconds| *seconds > 0)?;
    now().checked_add(Duration::seconds(seconds)).map(comparable)
}

/// That distribution `d` follows a version's publications, or its repository's.
fn following(sql: &mut Sql, version: &repository_version::Model) -> String {
    let (repository, version) = (sql.bind(version.repository_id), sql.bind(version.pulp_id));
    format!(
        "(d.repository_id = {repository} OR d.repository_version_id = {version}) \
         AND d.publication_id IS NULL AND NOT d.checkpoint"
    )
}

/// Forgets what has expired, and the oldest beyond [`MOST`], of these distributions.
async fn forget(tx: &WriteTx, mut sql: Sql, distributions: &str) -> Result<()> {
    let now = sql.bind(now());
    let text = format!(
        "DELETE FROM core_distributedpublication WHERE distribution_id IN ({distributions}) AND (expires_at <= {now} \
         OR (distribution_id, publication_id) IN (SELECT k.distribution_id, k.publication_id FROM (\
           SELECT distribution_id, publication_id, row_number() OVER (\
             PARTITION BY distribution_id ORDER BY expires_at DESC, publication_id DESC) AS place \
           FROM core_distributedpublication WHERE distribution_id IN ({distributions})) AS k WHERE k.place > {MOST}))"
    );
    exec(&**tx, &text, sql.values).await?;
    Ok(())
}

/// Looks in the files and the metadata of each, and in the version of those that pass through. In a version it begins with
/// the path, as `resolve` does, so that it costs the same however large the version is.
fn file_query(sql: &mut Sql, distribution: Uuid, path: &str) -> String {
    let (distribution, now, path) = (sql.bind(distribution), sql.bind(now()), sql.bind(path));
    format!(
        "WITH recent AS (\
           SELECT g.publication_id, g.expires_at, q.pass_through, v.repository_id, v.number \
           FROM core_distributedpublication g JOIN core_publication q ON q.pulp_id = g.publication_id \
           JOIN core_repositoryversion v ON v.pulp_id = q.repository_version_id \
           WHERE g.distribution_id = {distribution} AND g.expires_at > {now}) \
         SELECT g.expires_at, 1 AS choice, c.pulp_id AS content_artifact_id, {ARTIFACT} \
         FROM recent g CROSS JOIN core_publishedartifact p JOIN core_contentartifact c ON c.pulp_id = p.content_artifact_id \
         LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE p.publication_id = g.publication_id AND p.relative_path = {path} \
         UNION ALL \
         SELECT g.expires_at, 2 AS choice, CAST(NULL AS uuid) AS content_artifact_id, {ARTIFACT} \
         FROM recent g CROSS JOIN core_publishedmetadata p JOIN core_artifact a ON a.pulp_id = p.artifact_id \
         WHERE p.publication_id = g.publication_id AND p.relative_path = {path} \
         UNION ALL \
         SELECT g.expires_at, 3 AS choice, c.pulp_id AS content_artifact_id, {ARTIFACT} \
         FROM (SELECT DISTINCT repository_id FROM recent WHERE pass_through) r CROSS JOIN core_contentartifact c \
         CROSS JOIN core_repositorycontent m CROSS JOIN recent g LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE c.relative_path = {path} AND m.repository_id = r.repository_id AND m.content_id = c.content_id \
           AND g.repository_id = m.repository_id AND g.pass_through AND m.version_added <= g.number \
           AND (m.version_removed IS NULL OR m.version_removed > g.number) \
         ORDER BY expires_at DESC, choice, content_artifact_id DESC LIMIT 1"
    )
}

/// The query for a file, to look at how the database goes about it.
#[cfg(all(test, feature = "sqlite"))]
pub(super) fn explained(app: &App, distribution: Uuid, path: &str) -> (String, Vec<sea_orm::Value>) {
    let mut sql = Sql::new(app);
    (file_query(&mut sql, distribution, path), sql.values)
}

fn backend(tx: &WriteTx) -> sea_orm::DbBackend {
    sea_orm::ConnectionTrait::get_database_backend(&**tx)
}
