//! The management API: what is the same for every endpoint, whoever declares it.
//!
//! Bodies are checked against the schema that is published ([`validate`], [`schema`]), queries are parsed in one place
//! ([`query`], [`labels`]), errors are drawn from one table ([`render`]).

pub mod bodies;
pub mod catalog;
pub mod collection;
pub mod cx;
mod docs;
pub mod docs_page;
pub mod endpoint;
pub(crate) mod families;
pub(crate) mod family;
pub mod filters;
pub(crate) mod input;
pub mod labels;
pub(crate) mod list;
pub mod openapi;
pub mod query;
pub mod reader;
pub mod render;
pub(crate) mod resources;
pub mod router;
pub mod schema;
pub(crate) mod shape;
pub mod validate;
mod whole;

use crate::error::Error;

/// The error for a thing that is not there, in Django's words.
pub(crate) fn not_found(model: &str) -> Error {
    Error::NotFound(format!("No {model} matches the given query."))
}
