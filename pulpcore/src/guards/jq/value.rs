//! The values that filters work on: JSON, of which every step is counted.
//!
//! A loop of the interpreter copies, makes, compares or reads a value each time round. So the values themselves count, and
//! when the steps of a run are used up they unwind the thread to where the run began ([`counted`]).

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::panic::resume_unwind;
use std::sync::Arc;

use jaq_core::box_iter::box_once;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValT, ValX};
use serde_json::Value;

thread_local! {
    /// The steps that the run on this thread may still take.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Runs something that may take so many steps.
///
/// # Panics
/// When they are used up, without a message.
pub(super) fn counted<T>(steps: usize, run: impl FnOnce() -> T) -> T {
    LEFT.set(steps);
    run()
}

fn count(steps: usize) {
    match LEFT.get().checked_sub(steps) {
        Some(left) => LEFT.set(left),
        None => resume_unwind(Box::new("out of steps")),
    }
}

/// A JSON value. Numbers are floating-point, as in jq.
#[derive(Debug)]
pub(in crate::guards) enum Val {
    Null,
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    Array(Arc<Vec<Val>>),
    Object(Arc<BTreeMap<Arc<str>, Val>>),
}

use Val::{Array, Bool, Null, Number, Object, Text};

type Result = ValR<Val>;

impl Val {
    pub(in crate::guards) fn as_str(&self) -> Option<&str> {
        match self {
            Text(text) => Some(text),
            _ => None,
        }
    }

    /// `type`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Null => "null",
            Bool(_) => "boolean",
            Number(_) => "number",
            Text(_) => "string",
            Array(_) => "array",
            Object(_) => "object",
        }
    }

    /// `length`.
    pub(super) fn length(self) -> Result {
        let length = match &self {
            Null => 0.0,
            Number(number) => number.abs(),
            Text(text) => text.chars().count() as f64,
            Array(items) => items.len() as f64,
            Object(fields) => fields.len() as f64,
            Bool(_) => return Err(Error::str(format_args!("a boolean has no length"))),
        };
        Ok(Number(length))
    }

    /// `ascii_downcase`.
    pub(super) fn lower(self) -> Result {
        match self.as_str() {
            Some(text) => Ok(Self::from(text.to_ascii_lowercase())),
            None => Err(Error::typ(self, "string")),
        }
    }

    /// `has`.
    pub(super) fn has(self, key: &Self) -> Result {
        match (&self, key) {
            (Object(fields), Text(key)) => Ok(Bool(fields.contains_key(key))),
            (Array(items), Number(at)) => Ok(Bool(*at >= 0.0 && *at < items.len() as f64)),
            _ => Err(Error::index(self, key.clone())),
        }
    }

    /// `contains`.
    pub(super) fn contains(self, part: &Self) -> Result {
        Ok(Bool(holds(&self, part)))
    }

    /// A question about two texts.
    pub(super) fn compared(self, other: &Self, question: impl Fn(&str, &str) -> bool) -> Result {
        match (self.as_str(), other.as_str()) {
            (Some(text), Some(other)) => Ok(Bool(question(text, other))),
            _ => Err(Error::typ(self, "string")),
        }
    }

    /// The place of an index counted from the front, or from the end if it is negative.
    fn place(at: f64, length: usize) -> Option<usize> {
        let at = at.floor();
        let place = if at < 0.0 { at + length as f64 } else { at };
        (place >= 0.0 && place < length as f64).then_some(place as usize)
    }

    fn rank(&self) -> u8 {
        match self {
            Null => 0,
            Bool(false) => 1,
            Bool(true) => 2,
            Number(_) => 3,
            Text(_) => 4,
            Array(_) => 5,
            Object(_) => 6,
        }
    }

    fn write(&self, text: &mut String) {
        count(1);
        match self {
            Null => text.push_str("null"),
            Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            // As jq does, whole numbers are written without a fraction.
            Number(number) if number.fract() == 0.0 && number.abs() < 1e17 => text.push_str(&format!("{number:.0}")),
            Number(number) => text.push_str(&Value::from(*number).to_string()),
            Text(value) => {
                count(value.len() / 64);
                text.push_str(&Value::from(&**value).to_string());
            }
            Array(items) => {
                text.push('[');
                for (nth, item) in items.iter().enumerate() {
                    text.push_str(if nth > 0 { "," } else { "" });
                    item.write(text);
                }
                text.push(']');
            }
            Object(fields) => {
                text.push('{');
                for (nth, (key, value)) in fields.iter().enumerate() {
                    text.push_str(if nth > 0 { "," } else { "" });
                    text.push_str(&Value::from(&**key).to_string());
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

fn holds(whole: &Val, part: &Val) -> bool {
    count(1);
    match (whole, part) {
        (Text(whole), Text(part)) => {
            count(whole.len() / 64);
            whole.contains(&**part)
        }
        (Array(whole), Array(parts)) => parts.iter().all(|part| whole.iter().any(|item| holds(item, part))),
        (Object(whole), Object(parts)) => {
            parts.iter().all(|(key, part)| whole.get(key).is_some_and(|value| holds(value, part)))
        }
        _ => whole == part,
    }
}

impl Clone for Val {
    fn clone(&self) -> Self {
        count(1);
        match self {
            Null => Null,
            Bool(value) => Bool(*value),
            Number(number) => Number(*number),
            Text(text) => Text(Arc::clone(text)),
            Array(items) => Array(Arc::clone(items)),
            Object(fields) => Object(Arc::clone(fields)),
        }
    }
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        count(1);
        match value {
            Value::Null => Null,
            Value::Bool(value) => Bool(value),
            Value::Number(number) => Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::from(text),
            Value::Array(items) => items.into_iter().map(Self::from).collect(),
            Value::Object(fields) => {
                Object(Arc::new(fields.into_iter().map(|(key, value)| (key.into(), Self::from(value))).collect()))
            }
        }
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        count(1);
        Bool(value)
    }
}

impl From<isize> for Val {
    fn from(number: isize) -> Self {
        count(1);
        Number(number as f64)
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        count(1 + text.len() / 64);
        Text(text.into())
    }
}

impl From<Range<Val>> for Val {
    fn from(range: Range<Val>) -> Self {
        let bound = |name: &str, bound: Option<Val>| (Arc::from(name), bound.unwrap_or(Null));
        Object(Arc::new([bound("start", range.start), bound("end", range.end)].into()))
    }
}

impl FromIterator<Val> for Val {
    fn from_iter<I: IntoIterator<Item = Val>>(items: I) -> Self {
        Array(Arc::new(items.into_iter().inspect(|_| count(1)).collect()))
    }
}

impl fmt::Display for Val {
    /// Text as it is, anything else as JSON: what an error says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text(text) => f.write_str(text),
            _ => {
                let mut text = String::new();
                self.write(&mut text);
                f.write_str(&text)
            }
        }
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        count(1);
        match (self, other) {
            (Number(one), Number(other)) => one.partial_cmp(other),
            (Text(one), Text(other)) => {
                count(one.len().min(other.len()) / 64);
                one.partial_cmp(other)
            }
            (Array(one), Array(other)) => one.partial_cmp(other),
            (Object(one), Object(other)) => {
                count(one.len().min(other.len()));
                match one.keys().cmp(other.keys()) {
                    Ordering::Equal => one.values().partial_cmp(other.values()),
                    order => Some(order),
                }
            }
            _ => Some(self.rank().cmp(&other.rank())),
        }
    }
}

impl Add for Val {
    type Output = Result;

    fn add(self, other: Self) -> Result {
        match (self, other) {
            (Null, value) | (value, Null) => Ok(value),
            (Number(one), Number(other)) => Ok(Number(one + other)),
            (Text(one), Text(other)) => Ok(Self::from([&*one, &*other].concat())),
            (Array(one), Array(other)) => Ok(one.iter().chain(other.iter()).cloned().collect()),
            (Object(one), Object(other)) => {
                let fields = one.iter().chain(other.iter()).map(|(key, value)| (Arc::clone(key), value.clone()));
                Ok(Object(Arc::new(fields.collect())))
            }
            (one, other) => Err(Error::math(one, jaq_core::ops::Math::Add, other)),
        }
    }
}

macro_rules! arithmetic {
    ($($operation:ident $name:ident $sign:tt),*) => {
        $(impl $operation for Val {
            type Output = Result;

            fn $name(self, other: Self) -> Result {
                count(1);
                match (self, other) {
                    (Number(one), Number(other)) => Ok(Number(one $sign other)),
                    (one, other) => Err(Error::math(one, jaq_core::ops::Math::$operation, other)),
                }
            }
        })*
    };
}
arithmetic!(Sub sub -, Mul mul *, Div div /, Rem rem %);

impl Neg for Val {
    type Output = Result;

    fn neg(self) -> Result {
        match self {
            Number(number) => Ok(Number(-number)),
            other => Err(Error::typ(other, "number")),
        }
    }
}

impl ValT for Val {
    fn from_num(text: &str) -> Result {
        count(1);
        text.parse().map(Number).map_err(|_| Error::str("not a number"))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(fields: I) -> Result {
        count(1);
        let field = |(key, value)| match key {
            Text(key) => Ok((key, value)),
            other => Err(Error::typ(other, "string")),
        };
        Ok(Object(Arc::new(fields.into_iter().map(field).collect::<std::result::Result<_, _>>()?)))
    }

    fn key_values(self) -> Box<dyn Iterator<Item = ValR<(Self, Self), Self>>> {
        match self {
            Array(items) => Box::new((0..items.len()).map(move |at| Ok((Number(at as f64), items[at].clone())))),
            Object(fields) => {
                let fields: Vec<_> = fields.iter().map(|(key, value)| (Text(Arc::clone(key)), value.clone())).collect();
                Box::new(fields.into_iter().map(Ok))
            }
            other => box_once(Err(Error::typ(other, "iterable (array or object)"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = Result>> {
        match self {
            Array(items) => Box::new((0..items.len()).map(move |at| Ok(items[at].clone()))),
            Object(fields) => Box::new(fields.values().cloned().collect::<Vec<_>>().into_iter().map(Ok)),
            other => box_once(Err(Error::typ(other, "iterable (array or object)"))),
        }
    }

    fn index(self, index: &Self) -> Result {
        match (self, index) {
            (Null, _) => Ok(Null),
            (Array(items), Number(at)) => Ok(Self::place(*at, items.len()).map_or(Null, |at| items[at].clone())),
            (Object(fields), Text(key)) => Ok(fields.get(key).map_or(Null, Self::clone)),
            (value, index) => Err(Error::index(value, index.clone())),
        }
    }

    fn range(self, range: Range<&Self>) -> Result {
        let Array(items) = &self else { return Err(Error::typ(self, "array")) };
        let length = items.len() as f64;
        let bound = |bound: Option<&Self>, default: f64| match bound {
            None | Some(Null) => Some(default),
            Some(Number(at)) if *at < 0.0 => Some((at + length).max(0.0)),
            Some(Number(at)) => Some(at.min(length)),
            Some(_) => None,
        };
        match (bound(range.start, 0.0), bound(range.end, length)) {
            (Some(from), Some(to)) => {
                let (from, to) = (from.floor() as usize, to.ceil() as usize);
                Ok(items.iter().take(to).skip(from).cloned().collect())
            }
            _ => Err(Error::typ(self, "array")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, _: Opt, _: impl Fn(Self) -> I) -> ValX<'a, Self> {
        Err(read_only(self))
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: &Self,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(read_only(self))
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Range<&Self>,
        _: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        Err(read_only(self))
    }

    fn as_bool(&self) -> bool {
        count(1);
        !matches!(self, Null | Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Text(text) => Text(text),
            other => Self::from(other.to_string()),
        }
    }
}

/// Filters that write are refused before they get here.
fn read_only<'a>(value: Val) -> Exn<'a, Val> {
    Exn::from(Error::typ(value, "something to write to"))
}
