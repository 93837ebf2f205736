//! Master and detail in one query: a statement costs more by being one than by what it reads.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, SelectStatement};
use sea_orm::{FromQueryResult, QueryResult, QueryTrait, Select};
use serde_json::value::RawValue;

use super::family::{View, column};
use super::filters::col;
use crate::error::Result;
use crate::plugin::Noun;

/// What the names of the detail's columns begin with.
const DETAIL: &str = "detail_";

/// A row with the body of its detail, as JSON.
pub(crate) type Whole<M> = (<M as View>::Seen, String);

/// The rows of a noun that a selection of its masters names, with their details.
pub(crate) fn select<M: View>(noun: &Noun, masters: Select<M>) -> SelectStatement {
    let table = (noun.table)();
    let detail = Alias::new(&table.name);
    let of_detail = |name: &str| Expr::col((detail.clone(), Alias::new(name)));
    let mut select = masters.into_query();
    M::widen(&mut select);
    select.inner_join(detail.clone(), of_detail(&table.key).eq(col(column::<M>("pulp_id"))));
    for name in &table.columns {
        let value = if table.unread.contains(name) { Expr::cust("''") } else { of_detail(name) };
        select.expr_as(value, Alias::new(format!("{DETAIL}{name}")));
    }
    select
}

/// One of them.
pub(crate) fn read<M: View>(noun: &Noun, row: &QueryResult) -> Result<Whole<M>> {
    Ok((M::Seen::from_query_result(row, "")?, (noun.read)(row, DETAIL)?))
}

/// One JSON object of several. No map is built of their fields, which for a page of a hundred objects is most of the
/// work.
pub(crate) fn joined(objects: &[&str]) -> Result<Box<RawValue>> {
    let mut text = String::with_capacity(objects.iter().map(|object| object.len()).sum());
    for fields in objects.iter().filter_map(|object| object.strip_prefix('{')?.strip_suffix('}')) {
        let separator = match (text.is_empty(), fields.is_empty()) {
            (true, _) => "{",
            (false, true) => "",
            (false, false) => ",",
        };
        text.push_str(separator);
        text.push_str(fields);
    }
    text.push('}');
    Ok(RawValue::from_string(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_joined_whichever_of_them_are_empty() {
        for (objects, whole) in [
            (&[r#"{"a":1}"#, r#"{"b":"}"}"#][..], r#"{"a":1,"b":"}"}"#),
            (&[r#"{"a":1}"#, "{}", r#"{"b":2}"#], r#"{"a":1,"b":2}"#),
            (&[r#"{"a":1}"#, "{}"], r#"{"a":1}"#),
        ] {
            assert_eq!(joined(objects).unwrap().get(), whole);
        }
    }
}
