//! jq filters over what strangers send, bounded.
//!
//! A filter is written by whoever makes a guard and fed by whoever asks for a file, so it must come to an end whatever it
//! is and whatever it is fed. Two things see to it: it may use only what is listed here (no functions of its own, so no
//! recursion but down the data), and every step that it takes is counted ([`value`]).

mod value;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::data::JustLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, Ctx, RunPtr, Vars, unwrap_valr};

use self::value::{Val, counted};

/// The longest filter, in bytes.
const LONGEST: usize = 512;

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
            ("if .org | has(\"id\") and (.id | startswith(\"12\")) then .id else empty end", Some("123")),
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
    }

    #[test]
    fn a_filter_that_would_go_on_for_ever_ends_and_gives_nothing() {
        let numbers: Vec<u32> = (0..2000).collect();
        for filter in [
            format!("{} empty", ".[] as $x | ".repeat(20)),
            format!("{} empty", "(., .) as $x | ".repeat(30)),
            format!("[{} select(false)]", ".[] | [.] | .[] | tostring | [., .] | .[] | ".repeat(5)),
            format!("{} tostring", "[., .] | ".repeat(50)),
            format!("(\"x\" | {}.)", ". + . | ".repeat(50)),
            format!(
                "({a} | {b}) as $x | ({a} | {b}) | . == $x",
                a = ".[0:9]",
                b = format!("{}.", "[., .] | ".repeat(20))
            ),
            format!("isempty({} false | select(.))", ".[] as $x | ".repeat(20)),
        ] {
            assert_eq!(first(&filter, json!(numbers)), None, "{filter}");
        }
    }

    /// The parser and the interpreter are recursive, and no thread's stack is endless.
    #[test]
    fn no_filter_that_fits_overflows_a_small_stack() {
        let worst = |part: &str, last: &str| {
            let times = (LONGEST - 2 * last.len()) / part.len();
            format!("{}{last}", part.repeat(times))
        };
        let filters = [
            worst("-", "1"),
            worst("- ", "1"),
            worst("try ", "1"),
            worst(".|", "."),
            worst(".,", "."),
            worst(".//", "."),
            worst(".+", "."),
            worst(".a", ""),
            worst(".[0]", ""),
            worst(". as $x|", "."),
            worst("try . catch ", "."),
            worst("if . then ", "."),
            format!("{}.{}", "(".repeat(250), ")".repeat(250)),
            format!("{}{}", "[".repeat(250), "]".repeat(250)),
            format!("{}.{}", "{a:".repeat(120), "}".repeat(120)),
            format!("{}.{}", "map(".repeat(100), ")".repeat(100)),
            format!("{}.{}", "first(".repeat(70), ")".repeat(70)),
            format!(".{}{}", "[.".repeat(160), "]".repeat(160)),
            format!("{}.{}", "\"\\(".repeat(100), ")\"".repeat(100)),
            "..".to_owned(),
        ];
        let deep: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(120), "]".repeat(120))).unwrap();
        let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            for filter in filters {
                if let Ok(filter) = Filter::compile(&filter) {
                    filter.first(deep.clone());
                }
            }
        });
        thread.unwrap().join().unwrap();
    }
}
