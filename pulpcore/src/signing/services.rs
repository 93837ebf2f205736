//! Signing services as an operator adds and removes them. Each is asked for a signature before it is there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, SqlErr,
};
use uuid::Uuid;

use super::openpgp::{BadKeys, LONGEST_KEYS, PublicKeys, SecretKey};
use super::signature;
use crate::db::{Db, now};
use crate::error::{Error, Result};
use crate::models::signing_service;

/// How a service signs.
#[derive(Clone, Debug)]
pub enum Means {
    /// By a script, with a key of which the server only knows the public part.
    Script {
        /// The script.
        script: PathBuf,
        /// A file with the public key, in ASCII armour.
        public_key: PathBuf,
    },
    /// By the server itself, with the secret key that is in a file, in ASCII armour and without a passphrase.
    SecretKey(PathBuf),
}

/// What is signed to see whether a service can: as in Pulp.
const SAMPLE: &[u8] = b"arbitrary data";

/// No name is longer, in bytes.
const LONGEST_NAME: usize = 255;

/// Adds a service that makes detached signatures, once it has shown within `limit` that it does.
///
/// # Errors
/// [`Error::Config`] with a sentence that says why it cannot be used.
pub async fn add(db: &Db, name: &str, means: &Means, limit: Duration) -> Result<signing_service::Model> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(Error::Config(
            "the name of a signing service has 1 to 255 bytes and no control characters".to_owned(),
        ));
    }
    if signing_service::Entity::find().filter(signing_service::Column::Name.eq(name)).count(db.read()).await? > 0 {
        return Err(taken(name));
    }
    let row = row(name, means)?;
    let room = tempfile::tempdir()?;
    let file = room.path().join("sample");
    std::fs::write(&file, SAMPLE)?;
    let signed = signature(&row, &file, limit, "").await;
    signed.map_err(|failure| Error::Config(format!("the signing service cannot be used: {failure}")))?;
    let tx = db.write().await?;
    let row = row.into_active_model().reset_all().insert(&*tx).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => taken(name),
        _ => error.into(),
    })?;
    tx.commit().await?;
    Ok(row)
}

/// All services, by their names.
///
/// # Errors
/// If the database fails.
pub(crate) async fn all(db: &Db) -> Result<Vec<signing_service::Model>> {
    Ok(signing_service::Entity::find().order_by_asc(signing_service::Column::Name).all(db.read()).await?)
}

/// Removes a service that nothing uses.
///
/// # Errors
/// [`Error::Config`] with a sentence if there is none, or something uses it.
pub async fn remove(db: &Db, name: &str) -> Result<()> {
    let tx = db.write().await?;
    let gone = signing_service::Entity::delete_many().filter(signing_service::Column::Name.eq(name)).exec(&*tx).await;
    let gone = gone.map_err(|error| match is_of_foreign_key(&error) {
        true => Error::Config(format!(
            "the signing service '{name}' is in use: first take it from the repositories that name it"
        )),
        false => error.into(),
    })?;
    if gone.rows_affected == 0 {
        return Err(Error::Config(format!("there is no signing service '{name}'")));
    }
    tx.commit().await
}

/// Whether something refers to what was to be deleted. SQLite restricts a deletion by what it counts among its triggers.
fn is_of_foreign_key(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
        || error.to_string().contains("FOREIGN KEY constraint failed")
}

fn taken(name: &str) -> Error {
    Error::Config(format!(
        "there is a signing service '{name}' already; one never changes: remove it first, or take another name"
    ))
}

fn row(name: &str, means: &Means) -> Result<signing_service::Model> {
    let (public_key, script, secret_key) = match means {
        Means::Script { script, public_key } => (text(public_key)?, absolute(script)?, None),
        Means::SecretKey(path) => {
            let secret = SecretKey::parse(&text(path)?).map_err(|bad| unusable(path, &bad))?;
            let public_key = secret.public_key().map_err(|bad| unusable(path, &bad))?;
            (public_key, String::new(), Some(absolute(path)?))
        }
    };
    let path = match means {
        Means::Script { public_key, .. } => public_key,
        Means::SecretKey(path) => path,
    };
    let fingerprint =
        PublicKeys::parse(&public_key).and_then(|keys| keys.only()).map_err(|bad| unusable(path, &bad))?;
    let now = now();
    Ok(signing_service::Model {
        pulp_id: Uuid::now_v7(),
        pulp_created: now,
        pulp_last_updated: now,
        pulp_type: signing_service::DETACHED.to_owned(),
        name: name.to_owned(),
        public_key,
        pubkey_fingerprint: fingerprint,
        script,
        secret_key,
    })
}

fn unusable(path: &Path, bad: &BadKeys) -> Error {
    Error::Config(format!("{} cannot be used: {bad}", path.display()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Config(format!("{} cannot be read: {error}", path.display()))
}

/// Where a file is for whoever runs in another folder.
fn absolute(path: &Path) -> Result<String> {
    let path = std::fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
    let text = path.into_os_string().into_string();
    text.map_err(|_| Error::Config("the path of a signing service is no UTF-8".to_owned()))
}

/// A file with a key.
pub(super) fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST_KEYS as u64 + 1).read_to_string(&mut text));
    read.map_err(|error| unreadable(path, &error))?;
    Ok(text)
}
