//! Many rows in few statements.
//!
//! A statement that binds each value of each row is compiled anew for thousands of parameters. PostgreSQL takes a column at
//! a time instead, as the text of an array, and what all rows have in common once; SQLite, in the same process, binds.

use sea_orm::sea_query::{Expr, ExprTrait, Func, InsertStatement, OnConflict, Query};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, Iterable, QueryTrait, Value};

use super::arrays::{self, Array};
use super::rows_per_statement;
use crate::error::{Error, Result};

/// Inserts rows; returns how many of them were inserted or, if `conflict` says so, updated.
pub async fn insert<A>(tx: &impl ConnectionTrait, rows: Vec<A>, conflict: impl Into<Option<&OnConflict>>) -> Result<u64>
where
    A: ActiveModelTrait + Send,
{
    let most = rows_per_statement(<A::Entity as EntityTrait>::Column::iter().count());
    let conflict = conflict.into();
    let mut affected = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<A> = rows.by_ref().take(most).collect();
        let columns = match tx.get_database_backend() {
            DbBackend::Postgres if some.len() > 1 => by_column(&some),
            _ => None,
        };
        let mut statement = match columns {
            Some(columns) => from_arrays::<A>(columns)?,
            None => A::Entity::insert_many(some).into_query(),
        };
        if let Some(conflict) = conflict {
            statement.on_conflict(conflict.clone());
        }
        affected += tx.execute(&statement).await?.rows_affected();
    }
    Ok(affected)
}

/// What one column of an insert takes its values from.
enum Given {
    /// All rows have the same.
    Same(Value),
    /// The values of all rows.
    Each(Array),
}

type Column<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;

/// The columns that the rows set; none if they set different ones, or if a value is of a type that has no array here.
fn by_column<A: ActiveModelTrait>(rows: &[A]) -> Option<Vec<(Column<A>, Given)>> {
    let mut columns = Vec::new();
    let mut has_array = false;
    for column in Column::<A>::iter() {
        let values: Vec<Value> = rows.iter().filter_map(|row| row.get(column).into_value()).collect();
        if values.is_empty() {
            continue;
        }
        if values.len() < rows.len() {
            return None;
        }
        let varies = values.iter().any(|value| *value != values[0]);
        has_array |= varies;
        let given = match varies {
            true => Given::Each(arrays::of_values(values)?),
            false => Given::Same(values.into_iter().next()?),
        };
        columns.push((column, given));
    }
    // As many rows come out as the longest array has elements.
    has_array.then_some(columns)
}

fn from_arrays<A: ActiveModelTrait>(columns: Vec<(Column<A>, Given)>) -> Result<InsertStatement> {
    let mut select = Query::select();
    let mut insert = Query::insert();
    insert.into_table(A::Entity::default()).columns(columns.iter().map(|(column, _)| *column));
    for (_, given) in columns {
        select.expr(match given {
            Given::Same(value) => Expr::val(value),
            Given::Each(Array { of, text }) => {
                Func::cust("unnest").arg(Expr::val(text).cast_as(format!("{of}[]"))).into()
            }
        });
    }
    Ok(insert.select_from(select).map_err(Error::internal)?.take())
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use sea_orm::ActiveValue::Set;
    use sea_orm::PaginatorTrait;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::models::{Labels, content};
    use crate::sample::on_both;

    on_both!(rows_are_kept_as_they_were_given, |sample| {
        let labels = Labels([("a\"b".to_owned(), Some("ü\\n".to_owned())), ("none".to_owned(), None)].into());
        let row = |labels: &Labels| content::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(datetime!(2026-01-02 03:04:05.000_007 UTC)),
            pulp_last_updated: Set(datetime!(2026-01-02 03:04:05.000_007 +02:00)),
            pulp_domain_id: Set(sample.app.domain),
            pulp_type: Set("test.test".to_owned()),
            timestamp_of_interest: Set(datetime!(2026-01-02 03:04:05.1 UTC)),
            pulp_labels: Set(labels.clone()),
        };
        let rows = vec![row(&labels), row(&Labels::default())];
        let conflict = OnConflict::column(content::Column::PulpId).do_nothing().to_owned();
        let tx = sample.app.db.write().await.unwrap();
        assert_eq!(insert(&*tx, rows.clone(), &conflict).await.unwrap(), 2);
        assert_eq!(insert(&*tx, rows.clone(), &conflict).await.unwrap(), 0, "they are there");
        let found = content::Entity::find_by_id(rows[0].pulp_id.clone().unwrap()).one(&*tx).await.unwrap().unwrap();
        assert_eq!(found.pulp_created, datetime!(2026-01-02 03:04:05.000_007 UTC));
        assert_eq!(found.pulp_last_updated, datetime!(2026-01-02 01:04:05.000_007 UTC));
        assert_eq!(found.pulp_labels, labels);
    });

    on_both!(more_rows_than_one_statement_takes_are_inserted, |sample| {
        let now = crate::db::now();
        let row = |_| content::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(sample.app.domain),
            pulp_type: Set("test.test".to_owned()),
            timestamp_of_interest: Set(now),
            pulp_labels: Set(Labels::default()),
        };
        let conflict = OnConflict::column(content::Column::PulpId).do_nothing().to_owned();
        let tx = sample.app.db.write().await.unwrap();
        assert_eq!(insert(&*tx, (0..2500).map(row).collect(), &conflict).await.unwrap(), 2500);
        assert_eq!(content::Entity::find().count(&*tx).await.unwrap(), 2500);
    });
}
