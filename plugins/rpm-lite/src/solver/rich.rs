//! Rich dependencies, as rpm's `rpm-dependencies(7)` defines them: needs that `and`, `or`, `if`, `unless`, `with`, `without`
//! and `else` combine, in parentheses.
//!
//! They become [`Rule`]s, which is the form in which solvers take them. What such a dependency excludes (`unless`) does not
//! count: a repository may hold alternatives. What cannot be parsed, or would become too many rules, is no dependency.

use super::needs::{Need, Version, Wanted};

/// Longer ones are not read, in bytes.
const MOST_BYTES: usize = 8192;

/// How deep parentheses may be nested.
const MOST_DEPTH: usize = 16;

/// How many rules one dependency may become, and how many alternatives a rule may have.
const MOST_RULES: usize = 64;

/// When something is there for each of `when`, something has to be there for one of `any`, rather for the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rule {
    pub(super) when: Vec<Wanted>,
    pub(super) any: Vec<Wanted>,
}

/// The rules of a dependency in parentheses. None if it cannot be read.
pub(super) fn rules(text: &str) -> Option<Vec<Rule>> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let mut parser = Parser { rest: text };
    let formula = parser.group(0)?;
    let whole = parser.rest.trim().is_empty();
    let rules = if whole { formula.holds(true)? } else { return None };
    Some(rules.into_iter().filter(|rule| rule.when.iter().all(|wanted| !rule.any.contains(wanted))).collect())
}

/// What is in one pair of parentheses, or between them.
#[derive(Clone, Debug)]
enum Formula {
    One(Wanted),
    And(Vec<Formula>),
    Or(Vec<Formula>),
    /// The first, when the second is there; the third when it is not.
    If(Box<[Formula; 2]>, Option<Box<Formula>>),
    /// The first, when the second is not there; the third when it is.
    Unless(Box<[Formula; 2]>, Option<Box<Formula>>),
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// `(a and b and c)`.
    fn group(&mut self, depth: usize) -> Option<Formula> {
        if depth > MOST_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start().strip_prefix('(')?;
        let mut operands = vec![self.operand(depth)?];
        let mut operator = None;
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest;
                break;
            }
            let word = self.word()?;
            let chains = matches!(word, "and" | "or" | "with" | "without");
            match operator {
                None => operator = Some(word),
                Some(first) if chains && first == word => {}
                Some("if" | "unless") if word == "else" && operands.len() == 2 => {}
                // Operators are not mixed without parentheses.
                Some(_) => return None,
            }
            operands.push(self.operand(depth)?);
        }
        combine(operator, operands)
    }

    fn operand(&mut self, depth: usize) -> Option<Formula> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('(') {
            return self.group(depth + 1);
        }
        let name = self.word()?.to_owned();
        let before = self.rest;
        let flags = match self.word() {
            Some("<") => "LT",
            Some("<=" | "=<") => "LE",
            Some("=" | "==") => "EQ",
            Some(">=" | "=>") => "GE",
            Some(">") => "GT",
            _ => {
                self.rest = before;
                return Some(Formula::One(Wanted::Need(Need { name, bound: None })));
            }
        };
        let bound = Some((flags.to_owned(), version(self.word()?)));
        Some(Formula::One(Wanted::Need(Need { name, bound })))
    }

    /// Up to the next blank, or the end of what is in parentheses: names may hold pairs of them (`perl(Carp)`).
    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let mut open = 0_usize;
        let mut end = text.len();
        for (at, character) in text.char_indices() {
            match character {
                '(' => open += 1,
                ')' if open > 0 => open -= 1,
                ')' => {
                    end = at;
                    break;
                }
                blank if blank.is_whitespace() => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// `[epoch:]version[-release]`.
fn version(text: &str) -> Version {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (version, release) = rest.rsplit_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
    Version { epoch: epoch.to_owned(), version: version.to_owned(), release: release.map(str::to_owned) }
}

fn combine(operator: Option<&str>, operands: Vec<Formula>) -> Option<Formula> {
    match operator {
        None => operands.into_iter().next(),
        Some("and") => Some(Formula::And(operands)),
        Some("or") => Some(Formula::Or(operands)),
        Some(of_one @ ("with" | "without")) => {
            let mut operands = operands.into_iter().map(Formula::of_one);
            let first = operands.next()??;
            let whole = operands.try_fold(first, |whole, next| {
                let (whole, next) = (Box::new(whole), Box::new(next?));
                Some(if of_one == "with" { Wanted::With(whole, next) } else { Wanted::Without(whole, next) })
            });
            whole.map(Formula::One)
        }
        Some(conditional @ ("if" | "unless")) => {
            let mut operands = operands.into_iter();
            let both = Box::new([operands.next()?, operands.next()?]);
            let otherwise = operands.next().map(Box::new);
            Some(if conditional == "if" { Formula::If(both, otherwise) } else { Formula::Unless(both, otherwise) })
        }
        Some(_) => None,
    }
}

impl Formula {
    /// As something that is true of one package, if it can be.
    fn of_one(self) -> Option<Wanted> {
        match self {
            Self::One(wanted) => Some(wanted),
            Self::Or(all) => {
                let mut all = all.into_iter().map(Self::of_one);
                let first = all.next()??;
                all.try_fold(first, |whole, next| Some(Wanted::Or(Box::new(whole), Box::new(next?))))
            }
            _ => None,
        }
    }

    /// The rules under which it holds, or does not. None if there are too many.
    fn holds(&self, truly: bool) -> Option<Vec<Rule>> {
        match (self, truly) {
            (Self::One(wanted), true) => Some(vec![Rule { when: Vec::new(), any: vec![wanted.clone()] }]),
            (Self::One(wanted), false) => Some(vec![Rule { when: vec![wanted.clone()], any: Vec::new() }]),
            (Self::And(all), true) | (Self::Or(all), false) => {
                all.iter().try_fold(Vec::new(), |rules, next| both(rules, next.holds(truly)?))
            }
            (Self::And(all), false) | (Self::Or(all), true) => {
                all.iter().try_fold(vec![Rule::default()], |rules, next| either(&rules, &next.holds(truly)?))
            }
            (Self::If(parts, otherwise), _) => {
                let [then, condition] = parts.as_ref();
                match (otherwise, truly) {
                    (None, true) => either(&then.holds(true)?, &condition.holds(false)?),
                    (None, false) => both(then.holds(false)?, condition.holds(true)?),
                    (Some(otherwise), _) => both(
                        either(&then.holds(truly)?, &condition.holds(false)?)?,
                        either(&otherwise.holds(truly)?, &condition.holds(true)?)?,
                    ),
                }
            }
            (Self::Unless(parts, otherwise), true) => {
                let [then, exception] = parts.as_ref();
                match otherwise {
                    // The exception is only excluded.
                    None => then.holds(true),
                    Some(otherwise) => {
                        either(&then.holds(true)?, &both(exception.holds(true)?, otherwise.holds(true)?)?)
                    }
                }
            }
            (Self::Unless(parts, otherwise), false) => {
                let [then, exception] = parts.as_ref();
                let not_then = either(&then.holds(false)?, &exception.holds(true)?)?;
                match otherwise {
                    None => Some(not_then),
                    Some(otherwise) => both(not_then, either(&otherwise.holds(false)?, &exception.holds(false)?)?),
                }
            }
        }
    }
}

fn both(mut one: Vec<Rule>, other: Vec<Rule>) -> Option<Vec<Rule>> {
    one.extend(other);
    (one.len() <= MOST_RULES).then_some(one)
}

fn either(one: &[Rule], other: &[Rule]) -> Option<Vec<Rule>> {
    if one.len().saturating_mul(other.len()) > MOST_RULES {
        return None;
    }
    let join = |left: &[Wanted], right: &[Wanted]| -> Vec<Wanted> {
        let fresh = right.iter().filter(|wanted| !left.contains(wanted));
        left.iter().chain(fresh).cloned().collect()
    };
    let mut rules = Vec::with_capacity(one.len() * other.len());
    for left in one {
        for right in other {
            let rule = Rule { when: join(&left.when, &right.when), any: join(&left.any, &right.any) };
            if rule.when.len().max(rule.any.len()) > MOST_RULES {
                return None;
            }
            rules.push(rule);
        }
    }
    Some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Noise, rounds};

    /// The rules as text: `a, b if c & d`.
    fn read(text: &str) -> Option<Vec<String>> {
        let list =
            |all: &[Wanted], between: &str| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(between);
        let rules = rules(text)?;
        let one = |rule: &Rule| match rule.when.is_empty() {
            true => list(&rule.any, ", "),
            false => format!("{} if {}", list(&rule.any, ", "), list(&rule.when, " & ")),
        };
        Some(rules.iter().map(one).collect())
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn each_operator_becomes_rules() {
        for (text, expected) in [
            ("(a)", &["a"][..]),
            ("(a and b)", &["a", "b"]),
            ("(a and b and c)", &["a", "b", "c"]),
            ("(a or b)", &["a, b"]),
            ("(a if b)", &["a if b"]),
            ("(a if b else c)", &["a if b", "c, b"]),
            ("(a unless b)", &["a"]),
            ("(a unless b else c)", &["a, b", "a, c"]),
            ("(a with b)", &["(a with b)"]),
            ("(a >= 1 with a < 2 with c)", &["((a >= 1 with a < 2) with c)"]),
            ("(a without b = 1)", &["(a without b = 1)"]),
            ("(a with (b or c))", &["(a with (b or c))"]),
        ] {
            assert_eq!(read(text).as_deref(), Some(&owned(expected)[..]), "{text}");
        }
    }

    #[test]
    fn they_are_nested() {
        for (text, expected) in [
            ("(a or (b and c))", &["a, b", "a, c"][..]),
            ("(a if (b or c))", &["a if b", "a if c"]),
            ("(a if (b and c))", &["a if b & c"]),
            ("((a or b) if c)", &["a, b if c"]),
            ("((a and b) if c)", &["a if c", "b if c"]),
            ("(a if (b if c))", &["a if b", "a, c"]),
            ("((a with b) or c)", &["(a with b), c"]),
            ("(a or (a if b))", &["a if b"]),
            ("(a if (b unless c))", &["a, c if b"]),
        ] {
            assert_eq!(read(text).as_deref(), Some(&owned(expected)[..]), "{text}");
        }
    }

    #[test]
    fn names_and_versions_are_read_as_rpm_writes_them() {
        for (text, expected) in [
            ("(perl(Carp) >= 1:2.0-3 and python3dist(a[b]))", &["perl(Carp) >= 1:2.0-3", "python3dist(a[b])"][..]),
            ("( libc.so.6(GLIBC_2.34)(64bit)   or /bin/sh )", &["libc.so.6(GLIBC_2.34)(64bit), /bin/sh"]),
            ("((a == 1) and (b =< 2-1))", &["a = 1", "b <= 2-1"]),
        ] {
            assert_eq!(read(text).as_deref(), Some(&owned(expected)[..]), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_left_alone() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(rules(&nested(10)).is_some());
        let many = (0..10).map(|n| format!("(a{n} and b{n})")).collect::<Vec<_>>().join(" or ");
        for text in [
            "",
            "a",
            "(",
            "()",
            "(a",
            "(a and)",
            "(a and b or c)",
            "(a if b if c)",
            "(a else b)",
            "(a if b else c else d)",
            "(a xor b)",
            "(a >=)",
            "(a) b",
            "((a and b) with c)",
            &nested(100_000),
            &nested(1_000),
            &format!("({many})"),
        ] {
            assert_eq!(rules(text), None, "{}", text.get(..40).unwrap_or(text));
        }
    }

    #[test]
    fn no_damage_breaks_the_reader_of_dependencies() {
        let mut noise = Noise::new(0x0dd5_eed5);
        let whole = "((perl(Carp) >= 1:2.0-3 with perl(Carp) < 3) if ((a or b and c) unless d) else (e without f))";
        let pieces = ["(", ")", " and ", " or ", " if ", " unless ", " else ", " with ", " without ", " >= ", "ä"];
        for _ in rounds(20_000) {
            let damaged = noise.damage(whole.as_bytes(), &pieces);
            let found = super::rules(&String::from_utf8_lossy(&damaged)).unwrap_or_default();
            assert!(found.len() <= MOST_RULES && found.iter().all(|rule| !rule.any.is_empty()));
        }
    }
}
