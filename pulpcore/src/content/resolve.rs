//! From a path to a file, in two queries.
//!
//! The first finds the distribution by all prefixes of the path at once, and with it what it serves: its publication,
//! its version, or the latest of its repository. The second finds the file in the publication's two tables and in the
//! version, each by an index; whether a unit is in a version is asked per unit that has such a file, never the other
//! way round, so a look-up costs the same in a version of ten files and in one of a million.

use sea_orm::{DbBackend, FromQueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::cache::Snapshot;
use super::stored::Stored;
use crate::app::App;
use crate::db::rows;
use crate::error::Result;
use crate::registry;

/// How deep a base path may be to be found: it bounds what a URL of nothing but slashes costs.
const DEEPEST: usize = 64;

/// What is asked of an artifact `a` to send it.
pub(super) const ARTIFACT: &str = "a.file, a.size, a.sha256, a.pulp_created AS stored_at";

/// A distribution and what it serves right now.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Source {
    pub(super) distribution_id: Uuid,
    pub(super) pulp_type: String,
    pub(super) base_path: String,
    pub(super) content_guard_id: Option<Uuid>,
    /// Whether it serves checkpoints, which are chosen by the path (`checkpoints`), and not what follows.
    pub(super) checkpoint: bool,
    /// Whether it points at nothing that could be served.
    pub(super) points_nowhere: bool,
    /// What was published,
    pub(super) publication_id: Option<Uuid>,
    /// whether paths that it does not list are looked up in the version,
    pub(super) pass_through: Option<bool>,
    /// and the version: the publication's, or the one that is served without one.
    pub(super) repository_id: Option<Uuid>,
    pub(super) number: Option<i64>,
    /// Where paths are asked for that it does not hold (`pull_through`).
    pub(super) remote_id: Option<Uuid>,
    /// Whether paths lead into publications only: a version is for live APIs.
    pub(super) is_version_less: bool,
    /// The repository whose changes may change what is served, also while nothing of it is.
    pub(super) bound_to: Option<Uuid>,
}

impl Source {
    /// The version in which files are looked up, by repository and number.
    pub(super) fn version(&self) -> Option<(Uuid, i64)> {
        if self.publication_id.is_some() && self.pass_through != Some(true) {
            return None;
        }
        self.repository_id.zip(self.number)
    }

    /// Whether there is anything that paths lead into.
    pub(super) fn has_paths(&self) -> bool {
        self.publication_id.is_some() || !self.is_version_less
    }

    /// What files are looked up in; none if it serves nothing.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        match self.publication_id {
            Some(publication) => Some(Snapshot::Publication(publication)),
            None => self.version().map(|(repository, number)| Snapshot::Version(repository, number)),
        }
    }
}

/// A file that a distribution serves.
#[derive(Debug)]
pub(super) struct File {
    /// The content artifact; none for files that publishing made.
    pub(super) content_artifact: Option<Uuid>,
    /// Its bytes; none while only a remote has them.
    pub(super) stored: Option<Stored>,
}

/// The distribution that a path leads into.
pub(super) async fn source(app: &App, path: &str) -> Result<Option<Source>> {
    let prefixes: Vec<_> = prefixes(path).collect();
    if prefixes.is_empty() {
        return Ok(None);
    }
    let mut sql = Sql::new(app);
    let text = source_query(&mut sql, app.domain, prefixes);
    Ok(rows(app.db.read(), &text, sql.values).await?.pop())
}

/// The file at a path below the distribution.
pub(super) async fn file(app: &App, source: &Source, path: &str) -> Result<Option<File>> {
    let mut sql = Sql::new(app);
    let Some(text) = file_query(&mut sql, source, path) else { return Ok(None) };
    found(app, &text, sql, path).await
}

/// The one row at most of a query for [`ARTIFACT`] and `content_artifact_id`, as the file at a path.
pub(super) async fn found(app: &App, text: &str, sql: Sql, path: &str) -> Result<Option<File>> {
    #[derive(FromQueryResult)]
    struct Row {
        content_artifact_id: Option<Uuid>,
        file: Option<String>,
        size: Option<i64>,
        sha256: Option<String>,
        stored_at: Option<OffsetDateTime>,
    }
    let found: Option<Row> = rows(app.db.read(), text, sql.values).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let stored = Stored::of(row.file, row.size, row.sha256, row.stored_at, path)?;
    Ok(Some(File { content_artifact: row.content_artifact_id, stored }))
}

/// The file of a unit of a version, and its name.
pub(super) async fn unit(app: &App, version: (Uuid, i64), unit: Uuid) -> Result<Option<(File, String)>> {
    #[derive(FromQueryResult)]
    struct Row {
        content_artifact_id: Uuid,
        relative_path: String,
        file: Option<String>,
        size: Option<i64>,
        sha256: Option<String>,
        stored_at: Option<OffsetDateTime>,
    }
    let mut sql = Sql::new(app);
    let text = unit_query(&mut sql, version, unit);
    let found: Option<Row> = rows(app.db.read(), &text, sql.values).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let stored = Stored::of(row.file, row.size, row.sha256, row.stored_at, &row.relative_path)?;
    Ok(Some((File { content_artifact: Some(row.content_artifact_id), stored }, row.relative_path)))
}

/// Whether there is anything below a path, which does not end in a slash.
pub(super) async fn is_folder(app: &App, source: &Source, path: &str) -> Result<bool> {
    #[derive(FromQueryResult)]
    struct Row {
        #[expect(dead_code, reason = "that there is a row is the answer")]
        one: i32,
    }
    let mut sql = Sql::new(app);
    let Some(text) = folder_query(&mut sql, source, path) else { return Ok(false) };
    Ok(!rows::<Row>(app.db.read(), &text, sql.values).await?.is_empty())
}

fn source_query(sql: &mut Sql, domain: Uuid, prefixes: Vec<&str>) -> String {
    let domain = sql.bind(domain);
    let prefixes = sql.list(prefixes);
    let (unpublished, version_less) = registry::get().distribution_types();
    let unpublished = sql.list(unpublished);
    let version_less = sql.list(version_less);
    let publication = served_publication(&unpublished, "");
    format!(
        "SELECT d.pulp_id AS distribution_id, d.pulp_type, d.base_path, d.content_guard_id, d.checkpoint, \
           COALESCE(d.publication_id, d.repository_version_id, d.repository_id, d.remote_id) IS NULL AS points_nowhere, \
           p.pulp_id AS publication_id, p.pass_through, v.repository_id, v.number, d.remote_id, \
           COALESCE(d.pulp_type IN ({version_less}), FALSE) AS is_version_less, \
           COALESCE(d.repository_id, (SELECT b.repository_id FROM core_repositoryversion b \
             WHERE b.pulp_id = d.repository_version_id)) AS bound_to \
         FROM core_distribution d \
         LEFT JOIN core_publication p ON p.complete AND p.pulp_id = {publication} \
         LEFT JOIN core_repositoryversion v ON v.pulp_id = CASE \
           WHEN p.pulp_id IS NOT NULL THEN p.repository_version_id \
           WHEN d.publication_id IS NOT NULL THEN NULL \
           WHEN d.repository_version_id IS NOT NULL THEN d.repository_version_id \
           WHEN d.repository_id IS NOT NULL THEN (\
             SELECT w.pulp_id FROM core_repositoryversion w \
             WHERE w.repository_id = d.repository_id ORDER BY w.number DESC LIMIT 1) END \
         WHERE d.pulp_domain_id = {domain} AND d.base_path IN ({prefixes}) \
         ORDER BY length(d.base_path) DESC LIMIT 1"
    )
}

/// The key of the publication that distribution `d` serves, as an expression. `unpublished` are the types that serve none;
/// `condition` (empty, or `AND …`) says which of the publications `q` of its repository or version may be it.
pub(super) fn served_publication(unpublished: &str, condition: &str) -> String {
    format!(
        "CASE WHEN d.publication_id IS NOT NULL THEN d.publication_id \
           WHEN d.pulp_type IN ({unpublished}) THEN NULL \
           WHEN d.repository_version_id IS NOT NULL THEN (\
             SELECT q.pulp_id FROM core_publication q \
             WHERE q.repository_version_id = d.repository_version_id AND q.complete {condition} \
             ORDER BY q.pulp_created DESC LIMIT 1) \
           WHEN d.repository_id IS NOT NULL THEN (\
             SELECT q.pulp_id FROM core_repositoryversion w \
             JOIN core_publication q ON q.repository_version_id = w.pulp_id \
             WHERE w.repository_id = d.repository_id AND q.complete {condition} \
             ORDER BY w.number DESC, q.pulp_created DESC LIMIT 1) END"
    )
}

/// None if the distribution serves nothing.
fn file_query(sql: &mut Sql, source: &Source, path: &str) -> Option<String> {
    let path = sql.bind(path);
    let mut choices = Vec::with_capacity(3);
    if let Some(publication) = source.publication_id {
        let publication = sql.bind(publication);
        choices.push(format!(
            "SELECT 1 AS choice, c.pulp_id AS content_artifact_id, {ARTIFACT} FROM core_publishedartifact p \
             JOIN core_contentartifact c ON c.pulp_id = p.content_artifact_id \
             LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
             WHERE p.publication_id = {publication} AND p.relative_path = {path}"
        ));
        choices.push(format!(
            "SELECT 2 AS choice, CAST(NULL AS uuid) AS content_artifact_id, {ARTIFACT} FROM core_publishedmetadata p \
             JOIN core_artifact a ON a.pulp_id = p.artifact_id \
             WHERE p.publication_id = {publication} AND p.relative_path = {path}"
        ));
    }
    if let Some(version) = source.version() {
        let is_member = sql.is_member("m", version);
        // A cross join is not reordered by SQLite, which would begin with everything that is in the version.
        choices.push(format!(
            "SELECT 3 AS choice, c.pulp_id AS content_artifact_id, {ARTIFACT} FROM core_contentartifact c \
             CROSS JOIN core_repositorycontent m LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
             WHERE c.relative_path = {path} AND m.content_id = c.content_id AND {is_member}"
        ));
    }
    let union = choices.join(" UNION ALL ");
    (!choices.is_empty()).then(|| format!("{union} ORDER BY choice, content_artifact_id DESC LIMIT 1"))
}

fn unit_query(sql: &mut Sql, version: (Uuid, i64), unit: Uuid) -> String {
    let unit = sql.bind(unit);
    let is_member = sql.is_member("m", version);
    format!(
        "SELECT c.pulp_id AS content_artifact_id, c.relative_path, {ARTIFACT} \
         FROM core_contentartifact c \
         LEFT JOIN core_artifact a ON a.pulp_id = c.artifact_id \
         WHERE c.content_id = {unit} \
         AND EXISTS (SELECT 1 FROM core_repositorycontent m WHERE m.content_id = c.content_id AND {is_member}) \
         ORDER BY c.relative_path LIMIT 1"
    )
}

/// None if the distribution serves nothing.
fn folder_query(sql: &mut Sql, source: &Source, path: &str) -> Option<String> {
    let folder = format!("{}/", path.trim_end_matches('/'));
    let mut places = Vec::with_capacity(3);
    if let Some(publication) = source.publication_id {
        let publication = sql.bind(publication);
        for table in ["core_publishedartifact", "core_publishedmetadata"] {
            let below = sql.begins("p.relative_path", &folder);
            places.push(format!("EXISTS (SELECT 1 FROM {table} p WHERE p.publication_id = {publication} AND {below})"));
        }
    }
    if let Some(version) = source.version() {
        let below = sql.begins("c.relative_path", &folder);
        let is_member = sql.is_member("m", version);
        places.push(format!(
            "EXISTS (SELECT 1 FROM core_contentartifact c CROSS JOIN core_repositorycontent m \
             WHERE {below} AND m.content_id = c.content_id AND {is_member})"
        ));
    }
    (!places.is_empty()).then(|| format!("SELECT 1 AS one WHERE {}", places.join(" OR ")))
}

/// A statement's values while its text is being put together.
pub(super) struct Sql {
    backend: DbBackend,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(app: &App) -> Self {
        Self::on(app.db.backend())
    }

    pub(super) fn on(backend: DbBackend) -> Self {
        Self { backend, values: Vec::new() }
    }

    /// Binds a value; returns what stands for it.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Binds the values of an `IN`. An empty one holds nothing.
    pub(super) fn list<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> String {
        let bound: Vec<_> = values.into_iter().map(|value| self.bind(value)).collect();
        if bound.is_empty() { "NULL".to_owned() } else { bound.join(", ") }
    }

    /// That a column begins with a folder, which ends in a slash, or is empty for everything.
    pub(super) fn begins(&mut self, column: &str, folder: &str) -> String {
        let Some(name) = folder.strip_suffix('/') else { return "1 = 1".to_owned() };
        if self.backend == DbBackend::Sqlite {
            // '0' is the character after '/', and SQLite compares bytes: a range of the index.
            let (from, to) = (self.bind(folder), self.bind(format!("{name}0")));
            format!("({column} >= {from} AND {column} < {to})")
        } else {
            // A range would follow the database's language here.
            let folder = self.bind(folder);
            format!("starts_with({column}, {folder})")
        }
    }

    /// That the membership `alias` is of a version.
    pub(super) fn is_member(&mut self, alias: &str, (repository, number): (Uuid, i64)) -> String {
        let (repository, number) = (self.bind(repository), self.bind(number));
        format!(
            "{alias}.repository_id = {repository} AND {alias}.version_added <= {number} \
             AND ({alias}.version_removed IS NULL OR {alias}.version_removed > {number})"
        )
    }

    /// The name of a path's first step below a folder: with a slash at its end if more steps follow.
    pub(super) fn child(&self, column: &str, folder: &str) -> String {
        let find = if self.backend == DbBackend::Sqlite { "instr" } else { "strpos" };
        let rest = format!("substr({column}, {})", folder.chars().count() + 1);
        format!("CASE WHEN {find}({rest}, '/') > 0 THEN substr({rest}, 1, {find}({rest}, '/')) ELSE {rest} END")
    }
}

/// The base paths that a path can lie under.
pub(super) fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.take(DEEPEST).map(|end| &path[..end]).filter(|base| !base.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_lie_under_each_of_its_beginnings() {
        let prefixes = |path| prefixes(path).collect::<Vec<_>>();
        assert_eq!(prefixes("a/b//c"), ["a", "a/b", "a/b/", "a/b//c"]);
        assert_eq!(prefixes("a/"), ["a", "a/"]);
        assert!(prefixes("").is_empty());
        assert_eq!(prefixes(&"/".repeat(10_000)).len(), DEEPEST - 1);
    }

    /// A repository whose version 1 holds ten thousand units, each with one file, in a hundred folders.
    #[cfg(feature = "sqlite")]
    const MANY: &str = "
        INSERT INTO core_repository (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type, name,
            pulp_labels, next_version, user_hidden)
        SELECT zeroblob(16), '2026-01-01', '2026-01-01', pulp_id, 'test.test', 'many', '{}', 2, 0 FROM core_domain;
        INSERT INTO core_content (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type,
            timestamp_of_interest, pulp_labels)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        SELECT randomblob(16), '2026-01-01', '2026-01-01', d.pulp_id, 'test.test', '2026-01-01', '{}'
        FROM n, core_domain d;
        INSERT INTO core_contentartifact (pulp_id, content_id, relative_path)
        SELECT randomblob(16), pulp_id, 'b' || (rowid % 100) || '/' || rowid FROM core_content;
        INSERT INTO core_repositorycontent (repository_id, content_id, version_added)
        SELECT zeroblob(16), pulp_id, 1 FROM core_content;";

    /// Every step of a hot look-up is by an index: none of them becomes slower with what else there is, whether or not
    /// the database was told how much that is.
    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn look_ups_scan_no_table() {
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::settings::Settings::for_tests(folder.path());
        let db = App::connect(&settings).await.unwrap();
        crate::migrate::up(&db, vec![]).await.unwrap();
        let app = App::with(settings, db).await.unwrap();
        sea_orm::ConnectionTrait::execute_unprepared(app.db.read(), MANY).await.unwrap();
        check_plans(&app).await;
        sea_orm::ConnectionTrait::execute_unprepared(app.db.read(), "ANALYZE").await.unwrap();
        check_plans(&app).await;
    }

    #[cfg(feature = "sqlite")]
    async fn check_plans(app: &App) {
        let source = Source {
            distribution_id: Uuid::nil(),
            pulp_type: "test.test".into(),
            base_path: "a".into(),
            content_guard_id: None,
            checkpoint: false,
            points_nowhere: false,
            publication_id: Some(Uuid::nil()),
            pass_through: Some(true),
            repository_id: Some(Uuid::nil()),
            number: Some(1),
            remote_id: None,
            is_version_less: false,
            bound_to: None,
        };
        assert!(file(app, &source, "b17/17").await.unwrap().is_some());
        let mut queries = Vec::new();
        let mut add = |query: &dyn Fn(&mut Sql) -> String| {
            let mut sql = Sql::new(app);
            queries.push((query(&mut sql), sql.values));
        };
        add(&|sql| source_query(sql, app.domain, vec!["a", "a/b"]));
        add(&|sql| file_query(sql, &source, "b/c").unwrap());
        add(&|sql| folder_query(sql, &source, "b17").unwrap());
        add(&|sql| unit_query(sql, (Uuid::nil(), 1), Uuid::nil()));

        #[derive(Debug, FromQueryResult)]
        struct Step {
            detail: String,
        }
        for (text, values) in queries {
            let plan: Vec<Step> = rows(app.db.read(), &format!("EXPLAIN QUERY PLAN {text}"), values).await.unwrap();
            let steps: Vec<_> = plan.iter().map(|step| step.detail.as_str()).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH")), "{text}: {steps:#?}");
            let scans = steps.iter().find(|step| step.starts_with("SCAN") && **step != "SCAN CONSTANT ROW");
            assert!(scans.is_none(), "{text}: {steps:#?}");
        }
        // The membership of one unit, not all of a version's.
        let mut sql = Sql::new(app);
        let text = format!("EXPLAIN QUERY PLAN {}", file_query(&mut sql, &source, "b/c").unwrap());
        let plan: Vec<Step> = rows(app.db.read(), &text, sql.values).await.unwrap();
        let member = plan.iter().find(|step| step.detail.starts_with("SEARCH m ")).unwrap();
        assert!(member.detail.contains("content_id=?"), "{plan:#?}");
    }
}
