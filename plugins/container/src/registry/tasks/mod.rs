//! What the registry does to repositories, one task a file, and how a request waits for one.
//!
//! Each takes the repository for itself, so that pushes to one repository queue, and none is lost.

mod expire;
mod open;
mod open_through;
mod push;
mod remove;
mod sign;

use pulpcore::error::Result;
use pulpcore::models::{state, task, user};
use pulpcore::plugin::{LiveCx, Task};

pub use self::expire::ExpireUploads;
pub use self::open::Open;
pub use self::open_through::OpenThrough;
pub(super) use self::open_through::whole;
pub use self::push::Push;
pub use self::remove::Remove;
pub use self::sign::Sign;
use super::errors::{Answer, Failure};

/// Runs a task and waits for its end. If it fails, `refuse` draws the sentence that says why.
pub(super) async fn run<T: Task>(
    cx: &LiveCx,
    task: T,
    user: &user::Model,
    refuse: impl FnOnce(String) -> Failure,
) -> Answer<task::Model> {
    let row = ended(cx, task, user).await?;
    if row.state == state::COMPLETED {
        return Ok(row);
    }
    let said = row.error.as_ref().and_then(|error| error["description"].as_str());
    Err(refuse(said.unwrap_or("The task was canceled.").to_owned()))
}

async fn ended<T: Task>(cx: &LiveCx, task: T, user: &user::Model) -> Result<task::Model> {
    let row = cx.dispatch(task, Some(user)).await?;
    match state::FINAL.contains(&row.state.as_str()) {
        true => Ok(row),
        false => cx.app.queue.ended(row.pulp_id).await,
    }
}
