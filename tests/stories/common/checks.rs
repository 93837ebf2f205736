//! What must be true of a site whatever happened to its servers.

use std::fs;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest;
use pulpcore::db::{Db, DbConfig};
use pulpcore::models::artifact;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};

use super::Site;

/// Artifacts up to this size are hashed, in bytes.
const HASHED: u64 = 64 << 20;

/// Sentences about the database, and how to count what contradicts them.
const TRUTHS: [(&str, &str); 9] = [
    (
        "A unit in a repository has all its files, or a remote that has them.",
        "SELECT COUNT(*) AS n FROM core_repositorycontent m \
         JOIN core_contentartifact c ON c.content_id = m.content_id WHERE c.artifact_id IS NULL \
         AND NOT EXISTS (SELECT 1 FROM core_remoteartifact r WHERE r.content_artifact_id = c.pulp_id)",
    ),
    (
        "A file in a repository is a unit of a file.",
        "SELECT COUNT(*) AS n FROM core_repositorycontent m JOIN core_content u ON u.pulp_id = m.content_id \
         WHERE u.pulp_type = 'file.file' \
         AND (NOT EXISTS (SELECT 1 FROM core_contentartifact c WHERE c.content_id = m.content_id) \
         OR NOT EXISTS (SELECT 1 FROM file_filecontent f WHERE f.content_ptr_id = m.content_id))",
    ),
    (
        "Units are in a repository only by a version that exists.",
        "SELECT COUNT(*) AS n FROM core_repositorycontent m WHERE m.version_added > \
         (SELECT MAX(v.number) FROM core_repositoryversion v WHERE v.repository_id = m.repository_id)",
    ),
    (
        "The next version's number is free.",
        "SELECT COUNT(*) AS n FROM core_repository r WHERE r.next_version <= \
         (SELECT MAX(v.number) FROM core_repositoryversion v WHERE v.repository_id = r.pulp_id)",
    ),
    (
        "A version's summary counts what it holds.",
        "SELECT COUNT(*) AS n FROM core_repositoryversion v WHERE \
         (SELECT COALESCE(SUM(d.count), 0) FROM core_repositoryversioncontentdetails d \
          WHERE d.repository_version_id = v.pulp_id AND d.count_type = 'P') <> \
         (SELECT COUNT(*) FROM core_repositorycontent m WHERE m.repository_id = v.repository_id \
          AND m.version_added <= v.number AND (m.version_removed IS NULL OR m.version_removed > v.number))",
    ),
    (
        "Only an unfinished task has locks.",
        "SELECT COUNT(*) AS n FROM core_taskreservation r WHERE NOT EXISTS (SELECT 1 FROM core_task t \
         WHERE t.pulp_id = r.task_id AND t.state IN ('waiting', 'running', 'canceling'))",
    ),
    (
        "Only an unfinished task has staged content.",
        "SELECT COUNT(*) AS n FROM core_stagedcontent s WHERE NOT EXISTS (SELECT 1 FROM core_task t \
         WHERE t.pulp_id = s.draft_id AND t.state IN ('running', 'canceling'))",
    ),
    (
        "A running task has a worker that is up.",
        "SELECT COUNT(*) AS n FROM core_task t WHERE t.state IN ('running', 'canceling') \
         AND NOT EXISTS (SELECT 1 FROM core_appstatus w WHERE w.pulp_id = t.worker_id)",
    ),
    ("Every publication is complete.", "SELECT COUNT(*) AS n FROM core_publication p WHERE NOT p.complete"),
];

impl Site {
    /// The database, seen from beside the server.
    pub(crate) async fn database(&self) -> Result<Db> {
        Ok(Db::connect(&DbConfig { url: self.database_url(), pool_size: 1, durable: false }).await?)
    }

    /// What a query that begins with `SELECT COUNT(*) AS n` counts.
    pub(crate) async fn query(&self, sql: &str) -> Result<i64> {
        let db = self.database().await?;
        let statement = Statement::from_string(db.backend(), sql);
        let row = db.read().query_one_raw(statement).await?.context("a count is a row")?;
        let count = row.try_get("", "n")?;
        db.close().await?;
        Ok(count)
    }

    /// Checks that the database, the files and each other's idea of them agree; no task may be running.
    pub(crate) async fn check(&self) -> Result<()> {
        for (truth, sql) in TRUTHS {
            let wrong = self.query(sql).await.context(truth)?;
            ensure!(wrong == 0, "{truth} {wrong} times it is not so.");
        }
        self.check_artifacts().await?;
        let left = self.temporary_files();
        ensure!(left.is_empty(), "temporary files are left: {left:?}");
        Ok(())
    }

    /// Every artifact's file is there, whole and with the bytes that its row promises.
    async fn check_artifacts(&self) -> Result<()> {
        let db = self.database().await?;
        let artifacts = artifact::Entity::find().all(db.read()).await?;
        db.close().await?;
        for row in artifacts {
            let path = self.media().join(&row.file);
            let size = fs::metadata(&path).with_context(|| format!("{row:?}"))?.len();
            ensure!(i64::try_from(size) == Ok(row.size), "{size} bytes instead of {row:?}");
            if size <= HASHED {
                let actual = hex::encode(digest::digest(&digest::SHA256, &fs::read(&path)?));
                ensure!(actual == row.sha256, "the bytes of {actual} instead of {row:?}");
            }
        }
        Ok(())
    }
}
