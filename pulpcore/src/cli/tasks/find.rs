//! Which task somebody means who writes an id, the beginning of one, an href or a PRN.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::db::Db;
use crate::error::{Error, Result};
use crate::models::task;
use crate::refs::Target;

/// Of those that a beginning fits, so many are named.
const NAMED: u64 = 4;

/// The task that a text names.
///
/// # Errors
/// [`Error::NotFound`] if there is none; [`Error::Conflict`] if there are several.
pub(super) async fn task(db: &Db, text: &str) -> Result<task::Model> {
    let (first, last) = range(text).ok_or_else(|| nothing(text, "is no id, href or PRN of a task"))?;
    let mut found = task::Entity::find()
        .filter(task::Column::PulpId.between(first, last))
        .order_by_asc(task::Column::PulpId)
        .limit(NAMED)
        .all(db.read())
        .await?;
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (None, _) => Err(nothing(text, "names no task")),
        (Some(row), false) => {
            let ids: Vec<String> = found.iter().chain([&row]).map(|row| row.pulp_id.to_string()).collect();
            Err(Error::Conflict(format!("'{text}' may be one of several tasks: {}", ids.join(", "))))
        }
    }
}

fn nothing(text: &str, problem: &str) -> Error {
    Error::NotFound(format!("'{text}' {problem}"))
}

/// The keys that a text fits: from the first to the last.
fn range(text: &str) -> Option<(Uuid, Uuid)> {
    if text.contains([':', '/']) {
        let slash = if text.starts_with("prn:") || text.ends_with('/') { "" } else { "/" };
        return match Target::parse(&format!("{text}{slash}"))? {
            Target::Object { model: "core.task", id } => Some((id, id)),
            _ => None,
        };
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let complete = |rest: &str| Uuid::parse_str(&format!("{digits}{}", &rest[digits.len()..])).ok();
    let is_beginning = (1..=FIRST.len()).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_hexdigit());
    if is_beginning { Some((complete(FIRST)?, complete(LAST)?)) } else { None }
}

const FIRST: &str = "00000000000000000000000000000000";
const LAST: &str = "ffffffffffffffffffffffffffffffff";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_id_beginning_href_or_prn() {
        let id = Uuid::parse_str("0199c0de-0000-7000-8000-00000000abcd").unwrap();
        for name in [
            id.to_string(),
            id.simple().to_string().to_uppercase(),
            format!("prn:core.task:{id}"),
            format!("/pulp/api/v3/tasks/{id}/"),
            format!("https://pulp.example/other/api/v3/tasks/{id}"),
        ] {
            assert_eq!(range(&name), Some((id, id)), "{name}");
        }
        let (first, last) = range("0199c0de-00").unwrap();
        assert!(first < id && id < last);
        let domain = format!("prn:core.domain:{id}");
        for name in ["", "-", "task", "prn:core.task:1", "/pulp/api/v3/workers/1/", &domain, &format!("{id}0"), "é"] {
            assert_eq!(range(name), None, "{name}");
        }
    }
}
