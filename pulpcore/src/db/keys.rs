//! Many keys as one parameter.
//!
//! A list that binds each key is another statement for each length, and is planned each time. One parameter is one
//! statement, whose plan PostgreSQL keeps; it expects few keys in an array, so that it finds their rows by an index (of a
//! document it expects a hundred rows, and reads small tables whole).

use sea_orm::DbBackend;
use sea_orm::prelude::Uuid;

/// The keys as a parameter for [`among`].
pub(crate) fn keys(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> String {
    let (open, quote, close) = if backend == DbBackend::Sqlite { ('[', "\"", ']') } else { ('{', "", '}') };
    let mut all = String::from(open);
    for (n, id) in ids.into_iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        all.push_str(&format!("{comma}{quote}{}{quote}", id.simple()));
    }
    all.push(close);
    all
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
