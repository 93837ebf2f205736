//! The promises of migrating, on SQLite. What deletes take along is tested here because only the database knows it.

use sea_orm::{EntityTrait, Statement};

use super::prelude::*;
use super::*;
use crate::db::DbConfig;
use crate::models::domain;

/// A database that goes when the test goes.
struct Fixture {
    db: Db,
    _folder: tempfile::TempDir,
}

async fn empty() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/db.sqlite3", folder.path().display());
    let db = Db::connect(&DbConfig { url, pool_size: 4, durable: false }).await.unwrap();
    Fixture { db, _folder: folder }
}

async fn migrated() -> Fixture {
    let fixture = empty().await;
    up(&fixture.db, vec![]).await.unwrap();
    fixture
}

/// What is applied to an empty database.
const ALL: [&str; 5] = [
    "core.m0001_initial",
    "core.m0002_content_guards",
    "core.m0003_distributed_publications",
    "core.m0004_signing_services",
    "demo.m0001",
];

/// A plugin with a table, whose second migration fails in the middle.
struct Step(&'static str);

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if self.0 == "m0001" {
            let table = NewTable::new("demo_thing").master_key("content_ptr_id", "core_content");
            return table.column("digest", Text).create(manager).await;
        }
        NewTable::new("demo_other").id().create(manager).await?;
        manager.get_connection().execute_unprepared("INSERT INTO no_such_table VALUES (1)").await?;
        Ok(())
    }
}

fn demo() -> App {
    App { label: "demo", migrations: || vec![Box::new(Step("m0001"))] }
}

fn broken_demo() -> App {
    App { label: "demo", migrations: || vec![Box::new(Step("m0001")), Box::new(Step("m0002"))] }
}

async fn count(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {table}");
    let row = db.read().query_one_raw(Statement::from_string(db.backend(), sql)).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

async fn sql(db: &Db, statement: &str) -> Result<(), DbErr> {
    let tx = db.write().await.unwrap();
    tx.execute_unprepared(statement).await?;
    tx.commit().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn a_second_run_does_nothing() {
    let Fixture { db, _folder } = empty().await;
    assert_eq!(check(&db, vec![demo()]).await.unwrap(), ALL);
    let first = up(&db, vec![demo()]).await.unwrap();
    assert_eq!(first.applied, ALL);
    assert_eq!(up(&db, vec![demo()]).await.unwrap(), Report::default());
    assert!(check(&db, vec![demo()]).await.unwrap().is_empty());

    let domains = domain::Entity::find().all(db.read()).await.unwrap();
    assert_eq!(domains.len(), 1);
    assert_eq!(domains[0].name, "default");
    assert_eq!(domains[0].storage_settings, serde_json::json!({}));
}

#[tokio::test]
async fn every_entity_fits_its_table() {
    let Fixture { db, _folder } = migrated().await;
    round_trip::round_trip(&db).await.unwrap();
}

#[tokio::test]
async fn a_database_in_memory_is_migrated_as_well() {
    let config = DbConfig { url: "sqlite::memory:".to_owned(), pool_size: 1, durable: false };
    let db = Db::connect(&config).await.unwrap();
    up(&db, vec![]).await.unwrap();
    round_trip::round_trip(&db).await.unwrap();
}

#[tokio::test]
async fn runs_that_overlap_take_turns() {
    let Fixture { db, _folder } = empty().await;
    let (one, two) = tokio::join!(up(&db, vec![demo()]), up(&db, vec![demo()]));
    let mut applied = one.unwrap().applied;
    applied.extend(two.unwrap().applied);
    assert_eq!(applied, ALL);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind() {
    let Fixture { db, _folder } = empty().await;
    let error = up(&db, vec![broken_demo()]).await.unwrap_err();
    assert!(error.log().contains("demo.m0002"), "{}", error.log());
    assert!(error.log().contains("no_such_table"), "{}", error.log());
    assert_eq!(check(&db, vec![broken_demo()]).await.unwrap(), ["demo.m0002"]);
    assert!(!schema_dump(&db).await.unwrap().contains("demo_other"));
    assert!(schema_dump(&db).await.unwrap().contains("demo_thing"));
    // The lock is free again.
    assert_eq!(up(&db, vec![demo()]).await.unwrap(), Report::default());
}

#[tokio::test]
async fn a_newer_database_is_refused_by_name() {
    let Fixture { db, _folder } = empty().await;
    up(&db, vec![demo()]).await.unwrap();
    sql(&db, "INSERT INTO demo_migrations VALUES ('m0009', 0)").await.unwrap();
    for outcome in [up(&db, vec![demo()]).await.map(|_| ()), check(&db, vec![demo()]).await.map(|_| ())] {
        let Err(Error::Config(message)) = outcome else { panic!("{outcome:?}") };
        assert!(message.contains("demo.m0009"), "{message}");
    }
}

#[tokio::test]
async fn an_absent_plugin_is_reported_and_left_alone() {
    let Fixture { db, _folder } = empty().await;
    up(&db, vec![demo()]).await.unwrap();
    assert_eq!(absent_apps(&db, vec![]).await.unwrap(), ["demo"]);
    assert_eq!(up(&db, vec![]).await.unwrap().absent, ["demo"]);
    assert_eq!(count(&db, "demo_thing").await, 0);
    assert!(absent_apps(&db, vec![demo()]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_label_is_declared_once() {
    let Fixture { db, _folder } = empty().await;
    let error = up(&db, vec![demo(), broken_demo()]).await.unwrap_err();
    assert_eq!(error.to_string(), "declared twice: demo");
}

/// A small world: one of everything, all connected. Keys are `x'…'` of a letter, so that statements stay readable.
const WORLD: &str = "
INSERT INTO core_remote (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type, name, pulp_labels, url,
    policy, tls_validation) SELECT x'01', 't', 't', pulp_id, 'demo.demo', 'r', '{}', 'u', 'p', 1 FROM core_domain;
INSERT INTO core_repository (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, pulp_type, name, pulp_labels,
    next_version, remote_id, user_hidden) SELECT x'02', 't', 't', pulp_id, 'demo.demo', 'r', '{}', 1, x'01', 0
    FROM core_domain;
INSERT INTO core_repositoryversion VALUES (x'03', 't', 't', x'02', 0, NULL), (x'13', 't', 't', x'02', 1, x'03');
INSERT INTO core_repositoryversioncontentdetails VALUES (x'03', 'demo.demo', 'P', 1);
INSERT INTO core_content SELECT x'04', 't', 't', pulp_id, 'demo.demo', 't', '{}' FROM core_domain;
INSERT INTO demo_thing VALUES (x'04', 'd');
INSERT INTO core_repositorycontent VALUES (x'02', x'04', 0, NULL);
INSERT INTO core_stagedcontent VALUES (x'ff', x'04');
INSERT INTO core_artifact (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, file, size, sha256,
    timestamp_of_interest) SELECT x'05', 't', 't', pulp_id, 'f', 1, 's', 't' FROM core_domain;
INSERT INTO core_artifact (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, file, size, sha256,
    timestamp_of_interest) SELECT x'15', 't', 't', pulp_id, 'f', 1, 's2', 't' FROM core_domain;
INSERT INTO core_contentartifact VALUES (x'06', x'04', x'05', 'a');
INSERT INTO core_remoteartifact (pulp_id, pulp_domain_id, content_artifact_id, remote_id, url)
    SELECT x'07', pulp_id, x'06', x'01', 'u' FROM core_domain;
INSERT INTO core_publication SELECT x'08', 't', 't', pulp_id, 'demo.demo', x'03', 1, 0, 0 FROM core_domain;
INSERT INTO core_publishedartifact VALUES (x'08', 'a', x'06');
INSERT INTO core_publishedmetadata VALUES (x'08', 'm', x'15');
INSERT INTO core_contentguard SELECT x'16', 't', 't', pulp_id, 'demo.demo', 'g', NULL FROM core_domain;
INSERT INTO core_distribution SELECT x'09', 't', 't', pulp_id, 'demo.demo', 'd', 'd', '{}', 0, 0, x'08', x'02', x'03',
    x'01', x'16' FROM core_domain;
INSERT INTO core_upload SELECT x'0a', 't', 't', pulp_id, 1 FROM core_domain;
INSERT INTO core_uploadchunk VALUES (x'1a', x'0a', 0, 1, 'f');
INSERT INTO core_appstatus VALUES (x'0b', 't', 't', 'w', 'worker', '{}', 1, 't');
INSERT INTO auth_user VALUES (7, 'u', '', '', '', '', 0, 1, 0, 't', NULL);
INSERT INTO core_taskgroup SELECT x'0f', 't', 't', pulp_id, 'd', 0 FROM core_domain;
INSERT INTO core_groupprogressreport VALUES (x'12', 't', 't', x'0f', 'm', 'c', NULL, 0, NULL);
INSERT INTO core_task (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, seq, state, name, task_type, args,
    logging_cid, created_by, immediate, worker_id, parent_task_id, task_group_id, reserved_resources_record, diagnostics)
    SELECT x'0c', 't', 't', pulp_id, 1, 'running', 'n', 't', '{}', '', 7, 0, x'0b', NULL, x'0f', '[]', '[]' FROM core_domain;
INSERT INTO core_task (pulp_id, pulp_created, pulp_last_updated, pulp_domain_id, seq, state, name, task_type, args,
    logging_cid, immediate, parent_task_id, reserved_resources_record, diagnostics)
    SELECT x'1c', 't', 't', pulp_id, 2, 'waiting', 'n', 't', '{}', '', 0, x'0c', '[]', '[]' FROM core_domain;
INSERT INTO core_taskreservation VALUES (x'0c', 'prn', 1, 1);
INSERT INTO core_createdresource VALUES (x'0d', x'0c', 'm', 'o');
INSERT INTO core_progressreport VALUES (x'0e', 't', 't', x'0c', 'm', 'c', 's', NULL, 0, NULL);
INSERT INTO core_taskevent VALUES (1, 't', x'0c', 'state', '{}');
INSERT INTO core_profileartifact VALUES (x'10', x'0c', x'15', 'logs');
INSERT INTO core_taskschedule VALUES (x'11', 't', 't', 's', NULL, 60, 'n', x'0c');
";

async fn world() -> Fixture {
    let fixture = empty().await;
    up(&fixture.db, vec![demo()]).await.unwrap();
    sql(&fixture.db, WORLD).await.unwrap();
    fixture
}

async fn counts<const N: usize>(db: &Db, tables: [&str; N]) -> [i64; N] {
    let mut counts = [0; N];
    for (count_of, table) in counts.iter_mut().zip(tables) {
        *count_of = count(db, table).await;
    }
    counts
}

#[tokio::test]
async fn a_repository_takes_its_versions_and_publications_along() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_repository").await.unwrap();
    let gone = [
        "core_repositoryversion",
        "core_repositoryversioncontentdetails",
        "core_repositorycontent",
        "core_publication",
        "core_publishedartifact",
        "core_publishedmetadata",
    ];
    assert_eq!(counts(&db, gone).await, [0; 6]);
    assert_eq!(counts(&db, ["core_content", "core_contentartifact", "core_artifact"]).await, [1, 1, 2]);
    let empty = "core_distribution WHERE publication_id IS NULL AND repository_id IS NULL
        AND repository_version_id IS NULL AND remote_id = x'01'";
    assert_eq!(count(&db, empty).await, 1);
}

#[tokio::test]
async fn a_remote_is_forgotten() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_remote").await.unwrap();
    assert_eq!(count(&db, "core_remoteartifact").await, 0);
    assert_eq!(count(&db, "core_repository WHERE remote_id IS NULL").await, 1);
    assert_eq!(count(&db, "core_distribution WHERE remote_id IS NULL").await, 1);
}

#[tokio::test]
async fn a_content_guard_is_forgotten() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_contentguard").await.unwrap();
    assert_eq!(count(&db, "core_distribution WHERE content_guard_id IS NULL").await, 1);
}

#[tokio::test]
async fn a_version_takes_its_publications_and_is_forgotten_by_others() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_repositoryversion WHERE number = 0").await.unwrap();
    assert_eq!(count(&db, "core_repositoryversion WHERE base_version_id IS NULL").await, 1);
    assert_eq!(count(&db, "core_publication").await, 0);
    assert_eq!(count(&db, "core_distribution WHERE repository_version_id IS NULL").await, 1);
}

#[tokio::test]
async fn content_in_a_repository_stays_and_an_orphan_takes_everything_along() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_content").await.unwrap_err();
    sql(&db, "DELETE FROM core_repositorycontent").await.unwrap();
    sql(&db, "DELETE FROM core_content").await.unwrap();
    let gone =
        ["demo_thing", "core_stagedcontent", "core_contentartifact", "core_remoteartifact", "core_publishedartifact"];
    assert_eq!(counts(&db, gone).await, [0; 5]);
    assert_eq!(counts(&db, ["core_artifact", "core_publishedmetadata"]).await, [2, 1]);
}

#[tokio::test]
async fn what_is_used_cannot_be_deleted() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM core_artifact WHERE sha256 = 's'").await.unwrap_err();
    sql(&db, "DELETE FROM core_artifact WHERE sha256 = 's2'").await.unwrap_err();
    sql(&db, "DELETE FROM core_domain").await.unwrap_err();
    // A current member cannot become one again.
    sql(&db, "INSERT INTO core_repositorycontent VALUES (x'02', x'04', 5, NULL)").await.unwrap_err();
}

#[tokio::test]
async fn a_task_takes_its_rows_along_and_outlives_who_made_it() {
    let Fixture { db, _folder } = world().await;
    sql(&db, "DELETE FROM auth_user").await.unwrap();
    sql(&db, "DELETE FROM core_appstatus").await.unwrap();
    assert_eq!(count(&db, "core_task WHERE created_by IS NULL").await, 2);
    sql(&db, "DELETE FROM core_task WHERE seq = 1").await.unwrap();
    let gone = [
        "core_taskreservation",
        "core_createdresource",
        "core_progressreport",
        "core_taskevent",
        "core_profileartifact",
    ];
    assert_eq!(counts(&db, gone).await, [0; 5]);
    assert_eq!(count(&db, "core_task WHERE parent_task_id IS NULL").await, 1);
    sql(&db, "DELETE FROM core_upload").await.unwrap();
    assert_eq!(count(&db, "core_uploadchunk").await, 0);
}

#[tokio::test]
async fn numbers_of_tasks_are_never_used_twice() {
    let Fixture { db, _folder } = world().await;
    let tx = db.write().await.unwrap();
    let first = next_task_seq(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    sql(&db, "DELETE FROM core_task").await.unwrap();
    let tx = db.write().await.unwrap();
    assert_eq!(next_task_seq(&*tx).await.unwrap(), first + 1);
}

async fn plan(db: &Db, query: &str) -> String {
    let rows =
        db.read().query_all_raw(Statement::from_string(db.backend(), format!("EXPLAIN QUERY PLAN {query}"))).await;
    let details = rows.unwrap().iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect::<Vec<_>>();
    details.join("\n")
}

#[tokio::test]
async fn the_queries_that_matter_find_their_indexes() {
    let Fixture { db, _folder } = world().await;
    let version = "SELECT content_id FROM core_repositorycontent WHERE repository_id = ?1 AND version_added <= ?2
        AND (version_removed IS NULL OR version_removed > ?2)";
    let list = "SELECT * FROM core_content WHERE pulp_type = ?1 ORDER BY pulp_id DESC LIMIT 100";
    let orphans = "SELECT pulp_id FROM core_content c WHERE pulp_id > ?1 AND timestamp_of_interest < ?2
        AND NOT EXISTS (SELECT 1 FROM core_repositorycontent rc WHERE rc.content_id = c.pulp_id)";
    let claim = "SELECT pulp_id FROM core_task WHERE state = 'waiting' AND unblocked_at IS NOT NULL
        ORDER BY immediate DESC, seq LIMIT 4";
    let blocked = "SELECT 1 FROM core_taskreservation mine JOIN core_taskreservation other
        ON other.resource = mine.resource AND other.seq < mine.seq AND other.exclusive WHERE mine.task_id = ?1";
    let path = "SELECT ca.artifact_id FROM core_contentartifact ca WHERE ca.relative_path = ?1 AND EXISTS (
        SELECT 1 FROM core_repositorycontent rc WHERE rc.repository_id = ?2 AND rc.content_id = ca.content_id
        AND rc.version_added <= ?3 AND (rc.version_removed IS NULL OR rc.version_removed > ?3))";
    let held = "SELECT pulp_id FROM core_task WHERE worker_id = ?1 AND state IN ('running', 'canceling')";
    for (query, wanted) in [
        (version, "COVERING INDEX ix_core_repositorycontent_repository_id_version_added"),
        (list, "INDEX ix_core_content_pulp_type_pulp_id"),
        (orphans, "COVERING INDEX ix_core_repositorycontent_content_id"),
        (claim, "ix_core_task_ready"),
        (blocked, "ix_core_taskreservation_exclusive"),
        (path, "ix_core_contentartifact_relative_path"),
        (held, "ix_core_task_worker_id"),
    ] {
        let plan = plan(&db, query).await;
        assert!(plan.contains(wanted), "{query}\n{plan}");
        assert!(!plan.contains("SCAN"), "{query}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query}\n{plan}");
    }
}
