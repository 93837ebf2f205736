//! The transaction that writes, and the eye on what it writes: no change of what distributions serve goes unsaid.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::OwnedMutexGuard;

use super::Commits;
use super::changes::{Change, Changes};
use crate::error::{Error, Result};

/// A writing transaction; rolled back unless [`WriteTx::commit`] is called.
#[derive(Debug)]
pub struct WriteTx {
    writing: Writing,
    changes: Changes,
    turn: Option<OwnedMutexGuard<Commits>>,
}

impl WriteTx {
    pub(super) fn new(tx: DatabaseTransaction, changes: Changes, turn: Option<OwnedMutexGuard<Commits>>) -> Self {
        let writing = Writing { tx, touched: AtomicU8::new(0), said: Mutex::default() };
        Self { writing, changes, turn }
    }

    /// Makes the changes permanent, lets the next writer in, and tells whoever remembers what has changed.
    pub async fn commit(self) -> Result<()> {
        let changes = self.writing.changes();
        let Self { writing, changes: told, turn } = self;
        if changes.is_empty() {
            writing.tx.commit().await?;
            drop(turn);
            return Ok(());
        }
        // Whoever waits for it may go away in the middle; what may have been committed is told all the same.
        let done = tokio::spawn(async move {
            let done = writing.tx.commit().await;
            told.made(&changes);
            drop(turn);
            done
        });
        Ok(done.await.map_err(Error::internal)??)
    }

    /// Says what this transaction changes of what distributions serve: it is told once it is committed. Where nothing is
    /// said, everything counts as changed.
    pub fn changes(&self, change: Change) {
        self.writing.said.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    /// Whether this is SQLite (else it is PostgreSQL).
    pub fn is_sqlite(&self) -> bool {
        self.writing.get_database_backend() == DbBackend::Sqlite
    }

    /// Undoes the changes.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.writing.tx.rollback().await?)
    }
}

impl Deref for WriteTx {
    type Target = Writing;

    fn deref(&self) -> &Writing {
        &self.writing
    }
}

/// The statements of a [`WriteTx`]: what takes a connection takes this.
pub struct Writing {
    tx: DatabaseTransaction,
    /// Which of [`WATCHED`] were written.
    touched: AtomicU8,
    said: Mutex<Vec<Change>>,
}

const DISTRIBUTIONS: u8 = 1;
const PUBLICATIONS: u8 = 2;
const REPOSITORIES: u8 = 4;
const GUARDS: u8 = 8;
const ARTIFACTS: u8 = 16;

/// The tables on which it depends what a path leads to. Rows that belong to a version or a publication are written with
/// it and never again; an artifact matters once it is gone.
const WATCHED: [(&str, u8); 6] = [
    ("distribution", DISTRIBUTIONS),
    ("publication", PUBLICATIONS),
    ("repositoryversion", REPOSITORIES),
    ("repository", REPOSITORIES),
    ("contentguard", GUARDS),
    ("artifact", ARTIFACTS),
];

impl Writing {
    fn look(&self, sql: &str) {
        let touched = touched(sql);
        if touched != 0 {
            self.touched.fetch_or(touched, Ordering::Relaxed);
        }
    }

    /// What was said, and what was done without a word.
    fn changes(&self) -> Vec<Change> {
        let mut changes = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let covered = changes.iter().fold(0, |covered, change| {
            covered
                | match change {
                    Change::Everything => u8::MAX,
                    Change::Artifacts => ARTIFACTS,
                    Change::Distribution(_) => DISTRIBUTIONS,
                    // A publication is new or gone with its version, and counts as its repository's.
                    Change::Repository(_) => REPOSITORIES | PUBLICATIONS,
                    Change::Publication(_) => PUBLICATIONS,
                    Change::Guard(_) => GUARDS,
                }
        });
        match self.touched.load(Ordering::Relaxed) & !covered {
            0 => {}
            ARTIFACTS => changes.push(Change::Artifacts),
            _ => changes.push(Change::Everything),
        }
        changes.sort_unstable();
        changes.dedup();
        changes
    }
}

/// The watched tables that a statement writes.
fn touched(sql: &str) -> u8 {
    let mut touched = 0;
    for (at, prefix) in sql.match_indices("core_") {
        let rest = &sql[at + prefix.len()..];
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        let Some((_, table)) = WATCHED.iter().find(|(watched, _)| *watched == name) else { continue };
        let before = sql[..at].trim_end_matches('"').trim_end();
        let verb = |verb: &str| {
            let start = before.len().checked_sub(verb.len());
            start.and_then(|start| before.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(verb))
        };
        // A new artifact changes nothing that is served.
        let written = verb("DELETE FROM") || *table != ARTIFACTS && (verb("INSERT INTO") || verb("UPDATE"));
        if written {
            touched |= table;
        }
    }
    touched
}

#[async_trait]
impl ConnectionTrait for Writing {
    fn get_database_backend(&self) -> DbBackend {
        self.tx.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.look(&statement.sql);
        self.tx.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.look(sql);
        self.tx.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.look(&statement.sql);
        self.tx.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.look(&statement.sql);
        self.tx.query_all_raw(statement).await
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").field("changes", &self.changes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_a_table_that_serving_depends_on_is_noticed() {
        for (sql, expected) in [
            ("INSERT INTO \"core_distribution\" (\"pulp_id\") VALUES ($1)", DISTRIBUTIONS),
            ("UPDATE core_publication SET complete = true", PUBLICATIONS),
            ("delete from core_repository where pulp_id = $1", REPOSITORIES),
            ("DELETE FROM \"core_repositoryversion\" WHERE 1 = 1", REPOSITORIES),
            ("WITH x AS (SELECT 1) DELETE FROM core_contentguard AS t USING x", GUARDS),
            ("DELETE FROM core_artifact AS t WHERE TRUE RETURNING file", ARTIFACTS),
            ("INSERT INTO core_artifact (pulp_id) VALUES ($1)", 0),
            ("DELETE FROM core_repositorycontent WHERE repository_id = $1", 0),
            ("UPDATE \"core_contentartifact\" SET \"artifact_id\" = $1", 0),
            ("SELECT * FROM core_distribution d JOIN core_publication p ON 1 = 1 FOR UPDATE", 0),
            ("UPDATE core_task SET x = (SELECT 1 FROM core_distribution)", 0),
        ] {
            assert_eq!(touched(sql), expected, "{sql}");
        }
    }
}
