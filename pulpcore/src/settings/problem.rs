//! Sentences for an operator whose settings are refused.

use figment::error::{Actual, Kind};

use super::names;
use crate::error::Error;

/// What single settings expect, where the parser's own words say too little.
const EXPECTED: &[(&str, &str)] = &[("bind", "an IP address and a port, such as 127.0.0.1:24817")];

/// Says which setting was refused, where it came from, and what was expected.
///
/// `section` is the path under which the values were read, empty for the whole.
pub(super) fn refused(error: figment::Error, section: &str) -> Error {
    let path = error.path.join(".");
    let key = match (section.is_empty(), path.is_empty()) {
        (true, _) => path,
        (false, true) => section.to_owned(),
        (false, false) if path.starts_with(section) => path,
        (false, false) => format!("{section}.{path}"),
    };
    let source = error.metadata.as_ref().map_or_else(String::new, |metadata| format!(" ({})", metadata.name));
    let expected = EXPECTED.iter().find(|(name, _)| *name == key).map(|(_, words)| *words);
    let what = match (error.kind, expected) {
        (Kind::InvalidType(found, _) | Kind::InvalidValue(found, _), Some(words)) => {
            format!(" must be {words}, not {}", shown(&found))
        }
        (Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected), None) => {
            format!(" must be {}, not {}", plain(&expected), shown(&found))
        }
        (Kind::UnknownVariant(found, all), _) => {
            let hint = names::did_you_mean(&found, all.iter().copied());
            format!(" must be one of {}, not '{found}'{hint}", all.join(", "))
        }
        (_, Some(words)) => format!(" must be {words}"),
        (Kind::Message(words), None) if words.starts_with("must ") => format!(" {words}"),
        (kind, None) => format!(": {kind}"),
    };
    Error::Config(format!("'{key}'{source}{what}"))
}

/// serde's words for what it wanted, in an operator's words.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "text (in quotes)",
        "a sequence" => "a list",
        other => other,
    }
}

fn shown(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Str(value) => format!("\"{value}\""),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        Actual::Unit | Actual::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}
