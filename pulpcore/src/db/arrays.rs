//! Many values as one parameter.
//!
//! A list that binds each value is another statement for each length, and is planned each time. One parameter is one
//! statement, whose plan PostgreSQL keeps; it expects few keys in an array, so that it finds their rows by an index (of a
//! document it expects a hundred rows, and reads small tables whole).

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend, Value};
use time::format_description::well_known::Rfc3339;

/// That a column is one of these keys, however many they are.
pub(crate) fn one_of(backend: DbBackend, column: impl ColumnTrait, ids: impl IntoIterator<Item = Uuid>) -> SimpleExpr {
    let place = if backend == DbBackend::Sqlite { ["?", "?"] } else { ["$1", "$2"] };
    let column = Expr::col((column.entity_name(), column));
    Expr::cust_with_exprs(among(backend, place[0], place[1]), [column, Expr::val(keys(backend, ids))])
}

/// The keys as a parameter for [`among`].
pub(crate) fn keys(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> String {
    let ids = ids.into_iter().map(|id| Some(id.simple().to_string()));
    // An array of texts without special characters is written alike in JSON, but for its brackets.
    match (backend, text(ids)) {
        (DbBackend::Sqlite, text) => format!("[{}]", &text[1..text.len() - 1]),
        (_, text) => text,
    }
}

/// That a column is one of the [`keys`] in a parameter, `$1` for instance.
pub(crate) fn among(backend: DbBackend, column: &str, parameter: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("{column} IN (SELECT unhex(value) FROM json_each({parameter}))"),
        _ => format!("{column} = ANY({}::uuid[])", array(parameter, "uuid")),
    }
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
}
