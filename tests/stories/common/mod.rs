//! Whole servers in trouble: processes that are killed, stopped, started again on what the one before left.

#[path = "../../support/api.rs"]
pub(crate) mod api;
mod checks;
mod server;
mod site;

pub(crate) use self::server::{Outcome, Server, within};
pub(crate) use self::site::Site;

/// Writes one story for both databases: `name::sqlite` and `name::postgres`. It is told by an `async fn(&Site)`.
macro_rules! on_both_databases {
    ($($story:ident)*) => { $(
        mod $story {
            use pulpcore::testkit::Backend;

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() -> anyhow::Result<()> {
                super::$story(&crate::common::Site::on(Backend::Sqlite).await?).await
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() -> anyhow::Result<()> {
                super::$story(&crate::common::Site::on(Backend::Postgres).await?).await
            }
        }
    )* };
}
pub(crate) use on_both_databases;
