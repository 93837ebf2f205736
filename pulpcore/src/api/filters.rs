//! Filters and orderings of a list: what may stand in its query string, and the SQL that it means.
//!
//! A filter is a name, a type for the OpenAPI document and a function from the text to a condition. It needs no database:
//! what a reference points at becomes a subquery.

use std::fmt;
use std::sync::Arc;

use sea_orm::sea_query::extension::postgres::PgBinOper;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, IntoColumnRef, LikeExpr, Query, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};
use uuid::Uuid;

use super::query::values;
use crate::error::{Error, Result};
use crate::models::state;
use crate::refs::{Ref, Referable, Target};

type Build = Arc<dyn Fn(&str, DbBackend) -> Result<Condition> + Send + Sync>;

/// The filters and orderings of one list.
#[derive(Clone, Default)]
pub struct Filters {
    filters: Vec<Filter>,
    orderings: Vec<(String, SimpleExpr)>,
}

/// One filter.
#[derive(Clone)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    build: Build,
}

/// The type of a query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    DateTime,
    Uuid,
    Choice(Vec<String>),
    /// Comma-separated.
    List(Box<Kind>),
}

impl Filters {
    /// No filters.
    pub fn new() -> Self {
        Self::default()
    }

    /// `name=text`.
    #[must_use]
    pub fn equals<C: ColumnTrait>(self, column: C) -> Self {
        let expr = col(column);
        self.add(column.as_str(), Kind::Text, move |text, _| Ok(expr.clone().eq(text).into_condition()))
    }

    /// A text column with every lookup: exact, `iexact`, `in`, `contains`, `icontains`, `startswith`, `istartswith`,
    /// `regex`, `iregex`. Lookups that ignore case do so for ASCII letters at least (SQLite knows no others).
    ///
    /// ```
    /// use pulpcore::models::repository;
    /// use pulpcore::plugin::Filters;
    /// let names: Vec<_> = Filters::new().text(repository::Column::Name).names().map(str::to_owned).collect();
    /// assert!(names.contains(&"name__icontains".to_owned()));
    /// ```
    #[must_use]
    pub fn text<C: ColumnTrait>(self, column: C) -> Self {
        self.lookups(
            column,
            &["", "iexact", "in", "contains", "icontains", "startswith", "istartswith", "regex", "iregex"],
        )
    }

    /// A text column with the named lookups only.
    #[must_use]
    pub fn lookups<C: ColumnTrait>(mut self, column: C, lookups: &[&'static str]) -> Self {
        for lookup in lookups {
            let (name, expr, lookup) = (join(column.as_str(), lookup), col(column), *lookup);
            let field = name.clone();
            let kind = if lookup == "in" { Kind::List(Box::new(Kind::Text)) } else { Kind::Text };
            self =
                self.add(name, kind, move |text, backend| text_condition(expr.clone(), &field, lookup, text, backend));
        }
        self
    }

    /// A text that is one of these choices.
    #[must_use]
    pub fn choice<C: ColumnTrait>(self, column: C, choices: &'static [&'static str]) -> Self {
        let expr = col(column);
        let kind = Kind::Choice(choices.iter().map(|choice| (*choice).to_owned()).collect());
        self.add(column.as_str(), kind, move |text, _| match choices.contains(&text) {
            true => Ok(expr.clone().eq(text).into_condition()),
            false => {
                let message = format!("Select a valid choice. {text} is not one of the available choices.");
                Err(Error::invalid(column.as_str(), message))
            }
        })
    }

    /// A number with the named lookups: `""`, `ne`, `lt`, `lte`, `gt`, `gte`, `range`, `isnull`.
    #[must_use]
    pub fn number<C: ColumnTrait>(mut self, column: C, lookups: &[&'static str]) -> Self {
        for lookup in lookups {
            let (name, expr, lookup) = (join(column.as_str(), lookup), col(column), *lookup);
            let field = name.clone();
            let kind = compared(lookup, Kind::Integer);
            self = self.add(name, kind, move |text, _| {
                compare(expr.clone(), &field, lookup, text, |text| Ok(Value::from(values::integer(&field, text)?)))
            });
        }
        self
    }

    /// A point in time with exact, `lt`, `lte`, `gt`, `gte`, `range` and `isnull`.
    #[must_use]
    pub fn datetime<C: ColumnTrait>(mut self, column: C) -> Self {
        for lookup in ["", "lt", "lte", "gt", "gte", "range", "isnull"] {
            let (name, expr) = (join(column.as_str(), lookup), col(column));
            let field = name.clone();
            let kind = compared(lookup, Kind::DateTime);
            self = self.add(name, kind, move |text, _| {
                compare(expr.clone(), &field, lookup, text, |text| {
                    Ok(Value::from(crate::db::comparable(values::datetime(&field, text)?)))
                })
            });
        }
        self
    }

    /// A boolean.
    #[must_use]
    pub fn boolean<C: ColumnTrait>(self, column: C) -> Self {
        let expr = col(column);
        self.add(column.as_str(), Kind::Boolean, move |text, _| {
            Ok(expr.clone().eq(values::boolean(column.as_str(), text)?).into_condition())
        })
    }

    /// A foreign key, by href, PRN or `null`.
    #[must_use]
    pub fn reference<E: Referable, C: ColumnTrait>(self, name: &'static str, column: C) -> Self {
        let expr = col(column);
        self.add(name, Kind::Text, move |text, _| {
            if text == "null" {
                return Ok(expr.clone().is_null().into_condition());
            }
            Ok(expr.clone().eq(reference::<E>(name, text)?).into_condition())
        })
    }

    /// A foreign key, by any of a list of hrefs or PRNs.
    #[must_use]
    pub fn reference_in<E: Referable, C: ColumnTrait>(self, name: &'static str, column: C) -> Self {
        let expr = col(column);
        self.add(name, Kind::List(Box::new(Kind::Text)), move |text, _| {
            let ids: Vec<Uuid> = values::list(name, text, reference::<E>)?;
            Ok(expr.clone().is_in(ids).into_condition())
        })
    }

    /// The thing itself, by `pulp_href__in`, `prn__in` and `pulp_id__in`.
    #[must_use]
    pub(crate) fn identity<C: ColumnTrait>(mut self, key: C) -> Self {
        for name in ["pulp_href__in", "prn__in"] {
            let expr = col(key);
            self = self.add(name, Kind::List(Box::new(Kind::Text)), move |text, _| {
                let ids = values::list(name, text, target_id)?;
                Ok(expr.clone().is_in(ids).into_condition())
            });
        }
        let expr = col(key);
        self.add("pulp_id__in", Kind::List(Box::new(Kind::Uuid)), move |text, _| {
            let ids: Vec<Uuid> = values::list("pulp_id__in", text, values::uuid)?;
            Ok(expr.clone().is_in(ids).into_condition())
        })
    }

    /// The state of a task: exact, `ne`, `in`.
    #[must_use]
    pub(crate) fn task_state<C: ColumnTrait>(mut self, column: C) -> Self {
        let mut choices: Vec<String> = state::FINAL.iter().chain(&state::UNFINISHED).map(|s| (*s).to_owned()).collect();
        choices.sort();
        for (lookup, kind) in
            [("", Kind::Choice(choices.clone())), ("ne", Kind::Text), ("in", Kind::List(Box::new(Kind::Text)))]
        {
            let (name, expr, known) = (join(column.as_str(), lookup), col(column), choices.clone());
            let field = name.clone();
            self = self.add(name, kind, move |text, _| {
                let states = if lookup == "in" { values::strings(&field, text)? } else { vec![text.to_owned()] };
                // Of a list, a state that no task can have matches none.
                if lookup != "in"
                    && let Some(wrong) = states.iter().find(|state| !known.contains(state))
                {
                    let message = format!("Select a valid choice. {wrong} is not one of the available choices.");
                    return Err(Error::invalid(&field, message));
                }
                let found = expr.clone().is_in(states);
                Ok(if lookup == "ne" { found.not() } else { found }.into_condition())
            });
        }
        self
    }

    /// A filter of its own, with the condition that it means.
    #[must_use]
    pub fn custom<F>(self, name: &'static str, build: F) -> Self
    where
        F: Fn(&str, DbBackend) -> Result<Condition> + Send + Sync + 'static,
    {
        self.add(name, Kind::Text, build)
    }

    /// The same of a comma-separated list of texts.
    #[must_use]
    pub fn custom_list<F>(self, name: &'static str, build: F) -> Self
    where
        F: Fn(Vec<String>) -> Result<Condition> + Send + Sync + 'static,
    {
        self.add(name, Kind::List(Box::new(Kind::Text)), move |text, _| build(values::strings(name, text)?))
    }

    /// The same of a comma-separated list of some of these choices.
    #[must_use]
    pub fn custom_choices<F>(self, name: &'static str, choices: &'static [&'static str], build: F) -> Self
    where
        F: Fn(Vec<String>) -> Result<Condition> + Send + Sync + 'static,
    {
        let kind = Kind::Choice(choices.iter().map(|choice| (*choice).to_owned()).collect());
        self.add(name, Kind::List(Box::new(kind)), move |text, _| {
            let chosen = values::strings(name, text)?;
            match chosen.iter().find(|choice| !choices.contains(&choice.as_str())) {
                Some(wrong) => {
                    let message = format!("Select a valid choice. {wrong} is not one of the available choices.");
                    Err(Error::invalid(name, message))
                }
                None => build(chosen),
            }
        })
    }

    #[must_use]
    pub(crate) fn add<F>(mut self, name: impl Into<String>, kind: Kind, build: F) -> Self
    where
        F: Fn(&str, DbBackend) -> Result<Condition> + Send + Sync + 'static,
    {
        self.filters.push(Filter { name: name.into(), kind, build: Arc::new(build) });
        self
    }

    /// Columns that `ordering` knows, under their own names.
    #[must_use]
    pub fn ordered<C: ColumnTrait>(mut self, columns: &[C]) -> Self {
        self.orderings.extend(columns.iter().map(|column| (column.as_str().to_owned(), col(*column))));
        self
    }

    /// An ordering under another name than the column's.
    #[must_use]
    pub(crate) fn ordered_as<C: ColumnTrait>(mut self, name: &str, column: C) -> Self {
        self.orderings.push((name.to_owned(), col(column)));
        self
    }

    /// The filters' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().map(|filter| filter.name.as_str())
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    pub(crate) fn orderings(&self) -> &[(String, SimpleExpr)] {
        &self.orderings
    }

    /// The condition for `name=text`.
    ///
    /// # Errors
    /// [`Error::UnknownFilter`], or [`Error::Invalid`] for a value that does not fit.
    pub(crate) fn condition(&self, name: &str, text: &str, backend: DbBackend) -> Result<Condition> {
        let filter = self.filters.iter().find(|filter| filter.name == name);
        (filter.ok_or_else(|| Error::UnknownFilter(name.to_owned()))?.build)(text, backend)
    }

    /// These filters, and those of a detail table as seen from its master.
    #[must_use]
    pub(crate) fn with_detail<M: ColumnTrait>(
        mut self,
        detail: Self,
        table: &crate::plugin::Table,
        master_key: M,
    ) -> Self {
        let Self { filters, orderings } = detail;
        for Filter { name, kind, build } in filters {
            let (table, key) = (table.clone(), col(master_key));
            self = self.add(name, kind, move |text, backend| {
                let rows = Query::select()
                    .column((Alias::new(&table.name), Alias::new(&table.key)))
                    .from(Alias::new(&table.name))
                    .cond_where(build(text, backend)?)
                    .take();
                Ok(key.clone().in_subquery(rows).into_condition())
            });
        }
        for (name, expr) in orderings {
            let value = Query::select()
                .expr(expr)
                .from(Alias::new(&table.name))
                .and_where(Expr::col((Alias::new(&table.name), Alias::new(&table.key))).eq(col(master_key)))
                .take();
            self.orderings.push((name, SimpleExpr::SubQuery(None, Box::new(value.into()))));
        }
        self
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A column, with its table's name.
pub(crate) fn col<C: ColumnTrait>(column: C) -> SimpleExpr {
    Expr::col(column.as_column_ref().into_column_ref())
}

/// A single expression as a condition.
pub(crate) trait IntoCondition {
    fn into_condition(self) -> Condition;
}

impl IntoCondition for SimpleExpr {
    fn into_condition(self) -> Condition {
        Condition::all().add(self)
    }
}

/// The key that an href or PRN names, whatever kind of thing it is.
pub(crate) fn target_id(name: &str, text: &str) -> Result<Uuid> {
    match Target::parse(text) {
        Some(Target::Object { id, .. }) => Ok(id),
        _ => Err(Error::invalid(name, format!("URI not valid: {text}"))),
    }
}

fn reference<E: Referable>(name: &str, text: &str) -> Result<Uuid> {
    let parsed: Result<Ref<E>, _> = serde_json::from_value(serde_json::Value::from(text));
    Ok(parsed.map_err(|_| Error::invalid(name, format!("URI not valid: {text}")))?.id)
}

fn join(column: &str, lookup: &str) -> String {
    if lookup.is_empty() { column.to_owned() } else { format!("{column}__{lookup}") }
}

fn compared(lookup: &str, kind: Kind) -> Kind {
    match lookup {
        "isnull" => Kind::Boolean,
        "range" | "in" => Kind::List(Box::new(kind)),
        _ => kind,
    }
}

fn compare(
    expr: SimpleExpr,
    field: &str,
    lookup: &'static str,
    text: &str,
    parse: impl Fn(&str) -> Result<Value>,
) -> Result<Condition> {
    let condition = match lookup {
        "isnull" if values::boolean(field, text)? => expr.is_null(),
        "isnull" => expr.is_not_null(),
        "range" => {
            let bounds = values::strings(field, text)?;
            let [low, high] = &bounds[..] else {
                return Err(Error::invalid(field, "Range query expects two values."));
            };
            expr.between(parse(low)?, parse(high)?)
        }
        "ne" => expr.clone().ne(parse(text)?).or(expr.is_null()),
        "lt" => expr.lt(parse(text)?),
        "lte" => expr.lte(parse(text)?),
        "gt" => expr.gt(parse(text)?),
        "gte" => expr.gte(parse(text)?),
        _ => expr.eq(parse(text)?),
    };
    Ok(condition.into_condition())
}

fn text_condition(
    expr: SimpleExpr,
    field: &str,
    lookup: &'static str,
    text: &str,
    backend: DbBackend,
) -> Result<Condition> {
    let lower = |expr: SimpleExpr| SimpleExpr::from(Func::lower(expr));
    let condition = match lookup {
        "iexact" => lower(expr).eq(text.to_lowercase()),
        "in" => expr.is_in(values::strings(field, text)?),
        "ne" => expr.ne(text),
        "contains" => position(expr, text, backend).gt(0),
        "icontains" => position(lower(expr), &text.to_lowercase(), backend).gt(0),
        "startswith" => starts(expr, text, backend),
        "istartswith" => starts(lower(expr), &text.to_lowercase(), backend),
        "regex" => matches(expr, field, text, backend)?,
        "iregex" => matches(expr, field, &format!("(?i){text}"), backend)?,
        _ => expr.eq(text),
    };
    Ok(condition.into_condition())
}

/// Where `text` occurs, counted from 1; `LIKE` would ignore case on SQLite.
fn position(expr: SimpleExpr, text: &str, backend: DbBackend) -> SimpleExpr {
    let function = if backend == DbBackend::Sqlite { "instr" } else { "strpos" };
    Func::cust(Alias::new(function)).arg(expr).arg(text).into()
}

fn starts(expr: SimpleExpr, text: &str, backend: DbBackend) -> SimpleExpr {
    match backend {
        DbBackend::Sqlite => position(expr, text, backend).eq(1),
        _ => expr.like(LikeExpr::new(format!("{}%", escape_like(text))).escape('\\')),
    }
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn matches(expr: SimpleExpr, field: &str, pattern: &str, backend: DbBackend) -> Result<SimpleExpr> {
    // Refused here, so that a pattern that the database cannot compile is the client's error and not ours.
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| Error::invalid(field, "Invalid regular expression."))?;
    Ok(match backend {
        DbBackend::Sqlite => expr.binary(sea_orm::sea_query::BinOper::Custom("REGEXP"), pattern),
        _ => expr.binary(PgBinOper::Regex, pattern),
    })
}
