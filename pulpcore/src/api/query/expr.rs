//! The `q` language: the filters of a list, combined by `NOT`, `AND`, `OR` and parentheses.
//!
//! ```text
//! or      = and { "OR" and }
//! and     = not { "AND" not }
//! not     = "NOT" not | "(" or ")" | leaf
//! leaf    = name "=" value
//! value   = word | '"' … '"' | "'" … "'"
//! ```
//!
//! A bare word holds ASCII and Latin-1 letters, digits and `. , _ - *`; anything else wants quotes. In quotes a
//! backslash protects the quote sign and otherwise stands for itself, so that regular expressions need no second layer
//! of escapes. What a leaf means is the endpoint's business: its own filters.

use crate::error::{Error, Result};

/// The highest [`Expr::complexity`] that is answered, as in Pulp.
pub const MAX_COMPLEXITY: usize = 8;

/// How deep `NOT` and parentheses may nest: far beyond what the complexity allows, and safe for the stack.
const MAX_DEPTH: usize = 64;

/// A parsed `q`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// One filter of the endpoint, with its value as written.
    Leaf {
        /// The filter's name, e.g. `name__icontains`.
        name: String,
        /// Its value, without quotes.
        value: String,
    },
    /// What the inner expression does not match.
    Not(Box<Expr>),
    /// What all of them match (two or more).
    And(Vec<Expr>),
    /// What any of them matches (two or more).
    Or(Vec<Expr>),
}

impl Expr {
    /// Parses the value of `q`. An empty one is no expression.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `q`: a syntax error, too complex, or a leaf that is no filter of rows
    /// (`q` itself, `ordering`, `limit`, `offset`, `fields`, `exclude_fields`).
    pub fn parse(text: &str) -> Result<Option<Self>> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut parser = Parser { rest: text, leaves: 0 };
        let expr = parser.or(0)?;
        if !parser.skip().is_empty() {
            return Err(syntax());
        }
        if expr.complexity() > MAX_COMPLEXITY {
            return Err(too_complex());
        }
        Ok(Some(expr))
    }

    /// One for each leaf, each `NOT` and each chain of `AND` or `OR` (a chain counts once, however long).
    pub fn complexity(&self) -> usize {
        match self {
            Self::Leaf { .. } => 1,
            Self::Not(inner) => 1 + inner.complexity(),
            Self::And(parts) | Self::Or(parts) => 1 + parts.iter().map(Self::complexity).sum::<usize>(),
        }
    }

    /// All leaves as `(name, value)`, from left to right.
    pub fn leaves(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Leaf { name, value } => vec![(name, value)],
            Self::Not(inner) => inner.leaves(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::leaves).collect(),
        }
    }
}

/// The error of a leaf that the endpoint has no filter for.
pub fn unknown_leaf(name: &str) -> Error {
    Error::invalid("q", format!("Filter '{name}' does not exist."))
}

fn syntax() -> Error {
    Error::invalid("q", "Syntax error in expression.")
}

fn too_complex() -> Error {
    Error::invalid("q", "Filter expression exceeds allowed complexity.")
}

struct Parser<'a> {
    rest: &'a str,
    leaves: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self, depth: usize) -> Result<Expr> {
        self.chain("OR", Expr::Or, depth, |parser| parser.and(depth))
    }

    fn and(&mut self, depth: usize) -> Result<Expr> {
        self.chain("AND", Expr::And, depth, |parser| parser.not(depth))
    }

    fn chain(
        &mut self,
        operator: &str,
        make: fn(Vec<Expr>) -> Expr,
        depth: usize,
        mut operand: impl FnMut(&mut Self) -> Result<Expr>,
    ) -> Result<Expr> {
        if depth > MAX_DEPTH {
            return Err(syntax());
        }
        let first = operand(self)?;
        if !self.keyword(operator) {
            return Ok(first);
        }
        let mut parts = vec![first, operand(self)?];
        while self.keyword(operator) {
            parts.push(operand(self)?);
        }
        Ok(make(parts))
    }

    fn not(&mut self, depth: usize) -> Result<Expr> {
        if depth > MAX_DEPTH {
            return Err(syntax());
        }
        if self.keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.sign('(') {
            let inner = self.or(depth + 1)?;
            return if self.sign(')') { Ok(inner) } else { Err(syntax()) };
        }
        self.leaf()
    }

    fn leaf(&mut self) -> Result<Expr> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !self.sign('=') {
            return Err(syntax());
        }
        let value = match self.skip().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => match self.take_while(is_bare) {
                "" => return Err(syntax()),
                bare => bare.to_owned(),
            },
        };
        self.leaves += 1;
        if self.leaves > MAX_COMPLEXITY {
            return Err(too_complex());
        }
        match name {
            "q" => Err(Error::invalid("q", "You cannot use 'q' in complex filtering.")),
            "ordering" => Err(Error::invalid("q", "An ordering filter cannot be used in complex filtering.")),
            "limit" | "offset" | "fields" | "exclude_fields" => Err(unknown_leaf(name)),
            _ => Ok(Expr::Leaf { name: name.to_owned(), value }),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\n' | '\r' => break,
                '\\' => match chars.next() {
                    Some((_, next)) if next == quote => value.push(quote),
                    Some((_, next)) => value.extend(['\\', next]),
                    None => break,
                },
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(value);
                }
                c => value.push(c),
            }
        }
        Err(syntax())
    }

    fn skip(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.skip().strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn keyword(&mut self, word: &str) -> bool {
        match self.skip().strip_prefix(word) {
            Some(rest) if !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '=') => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let text = self.skip();
        let (taken, rest) = text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()));
        self.rest = rest;
        taken
    }
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".,_-*".contains(c) || (('À'..='ÿ').contains(&c) && c != '×' && c != '÷')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str, value: &str) -> Expr {
        Expr::Leaf { name: name.into(), value: value.into() }
    }

    fn parse(text: &str) -> Expr {
        Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).expect("an expression")
    }

    fn fails(text: &str) -> String {
        Expr::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn not_binds_tighter_than_and_and_and_tighter_than_or() {
        assert_eq!(
            parse("a=1 OR NOT b=2 AND c=3"),
            Expr::Or(vec![leaf("a", "1"), Expr::And(vec![Expr::Not(Box::new(leaf("b", "2"))), leaf("c", "3")])])
        );
        assert_eq!(
            parse("NOT(a=1 OR b=2)AND c=3"),
            Expr::And(vec![Expr::Not(Box::new(Expr::Or(vec![leaf("a", "1"), leaf("b", "2")]))), leaf("c", "3")])
        );
    }

    #[test]
    fn values_are_bare_or_quoted() {
        assert_eq!(parse("pulp_type__in=core.rbac,core.x-y_z*"), leaf("pulp_type__in", "core.rbac,core.x-y_z*"));
        assert_eq!(parse(r#" name = "a (b) OR c" "#), leaf("name", "a (b) OR c"));
        assert_eq!(parse(r"name__regex='^\d+\'\\$'"), leaf("name__regex", r"^\d+'\\$"));
        assert_eq!(parse("name=naïve"), leaf("name", "naïve"));
        assert_eq!(parse("name=''"), leaf("name", ""));
    }

    #[test]
    fn complexity_counts_as_in_the_manual() {
        for (text, complexity) in [
            ("pulp_type__in='core.rbac'", 1),
            ("NOT pulp_type=\"core.rbac\"", 2),
            ("a=1 AND b=2", 3),
            ("a=1 OR b=2 OR c=3", 4),
            ("NOT (a=1 AND b=2)", 4),
            ("a=1 AND NOT b=2", 4),
            ("a=1 AND b=2 AND NOT c=3", 5),
            ("a=1 AND(  b=2 OR c=3)", 5),
            ("a=1 OR b=1 OR c=1 OR d=1 OR e=1 OR f=1 OR g=1", 8),
        ] {
            assert_eq!(parse(text).complexity(), complexity, "{text}");
        }
        let message = "q: Filter expression exceeds allowed complexity.";
        assert_eq!(fails("a=1 OR b=1 OR c=1 OR d=1 OR e=1 OR f=1 OR g=1 OR h=1"), message);
        assert_eq!(fails(&vec!["a=1"; 5000].join(" AND ")), message);
        assert_eq!(fails(&format!("{}a=1", "NOT ".repeat(8))), message);
    }

    #[test]
    fn what_does_not_parse_is_a_syntax_error() {
        for text in [
            "a",
            "a=",
            "=1",
            "a=1 b=2",
            "a=1 AND",
            "AND a=1",
            "(a=1",
            "a=1)",
            "()",
            "a='x",
            "a=\"x'",
            "NOT",
            "1a=2",
            "a=b/c",
            "a=1 and b=2",
            "a='x\ny'",
            "é=1",
            "a='x\\",
        ] {
            assert_eq!(fails(text), "q: Syntax error in expression.", "{text}");
        }
        assert_eq!(Expr::parse("  ").unwrap(), None);
    }

    #[test]
    fn nesting_is_bounded_and_harmless_parentheses_are_free() {
        let nested = |n: usize| format!("{}a=1{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(parse(&nested(MAX_DEPTH)), leaf("a", "1"));
        assert_eq!(fails(&nested(100_000)), "q: Syntax error in expression.");
        assert_eq!(fails(&"NOT ".repeat(100_000)), "q: Syntax error in expression.");
    }

    #[test]
    fn only_filters_of_rows_may_be_leaves() {
        assert_eq!(fails("a=1 OR q='b=1'"), "q: You cannot use 'q' in complex filtering.");
        assert_eq!(fails("ordering=name"), "q: An ordering filter cannot be used in complex filtering.");
        for name in ["limit", "offset", "fields", "exclude_fields"] {
            assert_eq!(fails(&format!("{name}=1")), format!("q: Filter '{name}' does not exist."));
        }
    }

    fn show(expr: &Expr) -> String {
        let join = |parts: &[Expr], word| parts.iter().map(show).collect::<Vec<_>>().join(word);
        match expr {
            Expr::Leaf { name, value } => format!("{name}='{}'", value.replace('\'', "\\'")),
            Expr::Not(inner) => format!("NOT {}", show(inner)),
            Expr::And(parts) => format!("({})", join(parts, " AND ")),
            Expr::Or(parts) => format!("({})", join(parts, " OR ")),
        }
    }

    /// A small repeatable generator (an LCG with Knuth's constants): the same trees in every run.
    fn grow(seed: &mut u64, depth: usize) -> Expr {
        let mut roll = |n: u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) % n
        };
        let kind = if depth == 0 { 0 } else { roll(4) };
        let value = ["1", "a b", "it's", "(x OR y)", "naïve", "", "a,b"][roll(7) as usize];
        match kind {
            0 => leaf("name", value),
            1 => Expr::Not(Box::new(grow(seed, depth - 1))),
            2 => Expr::And(vec![grow(seed, depth - 1), grow(seed, depth - 1)]),
            _ => Expr::Or(vec![grow(seed, depth - 1), grow(seed, depth - 1)]),
        }
    }

    #[test]
    fn every_tree_that_is_simple_enough_survives_being_written_and_read() {
        let mut seed = 7;
        let mut survived = 0;
        for _ in 0..2000 {
            let tree = grow(&mut seed, 3);
            match Expr::parse(&show(&tree)) {
                Ok(read) => {
                    assert_eq!(read.as_ref(), Some(&tree), "{}", show(&tree));
                    survived += 1;
                }
                Err(_) => assert!(tree.complexity() > MAX_COMPLEXITY, "{}", show(&tree)),
            }
        }
        assert!(survived > 500, "{survived}");
    }

    #[test]
    fn no_input_makes_the_parser_panic() {
        let tokens = ["NOT", "AND", "OR", "(", ")", "a", "=", "'", "\"", "\\", " ", "é", "1", "\n", "×"];
        let mut seed = 3_u64;
        for _ in 0..5000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(tokens[(seed >> 33) as usize % tokens.len()]);
            }
            if let Ok(Some(expr)) = Expr::parse(&text) {
                assert!(expr.complexity() <= MAX_COMPLEXITY, "{text}");
            }
        }
    }
}
