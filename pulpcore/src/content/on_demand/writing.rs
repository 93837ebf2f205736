//! Whether this process may write what it fetched. Nobody tells a read-only edge that it is one: it finds out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};
use tokio::time::Instant;

use crate::error::Error;

/// After how long a process that was not allowed to write tries again: it may have been given the right.
const AGAIN: Duration = Duration::from_secs(300);

/// PostgreSQL's `insufficient_privilege` and `read_only_sql_transaction`.
const FORBIDDEN: [&str; 2] = ["42501", "25006"];

/// SQLite's `SQLITE_READONLY`, of which the other codes of its kind are extensions.
const READONLY: u32 = 8;

/// What this process knows about its right to write.
#[derive(Default)]
pub(super) struct Writing {
    refused: Mutex<Option<Instant>>,
}

impl Writing {
    /// Whether it is worth trying.
    pub(super) fn is_allowed(&self) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|when| when.elapsed() > AGAIN)
    }

    /// Something could not be written. Whether that was because this process may not; the first time that is said.
    pub(super) fn was_refused(&self, error: &Error) -> bool {
        if !is_refusal(error) {
            return false;
        }
        let before = self.refused.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none() {
            tracing::warn!(
                cause = error.log(),
                "This process may not write: content on demand is streamed and not kept, as with on_demand = \"stream\"."
            );
        }
        true
    }
}

/// Whether whoever is in charge does not want this process to write; everything else is a fault.
fn is_refusal(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    if let Some(error) = cause.downcast_ref::<std::io::Error>() {
        return matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem);
    }
    if let Some(error) = cause.downcast_ref::<object_store::Error>() {
        return matches!(
            error,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
        );
    }
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = (match cause.downcast_ref::<DbErr>() {
        Some(error) => error,
        None => return false,
    })
    else {
        return false;
    };
    let sqlx::Error::Database(error) = &**error else { return false };
    error.code().is_some_and(|code| {
        FORBIDDEN.contains(&&*code) || code.parse::<u32>().is_ok_and(|code| code < 10_000 && code & 0xff == READONLY)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_for_a_while_and_a_fault_is_not() {
        let writing = Writing::default();
        assert!(!writing.was_refused(&Error::internal(std::io::Error::other("a disk died"))));
        assert!(!writing.was_refused(&Error::Unavailable("The storage is full.".to_owned())));
        assert!(writing.is_allowed());
        for kind in [std::io::ErrorKind::ReadOnlyFilesystem, std::io::ErrorKind::PermissionDenied] {
            assert!(writing.was_refused(&Error::from(std::io::Error::from(kind))));
            assert!(!writing.is_allowed());
        }
        tokio::time::advance(AGAIN + Duration::from_secs(1)).await;
        assert!(writing.is_allowed());
    }
}
