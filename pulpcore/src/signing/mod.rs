//! Signatures: services that sign what this server publishes, and the check of what others signed.
//!
//! A signing service makes detached OpenPGP signatures in ASCII armour: by a script, as in Pulp (`script.rs`), or by the
//! server itself with a secret key in a file (`openpgp.rs`). Operators add and remove services on the command line
//! (`services.rs`); clients only see them. Whatever a service says, its signature is checked against its public key before
//! anybody is given it.
//!
//! ```
//! use bytes::Bytes;
//! use futures::stream;
//! use pulpcore::error::Result;
//! use pulpcore::plugin::{Publisher, TaskCx};
//! use pulpcore::signing;
//! use uuid::Uuid;
//!
//! /// Adds an index to a publication, and its signature beside it.
//! async fn signed_index(cx: &TaskCx, publisher: &mut Publisher<'_>, service: Uuid, index: Bytes) -> Result<()> {
//!     let body = || stream::iter([Ok(index.clone())]);
//!     let signed = signing::sign(cx, service, "INDEX", body()).await?;
//!     publisher.add("INDEX", body()).await?;
//!     publisher.add("INDEX.asc", stream::iter([Ok(Bytes::from(signed.signature))])).await
//! }
//! ```

mod openpgp;
mod script;
mod services;
#[cfg(feature = "testkit")]
pub(crate) mod testing;
#[cfg(all(test, feature = "testkit"))]
mod tests;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use self::openpgp::SecretKey;
pub use self::openpgp::{BadKeys, LONGEST_SIGNATURE, PublicKeys, Unproven};
use self::script::Script;
pub(crate) use self::services::all;
pub use self::services::{Means, add, remove};
use crate::app::App;
use crate::error::{Error, Result};
use crate::models::signing_service;
use crate::plugin::{Ref, TaskCx};

/// What a service signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// A detached signature, in ASCII armour.
    pub signature: String,
    /// The key that proves it, in ASCII armour.
    pub public_key: String,
}

/// Signs a file under a name of its own, such as `repomd.xml`.
///
/// # Errors
/// [`Error::Unavailable`] with a sentence if the service does not sign, or its signature does not hold; what `body` fails with.
pub async fn sign(
    cx: &TaskCx,
    service: Uuid,
    name: &str,
    body: impl Stream<Item = Result<Bytes>> + Send,
) -> Result<Signed> {
    let row = signing_service::Entity::find_by_id(service).one(cx.db().read()).await?;
    let row = row.ok_or_else(|| Error::Unavailable("The signing service is gone.".to_owned()))?;
    let room = cx.storage().room().await?;
    let file = room.path().join(name);
    write(&file, body).await?;
    let limit = Duration::from_secs(cx.app().settings.signing_timeout);
    let signature = signature(&row, &file, limit, cx.correlation_id()).await.map_err(|failure| {
        tracing::warn!(service = row.name, failure = failure.log(), "A signing service failed.");
        Error::Unavailable(format!("The signing service '{}' cannot be used: {failure}.", row.name))
    })?;
    Ok(Signed { signature, public_key: row.public_key })
}

/// The service that a reference names.
///
/// # Errors
/// [`Error::Invalid`] on `field` if there is none that makes detached signatures.
async fn find(
    db: &impl ConnectionTrait,
    service: &Ref<signing_service::Entity>,
    field: &str,
) -> Result<signing_service::Model> {
    let found = signing_service::Entity::find_by_id(service.id)
        .filter(signing_service::Column::PulpType.eq(signing_service::DETACHED))
        .one(db)
        .await?;
    found.ok_or_else(|| Error::missing(field))
}

/// Refuses a body that names, in `field`, a service that is not there: for [`check_whole`](crate::plugin::Detail::check_whole).
///
/// # Errors
/// [`Error::Invalid`] on `field`.
pub async fn check_named(app: &App, body: &Map<String, Value>, field: &str) -> Result<()> {
    let Some(service) = body.get(field).filter(|service| !service.is_null()) else { return Ok(()) };
    let service = serde_json::from_value(service.clone()).map_err(|error| Error::invalid(field, error.to_string()))?;
    find(app.db.read(), &service, field).await.map(drop)
}

/// Why there is no signature: a clause for whoever wanted it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("its script cannot be started")]
    NotStarted(#[source] io::Error),
    #[error("its script did not end within {0} seconds")]
    Hung(u64),
    #[error("its script failed with {status}: {complaint}")]
    Failed { status: String, complaint: String },
    #[error("its script did not say, in JSON, where the signature is")]
    NotUnderstood,
    #[error("its script left no signature where it says that it is, or too large a one")]
    NoSignature,
    #[error("its signature is not in ASCII armour")]
    NotArmoured,
    #[error("its secret key cannot be read")]
    NoKey(#[source] Error),
    #[error("of its file, {0}")]
    BadKey(BadKeys),
    #[error("{0}")]
    Unproven(#[source] Unproven),
    #[error("something went wrong on this server")]
    Fault(#[source] io::Error),
}

impl Failure {
    /// With its causes, for the log.
    fn log(&self) -> String {
        let cause = match self {
            Self::NoKey(cause) => Some(cause.log()),
            other => std::error::Error::source(other).map(ToString::to_string),
        };
        cause.map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}

/// The signature that a service makes of a file, once it is proven.
async fn signature(
    service: &signing_service::Model,
    file: &Path,
    limit: Duration,
    correlation_id: &str,
) -> Result<String, Failure> {
    let (path, fingerprint) = (service.script.as_str(), service.pubkey_fingerprint.as_str());
    let (secret_key, public_key, file) = (service.secret_key.clone(), service.public_key.clone(), file.to_owned());
    let by_script = match &secret_key {
        None => Some(Script { path, fingerprint, correlation_id, limit }.sign(&file).await?),
        Some(_) => None,
    };
    let made = tokio::task::spawn_blocking(move || {
        let signature = match (by_script, secret_key) {
            (Some(signature), _) => String::from_utf8(signature).map_err(|_| Failure::NotArmoured)?,
            (None, key) => {
                let key = services::text(Path::new(&key.unwrap_or_default())).map_err(Failure::NoKey)?;
                let key = SecretKey::parse(&key).map_err(Failure::BadKey)?;
                key.sign(opened(&file)?).map_err(Failure::Fault)?
            }
        };
        if !signature.trim_start().starts_with("-----BEGIN PGP SIGNATURE-----") {
            return Err(Failure::NotArmoured);
        }
        let keys = PublicKeys::parse(&public_key).map_err(Failure::BadKey)?;
        keys.verify(signature.as_bytes(), opened(&file)?).map_err(Failure::Unproven)?;
        Ok(signature)
    });
    made.await.map_err(|error| Failure::Fault(io::Error::other(error)))?
}

fn opened(file: &Path) -> Result<BufReader<File>, Failure> {
    File::open(file).map(BufReader::new).map_err(Failure::Fault)
}

async fn write(path: &Path, body: impl Stream<Item = Result<Bytes>> + Send) -> Result<()> {
    let mut file = tokio::fs::File::create_new(path).await?;
    let mut body = std::pin::pin!(body);
    while let Some(bytes) = body.try_next().await? {
        file.write_all(&bytes).await?;
    }
    Ok(file.flush().await?)
}
