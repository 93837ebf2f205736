//! Labels: what a key may look like, and the language of `pulp_label_select`.

use std::borrow::Borrow;

use crate::error::{Error, Result};

/// The name of the query parameter.
const PARAMETER: &str = "pulp_label_select";

/// The most terms of one selection.
const MAX_TERMS: usize = 100;

/// One condition on the labels of an object. An object is selected if all of them hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelTerm {
    /// `k`: the key is there, whatever its value.
    Has(String),
    /// `!k`: the key is not there.
    Lacks(String),
    /// `k=v`: the key has this value.
    Is(String, String),
    /// `k!=v`: the key is there and has another value (or none).
    IsNot(String, String),
    /// `k~v`: the key's value contains this, in any case.
    Contains(String, String),
}

impl LabelTerm {
    /// Parses the value of `pulp_label_select`: terms joined by commas; `\,` is a comma within a value.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `pulp_label_select`, naming the term that cannot be read.
    pub fn parse(text: &str) -> Result<Vec<Self>> {
        let terms = split(text);
        if terms.len() > MAX_TERMS {
            return Err(Error::invalid(PARAMETER, format!("Ensure there are no more than {MAX_TERMS} terms.")));
        }
        terms.iter().map(|term| Self::parse_one(term)).collect()
    }

    fn parse_one(term: &str) -> Result<Self> {
        let (negated, rest) = match term.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, term),
        };
        let (key, rest) = rest.split_at(rest.find(|c| !is_key_char(c)).unwrap_or(rest.len()));
        let operator = ["!=", "=", "~"].into_iter().find(|operator| rest.starts_with(operator));
        if key.is_empty() || (operator.is_none() && !rest.is_empty()) {
            return Err(Error::invalid(PARAMETER, format!("Invalid search term: '{term}'.")));
        }
        let key = key.to_owned();
        let Some(operator) = operator else {
            return Ok(if negated { Self::Lacks(key) } else { Self::Has(key) });
        };
        if negated {
            return Err(Error::invalid(PARAMETER, format!("Cannot use an operator with '!{key}'.")));
        }
        let value = rest[operator.len()..].replace("\\,", ",");
        Ok(match operator {
            "=" => Self::Is(key, value),
            "!=" => Self::IsNot(key, value),
            _ => Self::Contains(key, value),
        })
    }
}

/// Checks a label's key: letters, digits, `_`, space, `.` and `-`, and at least one of them.
///
/// # Errors
/// [`Error::Invalid`] on `pulp_labels`.
pub fn check_key(key: &str) -> Result<()> {
    if !key.is_empty() && key.chars().all(is_key_char) {
        return Ok(());
    }
    let allowed = "Only alphanumerics, underscores, spaces, hyphens, and dots are allowed.";
    Err(Error::invalid("pulp_labels", format!("Key '{key}' contains invalid characters. {allowed}")))
}

/// Checks a label: its key ([`check_key`]), and no parentheses in its value.
///
/// # Errors
/// [`Error::Invalid`] on `pulp_labels`.
pub fn check_label(key: &str, value: Option<&str>) -> Result<()> {
    check_key(key)?;
    match value {
        Some(value) if value.contains(['(', ')']) => {
            Err(Error::invalid("pulp_labels", format!("Key '{key}' contains value with parenthesis.")))
        }
        _ => Ok(()),
    }
}

/// Checks all labels of a body (any map of keys to values or nulls); the first fault is reported.
///
/// # Errors
/// [`Error::Invalid`] on `pulp_labels`.
pub fn check<K: AsRef<str>, V: Borrow<Option<String>>>(labels: impl IntoIterator<Item = (K, V)>) -> Result<()> {
    labels.into_iter().try_for_each(|(key, value)| check_label(key.as_ref(), value.borrow().as_deref()))
}

/// What Python's `\w` matches, a space, a dot or a hyphen.
fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || "_ .-".contains(c)
}

/// Splits at commas that no backslash precedes.
fn split(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        if !text[..at].ends_with('\\') {
            terms.push(&text[start..at]);
            start = at + 1;
        }
    }
    terms.push(&text[start..]);
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn fails(text: &str) -> String {
        LabelTerm::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn all_terms_are_read() {
        assert_eq!(
            LabelTerm::parse(r"env,!old,tier=gold,tier!=tin,note~A\,b=c,e=").unwrap(),
            [
                LabelTerm::Has("env".into()),
                LabelTerm::Lacks("old".into()),
                LabelTerm::Is("tier".into(), "gold".into()),
                LabelTerm::IsNot("tier".into(), "tin".into()),
                LabelTerm::Contains("note".into(), "A,b=c".into()),
                LabelTerm::Is("e".into(), String::new()),
            ]
        );
        assert_eq!(LabelTerm::parse("my key.a-ü_1").unwrap(), [LabelTerm::Has("my key.a-ü_1".into())]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(fails(""), "pulp_label_select: Invalid search term: ''.");
        assert_eq!(fails("a,,b"), "pulp_label_select: Invalid search term: ''.");
        assert_eq!(fails("a%b"), "pulp_label_select: Invalid search term: 'a%b'.");
        assert_eq!(fails("=v"), "pulp_label_select: Invalid search term: '=v'.");
        assert_eq!(fails("!!a"), "pulp_label_select: Invalid search term: '!!a'.");
        assert_eq!(fails("!a=v"), "pulp_label_select: Cannot use an operator with '!a'.");
        assert_eq!(fails("!a!=v"), "pulp_label_select: Cannot use an operator with '!a'.");
        assert!(fails(&"a,".repeat(500)).contains("no more than 100 terms"));
    }

    #[test]
    fn bodies_are_checked_with_pulps_words() {
        check(&HashMap::from([("a b.c-d_1".to_owned(), Some("x, y".to_owned())), ("b".to_owned(), None)])).unwrap();
        assert!(check_key("").is_err());
        assert_eq!(
            check_key("a%").unwrap_err().to_string(),
            "pulp_labels: Key 'a%' contains invalid characters. \
             Only alphanumerics, underscores, spaces, hyphens, and dots are allowed."
        );
        assert_eq!(
            check([("a", Some("(x".to_owned()))]).unwrap_err().to_string(),
            "pulp_labels: Key 'a' contains value with parenthesis."
        );
    }
}
