//! Transactions that wait for each other.

use crate::error::Error;

/// Whether PostgreSQL undid a transaction because it and another one waited for each other (`deadlock_detected`).
#[cfg(feature = "postgres")]
pub(crate) fn is_deadlock(error: &Error) -> bool {
    use sea_orm::{DbErr, RuntimeErr};
    let Error::Internal(cause) = error else { return false };
    let cause = match cause.downcast_ref::<DbErr>() {
        Some(DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) => cause,
        _ => return false,
    };
    cause.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "40P01")
}

/// SQLite's writers take turns.
#[cfg(not(feature = "postgres"))]
pub(crate) fn is_deadlock(_error: &Error) -> bool {
    false
}

#[cfg(all(test, feature = "testkit", feature = "postgres"))]
mod tests {
    use super::*;
    use crate::db::exec;
    use crate::sample::Sample;

    #[tokio::test]
    async fn a_deadlock_is_known_when_it_is_met() {
        let sample = Sample::postgres().await;
        let (one, two) = (sample.notebook("one").await, sample.notebook("two").await);
        let sql = "UPDATE core_repository SET description = 'x' WHERE pulp_id = $1";
        let (first, second) = (sample.app.db.write().await.unwrap(), sample.app.db.write().await.unwrap());
        exec(&*first, sql, vec![one.into()]).await.unwrap();
        exec(&*second, sql, vec![two.into()]).await.unwrap();
        let crossing = tokio::join!(exec(&*first, sql, vec![two.into()]), exec(&*second, sql, vec![one.into()]),);
        let undone = crossing.0.err().or(crossing.1.err()).expect("one of the two gives way");
        assert!(is_deadlock(&undone), "{}", undone.log());
        assert!(!is_deadlock(&Error::Canceled));
    }
}
