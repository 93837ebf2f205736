//! Many values as one parameter.
//!
//! A list that binds each value is another statement for each length, and is planned each time. One parameter is one
//! statement, whose plan PostgreSQL keeps; it expects few keys in an array, so that it finds their rows by an index (of a
//! document it expects a hundred rows, and reads small tables whole).

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, Value};
use serde_json::Value as Json;
use time::format_description::well_known::Rfc3339;

/// That a column is one of these values: in place of `is_in`, which binds each. Keys and texts may be as many as there are;
/// numbers, only on PostgreSQL. A column is never one of none; whoever may have none spares himself the question.
///
/// ```
/// use pulpcore::db::one_of;
/// use pulpcore::models::content;
/// use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter};
/// use uuid::Uuid;
///
/// async fn of_these(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<Vec<content::Model>, DbErr> {
///     let these = one_of(db, content::Column::PulpId, ids.iter().copied());
///     content::Entity::find().filter(these).all(db).await
/// }
/// ```
pub fn one_of<V: Into<Value>>(
    db: &impl ConnectionTrait,
    column: impl ColumnTrait,
    values: impl IntoIterator<Item = V>,
) -> SimpleExpr {
    let values: Vec<Value> = values.into_iter().map(Into::into).collect();
    if values.is_empty() {
        return Expr::val(false);
    }
    let backend = db.get_database_backend();
    let (place, list) = match backend {
        DbBackend::Sqlite => (["?", "?"], document(&values)),
        _ => (["$1", "$2"], of_values(values.iter().cloned())),
    };
    let Some(list) = list else { return column.is_in(values) };
    let column = Expr::col((column.entity_name(), column));
    Expr::cust_with_exprs(contained(backend, place[0], place[1], list.of), [column, Expr::val(list.text)])
}

/// The keys as a parameter for [`among`].
pub(crate) fn keys(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> String {
    let ids = ids.into_iter().map(|id| id.simple().to_string());
    match backend {
        DbBackend::Sqlite => Json::from_iter(ids).to_string(),
        _ => texts(ids),
    }
}

/// That a column is one of the [`keys`] in a parameter, `$1` for instance.
pub(crate) fn among(backend: DbBackend, column: &str, parameter: &str) -> String {
    contained(backend, column, parameter, "uuid")
}

/// That a column is one of the values in a parameter, which are of this type.
fn contained(backend: DbBackend, column: &str, parameter: &str, of: &str) -> String {
    match (backend, of) {
        (DbBackend::Sqlite, "uuid") => format!("{column} IN (SELECT unhex(value) FROM json_each({parameter}))"),
        (DbBackend::Sqlite, _) => format!("{column} IN (SELECT value FROM json_each({parameter}))"),
        _ => format!("{column} = ANY({}::{of}[])", array(parameter, of)),
    }
}

/// Values as SQLite reads them from a JSON document; none unless they are all keys, or all texts.
fn document(values: &[Value]) -> Option<Array> {
    let key = |value: &Value| if let Value::Uuid(Some(id)) = value { Some(id.simple().to_string()) } else { None };
    let text = |value: &Value| if let Value::String(Some(text)) = value { Some(text.clone()) } else { None };
    let all = |of, texts: Option<Vec<String>>| texts.map(|texts| Array { of, text: Json::from(texts).to_string() });
    all("uuid", values.iter().map(key).collect()).or_else(|| all("text", values.iter().map(text).collect()))
}

/// An array that PostgreSQL reads from the text in a parameter. It does not look into it to make a plan for just this one.
pub(crate) fn array(parameter: &str, of: &str) -> String {
    format!("(SELECT {parameter}::text::{of}[])")
}

/// An array for PostgreSQL: the type of its elements, and its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) of: &'static str,
    pub(crate) text: String,
}

/// An array of values that are all of one type; none if they are not, or if it is a type that has no array here.
pub(crate) fn of_values(values: impl IntoIterator<Item = Value>) -> Option<Array> {
    let (types, values): (Vec<_>, Vec<_>) = values.into_iter().map(as_text).collect::<Option<_>>()?;
    let of = *types.first()?;
    types.iter().all(|other| *other == of).then(|| Array { of, text: text(values) })
}

/// Texts as a parameter for [`array`].
pub(crate) fn texts(elements: impl IntoIterator<Item = String>) -> String {
    text(elements.into_iter().map(Some))
}

/// The text of an array with these elements (PostgreSQL, "Array Input and Output Syntax").
fn text(elements: impl IntoIterator<Item = Option<String>>) -> String {
    let mut text = String::from("{");
    for element in elements {
        if text.len() > 1 {
            text.push(',');
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) => quote(&mut text, &element),
        }
    }
    text.push('}');
    text
}

fn quote(text: &mut String, element: &str) {
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// The type of a value, and the value as PostgreSQL reads it.
fn as_text(value: Value) -> Option<(&'static str, Option<String>)> {
    Some(match value {
        Value::Bool(value) => ("boolean", value.map(|value| value.to_string())),
        Value::SmallInt(value) => ("smallint", value.map(|value| value.to_string())),
        Value::Int(value) => ("integer", value.map(|value| value.to_string())),
        Value::BigInt(value) => ("bigint", value.map(|value| value.to_string())),
        Value::Double(value) => ("double precision", value.map(|value| value.to_string())),
        Value::String(value) => ("text", value),
        Value::Uuid(value) => ("uuid", value.map(|value| value.to_string())),
        Value::Json(value) => ("jsonb", value.map(|value| value.to_string())),
        Value::Bytes(value) => ("bytea", value.map(|value| format!("\\x{}", hex::encode(value)))),
        Value::TimeDateTimeWithTimeZone(value) => {
            ("timestamptz", value.map(|value| value.format(&Rfc3339)).transpose().ok()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_array_says_what_is_text_and_what_is_nothing() {
        let texts = [Some("a\"b\\"), None, Some("NULL"), Some(""), Some("{ü,\n}")];
        let text = text(texts.map(|text| text.map(str::to_owned)));
        assert_eq!(text, "{\"a\\\"b\\\\\",NULL,\"NULL\",\"\",\"{ü,\n}\"}");
    }

    #[test]
    fn values_of_one_type_are_an_array() {
        let numbers = of_values([Value::from(1_i64), Value::BigInt(None)]);
        assert_eq!(numbers, Some(Array { of: "bigint", text: "{\"1\",NULL}".to_owned() }));
        assert_eq!(of_values([Value::from(1_i64), Value::from("one")]), None);
        assert_eq!(of_values([]), None);
    }

    #[test]
    fn keys_are_written_as_each_database_reads_them() {
        let (ids, hex) = ([Uuid::nil(), Uuid::max()], ["0".repeat(32), "f".repeat(32)]);
        let [nil, max] = &hex;
        assert_eq!(keys(DbBackend::Postgres, ids), format!("{{\"{nil}\",\"{max}\"}}"));
        assert_eq!(keys(DbBackend::Sqlite, ids), format!("[\"{nil}\",\"{max}\"]"));
        assert_eq!((keys(DbBackend::Postgres, []), keys(DbBackend::Sqlite, [])), ("{}".to_owned(), "[]".to_owned()));
    }

    #[cfg(feature = "sqlite")]
    crate::sample::on_both!(a_column_is_one_of_many_values_and_never_one_of_none, |sample| {
        use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter};

        use crate::models::domain::{Column, Entity};
        let db = sample.app.db.read();
        let count = async |condition| Entity::find().filter(condition).count(db).await.unwrap();
        let many = (0..70_000).map(|_| Uuid::now_v7()).chain([sample.app.domain]);
        assert_eq!(count(one_of(db, Column::PulpId, many)).await, 1);
        assert_eq!(count(one_of(db, Column::Name, ["a\"b\\,{}", "default", "default"])).await, 1);
        assert_eq!(count(one_of(db, Column::Name, ["Default", "NULL"])).await, 0);
        assert_eq!(count(one_of(db, Column::PulpId, Vec::<Uuid>::new())).await, 0);
    });
}
