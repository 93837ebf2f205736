//! Whether a failure means that the database is away: then what was known before may do.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::Error as Sqlx;

use crate::error::Error;

/// Errors of PostgreSQL's that say that it cannot serve anybody now: it starts or stops, has crashed, has no connection
/// left, or is no primary yet (SQLSTATE, appendix A of its manual). A whole class ends with `*`.
const POSTGRES: [&str; 6] = ["08*", "53300", "57P01", "57P02", "57P03", "57P05"];

/// Primary result codes of SQLite's: the file cannot be opened, read, or is locked for good (`sqlite3.h`).
const SQLITE: [u32; 3] = [10, 14, 5];

/// Whether an error says that the database could not be asked, not that the question was wrong.
pub(crate) fn is_away(error: &Error) -> bool {
    let Error::Internal(cause) = error else { return false };
    match cause.downcast_ref::<DbErr>() {
        Some(DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => true,
        Some(DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) => lost(error),
        _ => false,
    }
}

/// The same error in the words of a client, if it says that the database is away.
pub(crate) fn unavailable(error: Error) -> Error {
    if !is_away(&error) {
        return error;
    }
    tracing::warn!("The database is away: {}", error.log());
    Error::Unavailable("The database is away.".to_owned())
}

fn lost(error: &Sqlx) -> bool {
    match error {
        Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed | Sqlx::WorkerCrashed => true,
        Sqlx::Database(error) => error.code().is_some_and(|code| says_away(&code)),
        _ => false,
    }
}

fn says_away(code: &str) -> bool {
    // SQLSTATEs have five characters; SQLite's extended codes are numbers with the primary one in the last byte.
    if code.len() == 5 {
        return POSTGRES.iter().any(|known| match known.strip_suffix('*') {
            Some(class) => code.starts_with(class),
            None => code == *known,
        });
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_stops_is_away_and_a_wrong_question_is_not() {
        for away in ["57P01", "57P03", "08006", "53300", "14", "10", "266"] {
            assert!(says_away(away), "{away}");
        }
        for here in ["42P01", "23505", "42501", "1", "19", "2067", ""] {
            assert!(!says_away(here), "{here}");
        }
        let closed = DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::new(Sqlx::PoolClosed)));
        assert!(is_away(&closed.into()));
        let wrong = DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::new(Sqlx::RowNotFound)));
        assert!(!is_away(&wrong.into()));
        assert!(!is_away(&Error::PermissionDenied));
    }
}
