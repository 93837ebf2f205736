//! The management API: what is the same for every endpoint, whoever declares it.
//!
//! Bodies are checked against the schema that is published ([`validate`], [`schema`]), queries are parsed in one place
//! ([`query`], [`labels`]), errors are drawn from one table ([`render`]).

pub mod docs_page;
pub mod labels;
pub mod query;
pub mod render;
pub mod schema;
pub mod validate;
