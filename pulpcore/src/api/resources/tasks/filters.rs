//! What lists of tasks can be filtered by.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, DbBackend};
use uuid::Uuid;

use crate::api::filters::{Filters, IntoCondition, Kind, col, target_id};
use crate::api::query::values;
use crate::error::{Error, Result};
use crate::models::{created_resource, repository_version, task};
use crate::refs::{Target, USER_MODEL, prn};

/// The filters and orderings of tasks.
pub(super) fn filters() -> Filters {
    use task::Column as C;
    let filters = Filters::new()
        .task_state(C::State)
        .lookups(C::Name, &["", "contains", "in", "ne"])
        .lookups(C::LoggingCid, &["", "contains"])
        .datetime(C::UnblockedAt)
        .datetime(C::StartedAt)
        .datetime(C::FinishedAt)
        .datetime(C::PulpCreated)
        .custom("worker", |text, _| Ok(col(C::WorkerId).eq(target_id("worker", text)?).into_condition()))
        .reference::<task::Entity, _>("parent_task", C::ParentTaskId)
        .custom("child_tasks", |text, _| {
            let parents: SelectStatement = Query::select()
                .column(C::ParentTaskId)
                .from(task::Entity)
                .and_where(C::PulpId.eq(target_id("child_tasks", text)?))
                .take();
            Ok(col(C::PulpId).in_subquery(parents).into_condition())
        })
        .custom("task_group", |text, _| match text {
            "null" => Ok(col(C::TaskGroupId).is_null().into_condition()),
            _ => Ok(col(C::TaskGroupId).eq(group_id(text)?).into_condition()),
        })
        .custom("created_resources", created);
    let filters =
        [
            ("reserved_resources", Mode::Any),
            ("exclusive_resources", Mode::Exclusive),
            ("shared_resources", Mode::Shared),
        ]
        .into_iter()
        .fold(filters, |filters, (name, mode)| {
            filters
                .custom(name, move |text, backend| Ok(reserved(&resource(text), mode, backend).into_condition()))
                .add(format!("{name}__in"), Kind::List(Box::new(Kind::Text)), move |text, backend| {
                    let all = values::strings(name, text)?;
                    let all = all.iter().map(|text| reserved(&resource(text), mode, backend));
                    Ok(all.fold(Condition::all(), Condition::add))
                })
        });
    filters
        .identity(C::PulpId)
        .ordered(&[
            C::PulpId,
            C::PulpCreated,
            C::PulpLastUpdated,
            C::State,
            C::Name,
            C::LoggingCid,
            C::UnblockedAt,
            C::StartedAt,
            C::FinishedAt,
            C::Error,
            C::Result,
            C::Immediate,
            C::ReservedResourcesRecord,
        ])
        .ordered_as("pk", C::PulpId)
}

/// How a task has a resource.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Any,
    Exclusive,
    Shared,
}

/// A resource as it stands in the record: the PRN of what an href names, any other text as it is.
fn resource(text: &str) -> String {
    match Target::parse(text) {
        Some(Target::Object { model, id }) => prn(model, id),
        Some(Target::User(id)) => prn(USER_MODEL, id),
        Some(Target::Version { .. }) | None => text.to_owned(),
    }
}

/// The task's record names the resource. Locks are gone when a task ends; the record stays.
fn reserved(resource: &str, mode: Mode, backend: DbBackend) -> SimpleExpr {
    let record = col(task::Column::ReservedResourcesRecord);
    let shared = format!("shared:{resource}");
    let names = match mode {
        Mode::Any => vec![resource.to_owned(), shared],
        Mode::Exclusive => vec![resource.to_owned()],
        Mode::Shared => vec![shared],
    };
    let function = if backend == DbBackend::Sqlite { "json_each" } else { "jsonb_array_elements_text" };
    let entries = Func::cust(Alias::new(function)).arg(record);
    let (entry, value) = (Alias::new("entry"), Alias::new("value"));
    let found = Query::select()
        .expr(Expr::val(1))
        .from_function(entries, entry.clone())
        .and_where(Expr::col((entry, value)).is_in(names))
        .take();
    Expr::exists(found)
}

/// Tasks that made a thing.
fn created(text: &str, backend: DbBackend) -> Result<Condition> {
    let made = |is: SimpleExpr| {
        let tasks = Query::select()
            .column(created_resource::Column::TaskId)
            .from(created_resource::Entity)
            .and_where(is)
            .take();
        Ok(col(task::Column::PulpId).in_subquery(tasks).into_condition())
    };
    let object = || col(created_resource::Column::ObjectId);
    match Target::parse(text) {
        Some(Target::Object { id, .. }) => made(object().eq(id.to_string())),
        Some(Target::Version { repository, number }) => {
            let key = col(repository_version::Column::PulpId);
            // Keys are bytes on SQLite, and this column holds any kind of key as text.
            let key = match backend {
                DbBackend::Sqlite => Func::lower(Func::cust(Alias::new("hex")).arg(key)).into(),
                _ => without_dashes(key.cast_as(Alias::new("text"))),
            };
            let version = Query::select()
                .expr(key)
                .from(repository_version::Entity)
                .and_where(repository_version::Column::RepositoryId.eq(repository))
                .and_where(repository_version::Column::Number.eq(number))
                .take();
            made(without_dashes(object()).in_subquery(version))
        }
        _ => Err(Error::invalid("created_resources", format!("URI not valid: {text}"))),
    }
}

fn without_dashes(text: SimpleExpr) -> SimpleExpr {
    Func::cust(Alias::new("replace")).args([text, Expr::val("-"), Expr::val("")]).into()
}

/// The key in a task group's href or PRN.
fn group_id(text: &str) -> Result<Uuid> {
    let id = match text.strip_prefix("prn:core.taskgroup:") {
        Some(id) => Some(id),
        None => text.split_once("/task-groups/").and_then(|(_, rest)| rest.strip_suffix('/')),
    };
    id.and_then(|id| Uuid::parse_str(id).ok())
        .ok_or_else(|| Error::invalid("task_group", format!("URI not valid: {text}")))
}

#[cfg(test)]
mod tests {
    use sea_orm::{EntityTrait, QueryFilter, QueryTrait};

    use super::*;

    fn sql(name: &str, text: &str, backend: DbBackend) -> String {
        let condition = filters().condition(name, text, backend).unwrap();
        task::Entity::find().filter(condition).build(backend).to_string()
    }

    #[test]
    fn every_filter_of_the_original_is_there() {
        let filters = filters();
        let names: Vec<_> = filters.names().collect();
        for name in [
            "state",
            "state__in",
            "state__ne",
            "name",
            "name__contains",
            "name__in",
            "name__ne",
            "logging_cid",
            "logging_cid__contains",
            "worker",
            "parent_task",
            "child_tasks",
            "task_group",
            "created_resources",
            "reserved_resources",
            "reserved_resources__in",
            "exclusive_resources",
            "exclusive_resources__in",
            "shared_resources",
            "shared_resources__in",
            "started_at__range",
            "finished_at__isnull",
            "unblocked_at__gte",
            "pulp_created__lt",
            "pulp_href__in",
            "prn__in",
            "pulp_id__in",
        ] {
            assert!(names.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_resource_is_found_by_how_it_is_held() {
        let id = Uuid::nil();
        let found = sql("reserved_resources", &format!("/pulp/api/v3/uploads/{id}/"), DbBackend::Sqlite);
        assert!(found.contains("json_each"), "{found}");
        assert!(found.contains(&format!("'prn:core.upload:{id}', 'shared:prn:core.upload:{id}'")), "{found}");
        let found = sql("shared_resources", "pdrn:1:orphans", DbBackend::Postgres);
        assert!(
            found.contains("jsonb_array_elements_text") && found.contains("IN ('shared:pdrn:1:orphans')"),
            "{found}"
        );
    }

    #[test]
    fn a_group_is_named_by_href_or_prn() {
        let id = Uuid::nil();
        assert_eq!(group_id(&format!("/pulp/api/v3/task-groups/{id}/")).unwrap(), id);
        assert_eq!(group_id(&format!("prn:core.taskgroup:{id}")).unwrap(), id);
        group_id("nonsense").unwrap_err();
    }
}
