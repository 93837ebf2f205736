//! Transactions that PostgreSQL undoes for what is over when they are tried again, such as waiting for each other.

use std::future::Future;

use crate::error::{Error, Result};

/// How often something is tried.
const TRIES: usize = 5;

/// Does what is a transaction of its own, and does it again while it fails with what `passes`.
pub(crate) async fn tried_again<T, F>(passes: impl Fn(&Error) -> bool, once: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 1..TRIES {
        match once().await {
            Err(error) if passes(&error) => {}
            outcome => return outcome,
        }
    }
    once().await
}

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
    use std::cell::Cell;

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

    #[tokio::test]
    async fn what_passes_is_tried_again_and_not_for_ever() {
        let times = Cell::new(0);
        let fails = |failures: usize| {
            times.set(0);
            let times = &times;
            tried_again(
                |error| matches!(error, Error::Canceled),
                move || async move {
                    times.set(times.get() + 1);
                    if times.get() > failures { Ok(()) } else { Err(Error::Canceled) }
                },
            )
        };
        fails(2).await.unwrap();
        assert_eq!(times.get(), 3);
        fails(usize::MAX).await.unwrap_err();
        assert_eq!(times.get(), TRIES);
        tried_again(is_deadlock, || async { Err::<(), _>(Error::Canceled) }).await.unwrap_err();
    }
}
