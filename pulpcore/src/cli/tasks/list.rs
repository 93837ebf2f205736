//! `tasks list`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use super::{show, text};
use crate::cli::table::table;
use crate::db::{Db, now};
use crate::error::Result;
use crate::models::{state, task};

/// Every state, in the order of a task's life.
const STATES: [&str; 7] = [
    state::WAITING,
    state::RUNNING,
    state::CANCELING,
    state::COMPLETED,
    state::FAILED,
    state::CANCELED,
    state::SKIPPED,
];

/// The flags of `tasks list`.
#[derive(Args, Debug)]
pub(in crate::cli) struct List {
    /// Only tasks in these states, with commas between them
    #[arg(long, value_delimiter = ',', value_name = "STATES", value_parser = PossibleValuesParser::new(STATES))]
    pub(super) state: Vec<String>,
    /// Only tasks of this type, such as file/syncs
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) task_type: Option<String>,
    /// Only tasks whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(super) name: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub(super) limit: u64,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl List {
    /// The answer.
    pub(super) async fn text(&self, db: &Db) -> Result<String> {
        let mut tasks = task::Entity::find();
        if !self.state.is_empty() {
            tasks = tasks.filter(task::Column::State.is_in(self.state.iter().map(String::as_str)));
        }
        if let Some(task_type) = &self.task_type {
            tasks = tasks.filter(task::Column::TaskType.eq(task_type.trim_matches('/')));
        }
        if let Some(name) = &self.name {
            tasks = tasks.filter(task::Column::Name.contains(name));
        }
        let tasks = tasks.order_by_desc(task::Column::Seq).limit(self.limit).all(db.read()).await?;
        if self.json {
            let tasks: Vec<Value> = tasks.into_iter().map(show::json).collect();
            return Ok(format!("{:#}", Value::from(tasks)));
        }
        if tasks.is_empty() {
            return Ok("There are no such tasks.".to_owned());
        }
        let now = now();
        let rows = tasks.into_iter().map(|row| {
            let age = text::age(row.pulp_created, now);
            [row.pulp_id.to_string(), row.state, age, row.task_type, row.name]
        });
        let rows: Vec<[String; 5]> = rows.collect();
        Ok(table(["ID", "STATE", "AGE", "TYPE", "NAME"], &rows))
    }
}
