//! What a commit waits for, as the database itself says it.

use sea_orm::{ConnectionTrait, Statement};

use super::*;

/// What the database answers within transactions that were begun durably, twice relaxed, and durably again.
async fn asked<V: sea_orm::TryGetable>(db: &Db, question: &str) -> Vec<V> {
    let mut answers = Vec::new();
    for relaxed in [false, true, true, false] {
        let tx = if relaxed { db.write_relaxed().await } else { db.write().await }.unwrap();
        let row = tx.query_one_raw(Statement::from_string(db.backend(), question)).await.unwrap().unwrap();
        answers.push(row.try_get_by_index(0).unwrap());
        tx.commit().await.unwrap();
    }
    answers
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_waits_for_the_disk_as_a_transaction_was_begun() {
    const NORMAL: i32 = 1;
    const FULL: i32 = 2;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/db.sqlite3", folder.path().display());
    for (durable, levels) in [(true, [FULL, NORMAL, NORMAL, FULL]), (false, [NORMAL; 4])] {
        let db = Db::connect(&DbConfig { url: url.clone(), pool_size: 2, durable }).await.unwrap();
        assert_eq!(asked::<i32>(&db, "PRAGMA synchronous").await, levels);
        db.close().await.unwrap();
    }
}

#[cfg(all(feature = "testkit", feature = "postgres"))]
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_waits_for_the_disk_as_a_transaction_was_begun() {
    let database = crate::testkit::Database::create().await;
    let db = Db::connect(&DbConfig { url: database.url.clone(), pool_size: 1, durable: true }).await.unwrap();
    // Of the one connection. The cluster of the tests waits for nothing.
    db.read().execute_unprepared("SET synchronous_commit = on").await.unwrap();
    assert_eq!(asked::<String>(&db, "SHOW synchronous_commit").await, ["on", "off", "off", "on"]);
    db.close().await.unwrap();
}
