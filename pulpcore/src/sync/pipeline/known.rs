//! Units by their natural key.

use std::collections::HashMap;
use std::fmt::Write;

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, IdenStatic, Iterable, ModelTrait, Value};
use uuid::Uuid;

use crate::db::{self, array, of_values, rows_per_statement};
use crate::error::Result;
use crate::plugin::{Content, key};

/// The columns by which units of a type are the same: its natural key, and the domain that its table keeps.
pub(super) fn columns<C: Content>() -> Vec<C::Column> {
    let mut columns = C::NATURAL_KEY.to_vec();
    if let Some(domain) = domain::<C>()
        && columns.iter().all(|column| column.as_str() != domain.as_str())
    {
        columns.push(domain);
    }
    columns
}

/// The column of the domain, if the table has one.
pub(super) fn domain<C: Content>() -> Option<C::Column> {
    C::Column::iter().find(|column| column.as_str() == "pulp_domain_id")
}

/// What a unit has in those columns.
pub(super) fn value<C: Content>(row: &C::Model) -> Vec<Value> {
    columns::<C>().into_iter().map(|column| row.get(column)).collect()
}

#[derive(FromQueryResult)]
struct Found {
    /// Its place in the list, from 1 on.
    n: i64,
    id: Uuid,
}

/// The keys of those units that are in the database, by their place in `wanted`.
pub(super) async fn find<C: Content>(db: &impl ConnectionTrait, wanted: &[&C::Model]) -> Result<HashMap<usize, Uuid>> {
    let columns = columns::<C>();
    let mut found = HashMap::new();
    let most = rows_per_statement(columns.len());
    for (nth, rows) in wanted.chunks(most).enumerate() {
        let (sql, values) = query::<C>(&columns, rows, db.get_database_backend());
        let rows = db::rows::<Found>(db, &sql, values).await?;
        found.extend(rows.into_iter().filter_map(|row| Some((nth * most + usize::try_from(row.n - 1).ok()?, row.id))));
    }
    Ok(found)
}

/// One statement that looks up each of a list of keys.
fn query<C: Content>(columns: &[C::Column], rows: &[&C::Model], backend: DbBackend) -> (String, Vec<Value>) {
    let (list, values) = match backend {
        DbBackend::Sqlite => None,
        _ => by_column::<C>(columns, rows),
    }
    .unwrap_or_else(|| by_row::<C>(columns, rows, backend));
    let same: Vec<_> =
        columns.iter().enumerate().map(|(c, column)| format!("d.\"{}\" = w.c{c}", column.as_str())).collect();
    // The order of a `CROSS JOIN` is kept by SQLite: it walks the list and looks each key up in the index.
    let sql = format!(
        "WITH {list} SELECT CAST(w.n AS BIGINT) AS n, d.\"{}\" AS id FROM w CROSS JOIN \"{}\" d WHERE {}",
        key::<C>().as_str(),
        C::default().table_name(),
        same.join(" AND "),
    );
    (sql, values)
}

/// The list as one array a column: the same statement for every length. None if a column is of a type without arrays.
fn by_column<C: Content>(columns: &[C::Column], rows: &[&C::Model]) -> Option<(String, Vec<Value>)> {
    let (mut names, mut arrays, mut values) = (String::new(), String::new(), Vec::new());
    for (c, column) in columns.iter().enumerate() {
        let of = of_values(rows.iter().map(|row| row.get(*column)))?;
        values.push(of.text.into());
        // Writing to a `String` cannot fail.
        let _ = write!(names, "c{c}, ");
        let _ = write!(arrays, "{}{}", if c == 0 { "" } else { ", " }, array(&format!("${}", c + 1), of.of));
    }
    Some((format!("w ({names}n) AS (SELECT * FROM unnest({arrays}) WITH ORDINALITY)"), values))
}

/// The list as rows of values.
fn by_row<C: Content>(columns: &[C::Column], rows: &[&C::Model], backend: DbBackend) -> (String, Vec<Value>) {
    let mut values = Vec::with_capacity(rows.len() * columns.len());
    let names: String = (0..columns.len()).map(|c| format!(", c{c}")).collect();
    let mut list = format!("w (n{names}) AS (VALUES ");
    for (n, row) in rows.iter().enumerate() {
        let _ = write!(list, "{}({}", if n == 0 { "" } else { "," }, n + 1);
        for column in columns {
            values.push(row.get(*column));
            // Numbered values are named ones to SQLite, which looks each name up in the list of all.
            let _ = match backend {
                DbBackend::Sqlite => write!(list, ",?"),
                _ => write!(list, ",${}", values.len()),
            };
        }
        list.push(')');
    }
    list.push(')');
    (list, values)
}
