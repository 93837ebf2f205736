//! Task schedules: what is dispatched again and again, to be looked at. Code makes them, see [`crate::plugin::Scheduled`].

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{list_of, object, one_of};
use crate::api::bodies::Timestamp;
use crate::api::endpoint::Endpoint;
use crate::api::filters::Filters;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::error::Result;
use crate::models::task_schedule;

const NAMES: (&str, &str) = ("task-schedules", "core.taskschedule");
const ONE: &str = "task-schedules/{pulp_id}/";
const TAG: &str = "Task-Schedules";

/// A task schedule, beside its identity.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// The name of the task schedule.
    name: String,
    /// The name of the task to be scheduled.
    task_name: String,
    /// Periodicity of the schedule.
    #[schema(required = true)]
    dispatch_interval: Option<String>,
    /// Timestamp of the next time the task will be dispatched.
    #[schema(read_only, required = false, value_type = Option<String>, format = DateTime)]
    next_dispatch: Option<Timestamp>,
    /// The last task dispatched by this schedule.
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    last_task: Option<String>,
}

/// The operations on task schedules.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let response = || shape::core_response::<Body>("TaskScheduleResponse");
    vec![
        list_of::<task_schedule::Entity>("task-schedules/", "task_schedules_list", filters(), |cx, row| {
            read(&cx.reader(), row)
        })
        .tagged(TAG)
        .about("List task schedules")
        .answers(200, shape::paginated(response())),
        one_of::<task_schedule::Entity>(
            ONE,
            "task_schedules_read",
            ("task_schedule_href", "TaskSchedule"),
            |cx, row| read(&cx.reader(), row),
        )
        .tagged(TAG)
        .about("Inspect a task schedule")
        .answers(200, response()),
    ]
}

fn filters() -> Filters {
    use task_schedule::Column as C;
    Filters::new()
        .lookups(C::Name, &["", "contains"])
        .lookups(C::TaskName, &["", "contains"])
        .identity(C::PulpId)
        .ordered(&[
            C::PulpId,
            C::PulpCreated,
            C::PulpLastUpdated,
            C::Name,
            C::NextDispatch,
            C::DispatchInterval,
            C::TaskName,
        ])
        .ordered_as("pk", C::PulpId)
}

fn read(reader: &Reader, row: &task_schedule::Model) -> Result<Map<String, Value>> {
    let body = Body {
        name: row.name.clone(),
        task_name: row.task_name.clone(),
        dispatch_interval: (row.dispatch_interval > 0).then(|| duration(row.dispatch_interval)),
        next_dispatch: row.next_dispatch.map(Timestamp),
        last_task: row.last_task_id.map(|id| format!("{}tasks/{id}/", reader.root)),
    };
    object(reader, NAMES, row.pulp_id, (row.pulp_created, row.pulp_last_updated), &body)
}

/// As Django writes it: days, if there are any, then hours, minutes and seconds.
fn duration(seconds: i64) -> String {
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if days == 0 { time } else { format!("{days} {time}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_in_django() {
        for (seconds, text) in
            [(1, "00:00:01"), (600, "00:10:00"), (86_399, "23:59:59"), (86_400, "1 00:00:00"), (180_061, "2 02:01:01")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
