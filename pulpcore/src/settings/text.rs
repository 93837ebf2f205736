//! Values written as text: environment variables and the command line.
//!
//! Text has no types, so the setting's default says what it means. Guessing would turn a password of digits into a
//! number and lose its leading zeros.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Empty, Num, Value};

/// Reads `text` as the kind of value that `default` is. Text that does not fit stays text: the typed struct then
/// refuses it and says what it expected.
pub(super) fn value(text: &str, default: &Value) -> Value {
    let trimmed = text.trim();
    match default {
        Value::Bool(..) => boolean(trimmed).map_or_else(|| text.into(), Value::from),
        Value::Num(_, kind) => number(trimmed, *kind).unwrap_or_else(|| text.into()),
        Value::Array(..) => list(trimmed),
        // Only optional settings have no default, and `PULP_X=` is how compose files leave one out.
        Value::Empty(..) if text.is_empty() => Value::from(Empty::None),
        _ => text.into(),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn number(text: &str, kind: Num) -> Option<Value> {
    if matches!(kind, Num::F32(_) | Num::F64(_)) {
        return text.parse::<f64>().ok().map(Value::from);
    }
    let unsigned = text.parse::<u64>().ok().map(Value::from);
    unsigned.or_else(|| text.parse::<i64>().ok().map(Value::from))
}

/// A JSON or TOML array, or words with commas between them. Pulp's `@json` in front is understood.
fn list(text: &str) -> Value {
    let text = text.strip_prefix("@json").unwrap_or(text).trim();
    if text.starts_with('[')
        && let Ok(mut table) = Toml::from_str::<Dict>(&format!("list = {text}"))
        && let Some(list @ Value::Array(..)) = table.remove("list")
    {
        return list;
    }
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(Value::from).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        value(text, &Vec::<String>::new().into()).deserialize().unwrap()
    }

    #[test]
    fn a_list_is_json_or_toml_or_words_with_commas() {
        for text in ["a,b", " a , b,", r#"["a", "b"]"#, "['a', 'b']", r#"@json ["a","b"]"#] {
            assert_eq!(words(text), ["a", "b"], "{text}");
        }
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("[]"), Vec::<String>::new());
    }

    #[test]
    fn digits_stay_text_where_text_is_expected() {
        assert_eq!(value("007", &"".into()).as_str(), Some("007"));
        assert_eq!(value("007", &Empty::None.into()).as_str(), Some("007"));
        assert_eq!(value("7", &1_u64.into()).to_u128(), Some(7));
        assert_eq!(value("-7", &1_u64.into()).to_i128(), Some(-7));
        assert_eq!(value("seven", &1_u64.into()).as_str(), Some("seven"));
    }

    #[test]
    fn truth_has_many_names() {
        for (text, expected) in [("True", true), ("1", true), ("on", true), ("no", false), ("FALSE", false)] {
            assert_eq!(value(text, &true.into()).to_bool(), Some(expected), "{text}");
        }
        assert_eq!(value("maybe", &true.into()).as_str(), Some("maybe"));
    }
}
