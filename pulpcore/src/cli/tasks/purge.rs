//! `tasks purge`: what the task of the same name does, at once.

use clap::Args;
use clap::builder::PossibleValuesParser;
use time::OffsetDateTime;

use crate::api::query::values::parse_datetime;
use crate::db::{Db, comparable, now};
use crate::error::Result;
use crate::models::state;
use crate::tasking::group::forget_empty;
use crate::tasking::purge::{AGE, Counts, batch};

/// The flags of `tasks purge`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Purge {
    /// Tasks that ended before this time, such as 2026-01-31 or 2026-01-31T12:00:00Z [default: 30 days ago]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) finished_before: Option<OffsetDateTime>,
    /// Tasks that ended in these states, with commas between them
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "STATES",
        value_parser = PossibleValuesParser::new(state::FINAL),
        default_value = state::COMPLETED
    )]
    pub(super) state: Vec<String>,
}

impl Purge {
    /// Purges; what came of it.
    pub(super) async fn text(&self, db: &Db) -> Result<String> {
        let before = comparable(self.finished_before.unwrap_or_else(|| now() - AGE));
        let states: Vec<&str> = self.state.iter().map(String::as_str).collect();
        let mut purged = Counts::default();
        while let Some(batch) = batch(db, before, &states).await? {
            purged.add(&batch);
        }
        forget_empty(db, before).await?;
        let Counts { tasks, reports, resources } = purged;
        Ok(match tasks {
            0 => "There is nothing to purge.".to_owned(),
            _ => format!(
                "Purged: {}, {} and {} to what they had created.",
                some(tasks, "task"),
                some(reports, "progress report"),
                some(resources, "link"),
            ),
        })
    }
}

fn some(count: i64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn time(text: &str) -> Result<OffsetDateTime, String> {
    parse_datetime(text).ok_or_else(|| "this is no time; one is 2026-01-31T12:00:00Z".to_owned())
}
