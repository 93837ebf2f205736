//! Many rows in few statements.
//!
//! A statement that binds each value of each row is compiled anew for thousands of parameters. PostgreSQL takes the rows as
//! one JSON document instead, and reads it by the types of the table's columns; SQLite, in the same process, binds.

use sea_orm::sea_query::{Expr, ExprTrait, Func, OnConflict, Query, SelectStatement, sea_value_to_json_value};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, QueryTrait, Value,
};
use serde_json::{Map, Value as Json};
use time::format_description::well_known::Rfc3339;

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
        let document = match tx.get_database_backend() {
            DbBackend::Postgres => document::<A>(&some)?,
            _ => None,
        };
        let mut statement = match document {
            Some((columns, document)) => Query::insert()
                .into_table(A::Entity::default())
                .columns(columns.iter().copied())
                .select_from(read::<A::Entity>(&columns, document))
                .map_err(Error::internal)?
                .take(),
            None => A::Entity::insert_many(some).into_query(),
        };
        if let Some(conflict) = conflict {
            statement.on_conflict(conflict.clone());
        }
        affected += tx.execute(&statement).await?.rows_affected();
    }
    Ok(affected)
}

type Column<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;

/// The rows as JSON, with the columns that they set; none if they set different ones, or a value that JSON cannot say.
fn document<A: ActiveModelTrait>(rows: &[A]) -> Result<Option<(Vec<Column<A>>, String)>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let is_set = |row: &A, column| !matches!(row.get(column), ActiveValue::NotSet);
    let (columns, unset): (Vec<_>, Vec<_>) = Column::<A>::iter().partition(|column| is_set(first, *column));
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let mut members = Map::new();
        for column in &columns {
            let Some(value) = row.get(*column).into_value().and_then(json) else { return Ok(None) };
            members.insert(column.as_str().to_owned(), value);
        }
        if unset.iter().any(|column| is_set(row, *column)) {
            return Ok(None);
        }
        all.push(members);
    }
    Ok(Some((columns, serde_json::to_string(&all)?)))
}

fn json(value: Value) -> Option<Json> {
    match value {
        Value::TimeDateTimeWithTimeZone(Some(time)) => time.format(&Rfc3339).ok().map(Json::String),
        Value::TimeDate(Some(_)) | Value::TimeTime(Some(_)) | Value::TimeDateTime(Some(_)) => None,
        Value::Bytes(Some(bytes)) => Some(format!("\\x{}", hex::encode(bytes)).into()),
        // It would be read as no value at all.
        Value::Json(Some(json)) if matches!(*json, Json::Null) => None,
        Value::Bool(_)
        | Value::SmallInt(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Double(_)
        | Value::String(_)
        | Value::Json(_)
        | Value::Uuid(_)
        | Value::TimeDateTimeWithTimeZone(None)
        | Value::Bytes(None) => Some(sea_value_to_json_value(&value)),
        _ => None,
    }
}

fn read<E: EntityTrait>(columns: &[E::Column], document: String) -> SelectStatement {
    let table = E::default();
    let of_the_table = Expr::cust(format!("NULL::\"{}\"", table.table_name()));
    let rows = Func::cust("json_populate_recordset").arg(of_the_table).arg(Expr::val(document).cast_as("json"));
    Query::select().columns(columns.iter().copied()).from_function(rows, "given").take()
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
