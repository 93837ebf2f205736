//! Query strings: parsed once, read by name.
//!
//! [`Query`] holds the pairs. On it stand the page ([`page::Page`]), the selection of fields
//! ([`fields::FieldSelection`]), the values of filters ([`values`]) and the `q` language ([`expr`]).

pub mod expr;
pub mod fields;
pub mod page;
pub mod values;

pub use expr::Expr;
pub use fields::FieldSelection;
pub use page::{Links, Page};

use crate::error::{Error, Result};

/// The most pairs that a query string may hold (as many as Django reads).
pub const MAX_PAIRS: usize = 1000;

/// A decoded query string, in the order in which it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a raw query string (what stands after the `?`).
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_PAIRS`] pairs.
    pub fn parse(raw: Option<&str>) -> Result<Self> {
        let pairs: Vec<_> =
            url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().take(MAX_PAIRS + 1).collect();
        if pairs.len() > MAX_PAIRS {
            return Err(Error::TooLarge(format!("A query has no more than {MAX_PAIRS} parameters.")));
        }
        Ok(Self(pairs))
    }

    /// The value of a name; the last one if it was given more than once, as in Django.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_the_last_of_a_name_wins() {
        let query = Query::parse(Some("name=a+b&name=%C3%A9&empty")).unwrap();
        assert_eq!(query.get("name"), Some("é"));
        assert_eq!(query.all("name").collect::<Vec<_>>(), ["a b", "é"]);
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get("other"), None);
        assert_eq!(Query::parse(None).unwrap(), Query::default());
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        assert!(Query::parse(Some(&"a=1&".repeat(MAX_PAIRS))).is_ok());
        assert!(matches!(Query::parse(Some(&"a=1&".repeat(MAX_PAIRS + 1))), Err(Error::TooLarge(_))));
    }
}
