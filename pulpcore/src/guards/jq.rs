//! jq filters over what strangers send, bounded.
//!
//! A filter is written by whoever makes a guard and fed by whoever asks for a file, so it must come to an end whatever it
//! is and whatever it is fed. Two things see to it: it may use only what is listed here (no functions of its own, so no
//! recursion but down the data), and every step that it takes is counted ([`value`]).

mod value;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::data::JustLut;
use jaq_core::load::lex::{StrPart, Tok, Token};
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, parse};
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, Ctx, RunPtr, Vars, unwrap_valr};

use self::value::{Val, counted};

/// The longest filter, in bytes.
const LONGEST: usize = 512;

/// How many brackets a filter may have, and how many words and signs in all. Parser and interpreter are recursive: these
/// need less than a thread's stack, however they are nested.
const BRACKETS: usize = 16;
const TOKENS: usize = 64;

/// How many steps one run may take.
const STEPS: usize = 20_000;

/// Functions of jq's own that a filter may use.
const FUNCTIONS: &[&str] = &[
    "all",
    "any",
    "empty",
    "error",
    "false",
    "first",
    "isempty",
    "last",
    "map",
    "not",
    "select",
    "to_entries",
    "tostring",
    "true",
];

/// What those are made of.
const NATIVES: &[&str] = &["error_empty", "first", "key_values", "keys_unsorted", "last"];

/// Functions that jq has and jaq keeps elsewhere.
const MORE: &str = "def null: [][0]; def keys: keys_unsorted; def values: select(. != null); \
                    def add: reduce .[] as $x (null; . + $x);";

/// A filter that was compiled.
pub(super) struct Filter(jaq_core::Filter<JustLut<Val>>);

impl Filter {
    /// Compiles a filter, or says what is wrong with it.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("Ensure this field has no more than {LONGEST} bytes."));
        }
        if is_large(text) {
            return Err("This filter is too large.".to_owned());
        }
        let invalid = || "This is not a jq filter, or it uses a function that guards do not know.".to_owned();
        let term = parse(text, |parser| parser.term()).ok_or_else(invalid)?;
        refused(&term).map_or(Ok(()), |what| Err(format!("A guard's filter may not use {what}.")))?;
        let arena = Arena::default();
        let modules = Loader::new(definitions()).load(&arena, File { code: text, path: () }).map_err(|_| invalid())?;
        let natives = jaq_core::funs().filter(|(name, ..)| NATIVES.contains(name)).chain(natives());
        Compiler::default().with_funs(natives).compile(modules).map(Self).map_err(|_| invalid())
    }

    /// The first thing that it gives; nothing if it gives none, fails, or takes too long.
    pub(super) fn first(&self, input: serde_json::Value) -> Option<Val> {
        // Counting ends a run by unwinding: there is no other way out of an operation that cannot fail.
        let run = AssertUnwindSafe(|| {
            counted(STEPS, || {
                let cx = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
                self.0.id.run((cx, Val::from(input))).map(unwrap_valr).next()
            })
        });
        match catch_unwind(run) {
            Ok(Some(Ok(value))) => Some(value),
            Ok(_) => None,
            Err(_) => {
                tracing::warn!("a content guard's filter took too many steps");
                None
            }
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let of_jq = jaq_core::defs().filter(|def| FUNCTIONS.contains(&def.name));
    of_jq.chain(parse(MORE, |parser| parser.defs()).unwrap_or_default())
}

fn natives() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    let of_the_input: [(&'static str, RunPtr<JustLut<Val>>); 3] = [
        ("length", |cv| bome(cv.1.length())),
        ("type", |cv| bome(Ok(Val::from(cv.1.kind().to_owned())))),
        ("ascii_downcase", |cv| bome(cv.1.lower())),
    ];
    let of_two: [(&'static str, RunPtr<JustLut<Val>>); 4] = [
        ("has", |cv| unary(cv, |input, key| input.has(&key))),
        ("contains", |cv| unary(cv, |input, part| input.contains(&part))),
        ("startswith", |cv| unary(cv, |input, part| input.compared(&part, |text, part| text.starts_with(part)))),
        ("endswith", |cv| unary(cv, |input, part| input.compared(&part, |text, part| text.ends_with(part)))),
    ];
    let of_the_input = of_the_input.into_iter().map(|(name, function)| run::<JustLut<Val>>((name, v(0), function)));
    of_the_input.chain(of_two.into_iter().map(|(name, function)| run::<JustLut<Val>>((name, v(1), function))))
}

/// Whether a filter has too many brackets or tokens. Brackets in texts count as well.
fn is_large(text: &str) -> bool {
    fn count(tokens: &[Token<&str>]) -> usize {
        let within = |token: &Token<&str>| match &token.1 {
            Tok::Block(tokens) => count(tokens),
            Tok::Str(parts) => parts
                .iter()
                .map(|part| match part {
                    StrPart::Term(token) => count(std::slice::from_ref(token)),
                    StrPart::Str(_) | StrPart::Char(_) => 0,
                })
                .sum(),
            _ => 0,
        };
        tokens.iter().map(|token| 1 + within(token)).sum()
    }
    let brackets = text.bytes().filter(|byte| b"([{".contains(byte)).count();
    brackets > BRACKETS || Lexer::new(text).lex().is_ok_and(|tokens| count(&tokens) > TOKENS)
}

/// What of a filter is not for guards: what defines functions, folds or writes.
fn refused(term: &Term<&str>) -> Option<&'static str> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Arr(None) => None,
        Term::Str(Some(_), _) => Some("formats"),
        Term::Str(None, parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(term) => refused(term),
            StrPart::Str(_) | StrPart::Char(_) => None,
        }),
        Term::Arr(Some(term)) | Term::Neg(term) => refused(term),
        Term::Obj(fields) => fields.iter().find_map(|(key, value)| either(Some(key), value.as_ref())),
        Term::BinOp(left, operator, right) => match operator {
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => Some("assignments"),
            BinaryOp::Pipe(Some(pattern)) => refused_in(pattern).or_else(|| either(Some(left), Some(right))),
            _ => either(Some(left), Some(right)),
        },
        Term::Label(..) | Term::Break(_) => Some("labels"),
        Term::Fold(..) => Some("reduce or foreach"),
        Term::Def(..) => Some("definitions"),
        Term::TryCatch(term, caught) => either(Some(term), caught.as_deref()),
        Term::IfThenElse(cases, last) => cases
            .iter()
            .find_map(|(case, then)| either(Some(case), Some(then)))
            .or_else(|| last.as_deref().and_then(refused)),
        Term::Call(_, arguments) => arguments.iter().find_map(refused),
        Term::Path(term, Path(parts)) => refused(term).or_else(|| {
            parts.iter().find_map(|(part, _)| match part {
                Part::Index(at) => refused(at),
                Part::Range(from, to) => either(from.as_ref(), to.as_ref()),
            })
        }),
    }
}

fn either(one: Option<&Term<&str>>, other: Option<&Term<&str>>) -> Option<&'static str> {
    one.and_then(refused).or_else(|| other.and_then(refused))
}

fn refused_in(pattern: &Pattern<&str>) -> Option<&'static str> {
    match pattern {
        Pattern::Var(_) => None,
        Pattern::Arr(patterns) => patterns.iter().find_map(refused_in),
        Pattern::Obj(fields) => fields.iter().find_map(|(key, pattern)| refused(key).or_else(|| refused_in(pattern))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn first(filter: &str, input: Value) -> Option<String> {
        Filter::compile(filter).unwrap().first(input).map(|value| value.to_string())
    }

    #[test]
    fn filters_give_what_jq_gives() {
        let who =
            json!({ "org": { "id": "123", "tags": ["a", "b"], "n": 2 }, "groups": [{ "name": "X" }, { "name": "y" }] });
        for (filter, output) in [
            (".org.id", Some("123")),
            (".org[\"id\"]", Some("123")),
            (".org.tags[1]", Some("b")),
            (".org.tags[-1:][0]", Some("b")),
            (".org | .id + \"-\" + .tags[0]", Some("123-a")),
            (".groups[] | select(.name == \"y\") | .name", Some("y")),
            (".groups | map(.name | ascii_downcase) | add", Some("xy")),
            (".missing", Some("null")),
            (".missing // \"none\"", Some("none")),
            (".org.id.deeper?", None),
            ("try .org.id.deeper catch \"caught\"", Some("caught")),
            ("if (.org.tags | contains([\"a\"])) then \"yes\" else \"no\" end", Some("yes")),
            (".org | if has(\"id\") and (.id | startswith(\"12\")) then .id else empty end", Some("123")),
            ("any(.groups[]; .name == \"X\") | tostring", Some("true")),
            ("\"\\(.org.n)/\\(.org.tags | length)\"", Some("2/2")),
            (".org as {$id, tags: [$first]} | $id + $first", Some("123a")),
            ("{a: .org.id} | to_entries[0].key", Some("a")),
            (".org.n * 2 - 1", Some("3")),
            (".org.n > 1 and .org.n <= 2 and .org.tags < {}", Some("true")),
            ("first(.groups[].name)", Some("X")),
            ("[.org.tags[], .org.n | type] | .[2]", Some("number")),
            (".org.id, error", Some("123")),
            ("error(\"no\")", None),
            (".groups[5]", Some("null")),
            (".[0]", None),
        ] {
            assert_eq!(first(filter, who.clone()).as_deref(), output, "{filter}");
        }
    }

    #[test]
    fn what_guards_do_not_know_is_refused() {
        for filter in [
            "",
            ".a |",
            "nothing",
            "$x",
            "def f: f; f",
            "[limit(3; repeat(1))]",
            "range(9)",
            "input",
            "env",
            "$ENV",
            "halt",
            "recurse(.)",
            "until(false; .)",
            "while(true; .)",
            "reduce .[] as $x (0; .)",
            ".a = 1",
            ".a |= 1",
            "del(.a)",
            "@base64",
            "label $out | 1",
            "import \"a\" as a; .",
            "[.[] | def f: f; f]",
            ".[def f: f; f]",
            "{(def f: f; f): 1}",
            "\"\\(def f: f; f)\"",
            "try (def f: f; f)",
            "if def f: f; f then 1 else 2 end",
            ". as {(def f: f; f): $x} | 1",
            "path(.a)",
        ] {
            assert!(Filter::compile(filter).is_err(), "{filter}");
        }
        assert!(Filter::compile(&format!(".{}", "a".repeat(LONGEST))).unwrap_err().contains("512 bytes"));
        for large in ["[".repeat(17) + &"]".repeat(17), "-".repeat(64) + "1", "try ".repeat(100) + "1"] {
            assert!(Filter::compile(&large).unwrap_err().contains("too large"), "{large}");
        }
    }

    #[test]
    fn a_filter_that_would_go_on_for_ever_ends_and_gives_nothing() {
        let numbers: Vec<u32> = (0..2000).collect();
        for filter in [
            format!("{}empty", ".[] as $x | ".repeat(9)),
            format!("[{}select(false)]", ".[] as $x | ".repeat(8)),
            format!("isempty({}false | select(.))", ".[] as $x | ".repeat(7)),
            "first(.[] as $x | .[] as $y | select($x + $y < 0))".to_owned(),
            "[.[] as $x | .[] + $x] | length".to_owned(),
            ".. | .. | .. | select(false)".to_owned(),
            format!("{}. == 0", "[., .] | ".repeat(8)),
        ] {
            let found = Filter::compile(&filter).unwrap().first(json!(numbers));
            assert!(found.is_none_or(|value| value.as_str().is_none()), "{filter}");
        }
        assert_eq!(first("[.[] as $x | .[] + $x] | length", json!(numbers)), None);
    }

    /// The parser and the interpreter are recursive, and no thread's stack is endless.
    #[test]
    fn no_filter_that_fits_overflows_a_small_stack() {
        let mut filters = vec!["..".to_owned()];
        for (open, middle, close) in [
            ("-", "1", ""),
            ("try ", "1", ""),
            (".|", ".", ""),
            (".,", ".", ""),
            (".//", ".", ""),
            (".+", ".", ""),
            (".a", "", ""),
            (". as $x|", ".", ""),
            ("try . catch ", ".", ""),
            ("if . then ", ".", " end"),
            ("(", ".", ")"),
            ("[", ".", "]"),
            ("{a:", ".", "}"),
            ("{(.):", ".", "}"),
            ("map(", ".", ")"),
            ("any(", ".", ")"),
            ("all(.[];", ".", ")"),
            ("first(", ".", ")"),
            ("isempty(", ".", ")"),
            (".[.", "", "]"),
            ("\"\\(", ".", ")\""),
        ] {
            // As many as may be, and then as many pipes as may be.
            for pipes in [0, 16, 32] {
                let filter = |n: usize| format!("{}{middle}{}{}", open.repeat(n), "|.".repeat(pipes), close.repeat(n));
                let fits = |filter: &String| filter.len() <= LONGEST && !is_large(filter);
                filters.extend((1..=TOKENS).map(filter).take_while(fits).last());
            }
        }
        let deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(120), "]".repeat(120))).unwrap();
        let thread = std::thread::Builder::new().stack_size(3 << 19).spawn(move || {
            for filter in filters {
                let Ok(compiled) = Filter::compile(&filter) else { panic!("{filter}") };
                compiled.first(deep.clone());
            }
        });
        thread.unwrap().join().unwrap();
    }
}
