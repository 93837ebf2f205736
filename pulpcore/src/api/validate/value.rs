//! The rules, applied: one value at a time, in Django REST framework's words.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Rem;

use serde_json::{Map, Number, Value};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::rules::{Bounds, Fields, Kind, Rule, Text};
use super::{Encoding, REQUIRED, UNEXPECTED};
use crate::api::query::values;

const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const NUL: &str = "Null characters are not allowed.";
const DATETIME: &str = "Datetime has wrong format. Use one of these formats instead: \
                        YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
const DATE: &str = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.";

/// The longest text that is read as a number.
const MAX_DIGITS: usize = 1000;

/// Messages about one value.
type Faults = Vec<String>;

pub(super) struct Checker<'a> {
    pub(super) definitions: &'a BTreeMap<String, Rule>,
    pub(super) encoding: Encoding,
}

impl Checker<'_> {
    /// Checks the fields of an object; `complete` asks for the required ones.
    pub(super) fn fields(
        &self,
        fields: &Fields,
        body: Map<String, Value>,
        complete: bool,
        report: &mut dyn FnMut(&str, String),
    ) -> Map<String, Value> {
        let mut checked = Map::new();
        let mut absent: Vec<&String> = fields.required.iter().filter(|name| !body.contains_key(*name)).collect();
        for (name, value) in body {
            let known = fields.known.get_key_value(&name);
            let Some(rule) = known.map(|(_, rule)| rule).or(fields.rest.as_deref()) else {
                report(&name, UNEXPECTED.into());
                continue;
            };
            if rule.read_only {
                continue;
            }
            let required = fields.required.get(&name);
            let value = match self.encoding {
                Encoding::Json => Some(value),
                Encoding::Form => self.unform(rule, value, required.is_some()),
            };
            match value.map(|value| self.value(rule, value)) {
                Some(Ok(value)) => {
                    checked.insert(name, value);
                }
                Some(Err(faults)) => faults.into_iter().for_each(|fault| report(&name, fault)),
                None => absent.extend(required),
            }
        }
        for name in absent.into_iter().filter(|_| complete) {
            match fields.known.get(name) {
                Some(rule) if rule.read_only => {}
                Some(Rule { kind: Kind::File, .. }) => report(name, "No file was submitted.".into()),
                _ => report(name, REQUIRED.into()),
            }
        }
        checked
    }

    /// Turns what a form can say (strings) into what JSON would have said; `None` means that nothing was said.
    fn unform(&self, rule: &Rule, value: Value, required: bool) -> Option<Value> {
        let target = self.resolve(rule);
        let list = matches!(target.kind, Kind::List { .. });
        let value = match value {
            Value::Array(mut given) if !list => given.pop()?,
            value => value,
        };
        let Value::String(text) = &value else { return Some(value) };
        if text.is_empty() {
            return match &target.kind {
                _ if rule.nullable || target.nullable => Some(Value::Null),
                Kind::List { .. } => Some(Value::Array(Vec::new())),
                Kind::Text(rule) if rule.min == 0 => Some(value),
                _ => required.then_some(value),
            };
        }
        let json = || serde_json::from_str::<Value>(text).ok();
        let read = match &target.kind {
            Kind::List { .. } => json().filter(Value::is_array).or_else(|| Some(Value::Array(vec![value.clone()]))),
            Kind::Map(_) | Kind::Object(_) => json().filter(|json| json.is_object() || json.is_null()),
            Kind::Any | Kind::OneOf(_) => json(),
            _ => None,
        };
        Some(read.unwrap_or(value))
    }

    fn value(&self, rule: &Rule, value: Value) -> Result<Value, Faults> {
        let target = self.resolve(rule);
        if value.is_null() {
            return if rule.nullable || target.nullable { Ok(value) } else { fault(NULL) };
        }
        match &target.kind {
            Kind::Any | Kind::Named(_) => {
                if holds_nul(&value) {
                    fault(NUL)
                } else {
                    Ok(value)
                }
            }
            Kind::File => match self.encoding {
                Encoding::Form => Ok(value),
                Encoding::Json => fault("The submitted data was not a file. Check the encoding type on the form."),
            },
            Kind::Boolean => boolean(&value, rule.nullable || target.nullable),
            Kind::Integer(bounds) => integer(&value, bounds),
            Kind::Number(bounds) => number(value, bounds),
            Kind::Text(rule) => text(value, rule),
            Kind::Uuid => match value.as_str().map(|text| Uuid::parse_str(text.trim())) {
                Some(Ok(id)) => Ok(id.to_string().into()),
                _ => fault("Must be a valid UUID."),
            },
            Kind::DateTime => {
                let time = value.as_str().and_then(|text| values::parse_datetime(text.trim()));
                time.and_then(|time| time.format(&Rfc3339).ok()).map(Value::from).ok_or_else(|| vec![DATETIME.into()])
            }
            Kind::Date => match value.as_str().map(str::trim).filter(|text| values::date(text).is_some()) {
                Some(date) => Ok(date.into()),
                None => fault(DATE),
            },
            Kind::Choice(choices) => {
                let given = plain(&value);
                let known = choices.iter().find(|choice| plain(choice) == given).cloned();
                known.ok_or_else(|| vec![format!("\"{given}\" is not a valid choice.")])
            }
            Kind::List { items, min, max } => self.list(value, items, *min, *max),
            Kind::Map(rule) => self.map(value, rule),
            Kind::Object(fields) => self.object(value, fields),
            Kind::OneOf(rules) => self.one_of(value, rules),
        }
    }

    fn list(&self, value: Value, items: &Rule, min: Option<u64>, max: Option<u64>) -> Result<Value, Faults> {
        let Value::Array(values) = value else {
            return fault(format!("Expected a list of items but got type \"{}\".", python_type(&value)));
        };
        let count = values.len() as u64;
        match (min, max) {
            (Some(1), _) if count == 0 => return fault("This list may not be empty."),
            (Some(min), _) if count < min => return fault(format!("Ensure this field has at least {min} elements.")),
            (_, Some(max)) if count > max => {
                return fault(format!("Ensure this field has no more than {max} elements."));
            }
            _ => {}
        }
        let mut faults = Faults::new();
        let mut checked = Vec::with_capacity(values.len());
        for value in values {
            match self.value(items, value) {
                Ok(value) => checked.push(value),
                // A long list of the same fault says nothing more than one.
                Err(more) => more.into_iter().for_each(|fault| {
                    if faults.len() < 100 && !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }),
            }
        }
        if faults.is_empty() { Ok(checked.into()) } else { Err(faults) }
    }

    fn map(&self, value: Value, rule: &Rule) -> Result<Value, Faults> {
        let Value::Object(members) = value else {
            return fault(format!("Expected a dictionary of items but got type \"{}\".", python_type(&value)));
        };
        let mut faults = Faults::new();
        let mut checked = Map::new();
        for (key, value) in members {
            if key.contains('\0') {
                faults.push(NUL.into());
                continue;
            }
            match self.value(rule, value) {
                Ok(value) => {
                    checked.insert(key, value);
                }
                Err(more) => faults.extend(more.into_iter().map(|fault| format!("{key}: {fault}"))),
            }
        }
        if faults.is_empty() { Ok(checked.into()) } else { Err(faults) }
    }

    fn object(&self, value: Value, fields: &Fields) -> Result<Value, Faults> {
        let Value::Object(members) = value else {
            return fault(format!("Invalid data. Expected a dictionary, but got {}.", python_type(&value)));
        };
        let mut faults = Faults::new();
        // Within a form, nested values were JSON text: they are JSON from here on.
        let inner = Checker { definitions: self.definitions, encoding: Encoding::Json };
        let checked = inner.fields(fields, members, true, &mut |name, fault| faults.push(format!("{name}: {fault}")));
        if faults.is_empty() { Ok(checked.into()) } else { Err(faults) }
    }

    /// The first alternative that fits; else what the alternative of the value's own type has to say.
    fn one_of(&self, value: Value, rules: &[Rule]) -> Result<Value, Faults> {
        let fits = |rule: &&Rule| match self.resolve(rule).kind {
            Kind::Object(_) | Kind::Map(_) => value.is_object(),
            Kind::List { .. } => value.is_array(),
            Kind::Boolean => value.is_boolean(),
            Kind::Integer(_) => value.is_i64() || value.is_u64(),
            Kind::Number(_) => value.is_number(),
            Kind::OneOf(_) | Kind::Any | Kind::Named(_) => true,
            _ => value.is_string(),
        };
        let (likely, others): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(fits);
        let mut first = None;
        for rule in likely.into_iter().chain(others) {
            match self.value(rule, value.clone()) {
                Ok(value) => return Ok(value),
                Err(faults) => {
                    first.get_or_insert(faults);
                }
            }
        }
        Err(first.unwrap_or_default())
    }

    /// Follows references to a rule that says something. A cycle of nothing but references ends at one of them.
    fn resolve<'r>(&'r self, rule: &'r Rule) -> &'r Rule {
        let mut rule = rule;
        for _ in 0..16 {
            match &rule.kind {
                Kind::Named(name) => match self.definitions.get(name) {
                    Some(next) => rule = next,
                    None => break,
                },
                _ => break,
            }
        }
        rule
    }
}

fn boolean(value: &Value, nullable: bool) -> Result<Value, Faults> {
    let text = match value {
        Value::Bool(_) => return Ok(value.clone()),
        Value::String(text) => text.to_lowercase(),
        Value::Number(number) if number.as_f64() == Some(1.0) => "1".into(),
        Value::Number(number) if number.as_f64() == Some(0.0) => "0".into(),
        _ => String::new(),
    };
    match text.as_str() {
        "t" | "y" | "yes" | "true" | "on" | "1" => Ok(true.into()),
        "f" | "n" | "no" | "false" | "off" | "0" => Ok(false.into()),
        "null" | "" if nullable && value.is_string() => Ok(Value::Null),
        _ => fault("Must be a valid boolean."),
    }
}

fn integer(value: &Value, bounds: &Bounds<i128>) -> Result<Value, Faults> {
    let number = match value {
        Value::Number(number) => number.as_i128().or_else(|| {
            // Beyond 2^100 the bounds have long refused it; the cast below saturates.
            number.as_f64().filter(|float| float.fract() == 0.0).map(|float| float as i128)
        }),
        Value::String(text) if text.len() > MAX_DIGITS => return fault("String value too large."),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0'));
            whole.map_or(text, |(whole, _)| whole).parse().ok()
        }
        _ => None,
    };
    let Some(number) = number else { return fault("A valid integer is required.") };
    check_bounds(number, bounds)?;
    // The bounds of an integer lie within 64 bits.
    Ok(i64::try_from(number).map_or_else(|_| value.clone(), Value::from))
}

fn number(value: Value, bounds: &Bounds<f64>) -> Result<Value, Faults> {
    let number = match &value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.len() > MAX_DIGITS => return fault("String value too large."),
        Value::String(text) => text.trim().parse().ok().filter(|float: &f64| float.is_finite()),
        _ => None,
    };
    let Some(number) = number else { return fault("A valid number is required.") };
    check_bounds(number, bounds)?;
    Ok(if value.is_number() { value } else { Number::from_f64(number).map_or(value, Value::Number) })
}

fn check_bounds<N>(number: N, bounds: &Bounds<N>) -> Result<(), Faults>
where
    N: PartialOrd + Copy + Debug + Default + Rem<Output = N>,
{
    let mut faults = Faults::new();
    if let Some(max) = bounds.max.filter(|max| number > *max) {
        faults.push(format!("Ensure this value is less than or equal to {max:?}."));
    }
    if let Some(below) = bounds.below.filter(|below| number >= *below) {
        faults.push(format!("Ensure this value is less than {below:?}."));
    }
    if let Some(min) = bounds.min.filter(|min| number < *min) {
        faults.push(format!("Ensure this value is greater than or equal to {min:?}."));
    }
    if let Some(above) = bounds.above.filter(|above| number <= *above) {
        faults.push(format!("Ensure this value is greater than {above:?}."));
    }
    if let Some(step) = bounds.step.filter(|step| *step != N::default() && number % *step != N::default()) {
        faults.push(format!("Ensure this value is a multiple of step size {step:?}."));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn text(value: Value, rule: &Text) -> Result<Value, Faults> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return fault("Not a valid string."),
    };
    let text = if rule.trim { text.trim() } else { text.as_str() };
    if text.is_empty() {
        return if rule.min > 0 { fault(BLANK) } else { Ok(text.into()) };
    }
    let mut faults = Faults::new();
    let length = text.chars().count() as u64;
    if text.contains('\0') {
        faults.push(NUL.into());
    }
    if let Some(max) = rule.max.filter(|max| length > *max) {
        faults.push(format!("Ensure this field has no more than {max} characters."));
    }
    if length < rule.min {
        faults.push(format!("Ensure this field has at least {} characters.", rule.min));
    }
    if rule.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
        faults.push("This value does not match the required pattern.".into());
    }
    if rule.email && !text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
        faults.push("Enter a valid email address.".into());
    }
    if faults.is_empty() { Ok(text.into()) } else { Err(faults) }
}

/// A value as Python's `str()` writes the simple ones.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

pub(crate) fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// PostgreSQL stores no NUL, neither as text nor as JSON. (JSON input nests at most 128 deep: serde_json's bound.)
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

fn fault<T>(message: impl Into<String>) -> Result<T, Faults> {
    Err(vec![message.into()])
}
