//! Databases that are migrated once and then copied, with an administrator whose password is checked quickly.

use crate::auth::{hash_cheaply, insert_admin};
use crate::db::Db;
use crate::error::Result;
use crate::server;

use super::TestPulp;

async fn fill(db: Db) -> Result<()> {
    server::bring_up_to_date(&db).await?;
    insert_admin(&db, hash_cheaply(TestPulp::ADMIN.1)?).await?;
    db.close().await
}

#[cfg(feature = "postgres")]
pub(super) async fn postgres() -> super::TestDatabase {
    super::Database::create_from("pulp", async |url| {
        let config = crate::db::DbConfig { url, pool_size: 2, durable: false };
        fill(Db::connect(&config).await?).await
    })
    .await
}

/// Puts a copy of the template where the settings want the database.
#[cfg(feature = "sqlite")]
pub(super) async fn sqlite(settings: &crate::settings::Settings) {
    let template = sqlite_template().await.expect("the template of a database can be made");
    let file = server::database_file(settings).expect("a test's database is a file");
    std::fs::copy(template, file).expect("the template can be copied");
}

/// The template of this test binary: tests of a binary that was built anew get a new one.
#[cfg(feature = "sqlite")]
async fn sqlite_template() -> Result<std::path::PathBuf> {
    use std::time::UNIX_EPOCH;

    let binary = std::env::current_exe()?;
    let built = std::fs::metadata(&binary)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("pulp-testkit-{user}"));
    std::fs::create_dir_all(&folder)?;
    let template = folder.join(format!("{name}-{built}.sqlite3"));

    let lock = std::fs::File::create(folder.join(format!("{name}.lock")))?;
    // Given back with the file, or with the process.
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .map_err(crate::error::Error::internal)??;
    if !template.exists() {
        let draft = template.with_extension("draft");
        let _ = std::fs::remove_file(&draft);
        let url = crate::settings::DatabaseUrl::sqlite(&draft).expose().to_owned();
        fill(Db::connect(&crate::db::DbConfig { url, pool_size: 1, durable: false }).await?).await?;
        remove_older(&folder, &name)?;
        std::fs::rename(draft, &template)?;
    }
    Ok(template)
}

/// Templates of earlier builds of the same test binary.
#[cfg(feature = "sqlite")]
fn remove_older(folder: &std::path::Path, name: &str) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.starts_with(&format!("{name}-")) && file.ends_with(".sqlite3") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
