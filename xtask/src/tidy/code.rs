//! Rust without its prose: what a rule for code may look at.
//!
//! A rule that forbids a word must not stumble over the word in a comment, in an example or in its own message.

/// The text with comments and the insides of literals replaced by spaces. Lines and columns stay where they are.
pub(super) fn only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_prose(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that begins here ends; here, when none does.
fn end_of_prose(chars: &[char], at: usize) -> usize {
    match &chars[at..] {
        ['/', '/', ..] => find(chars, at, |rest| rest[0] == '\n'),
        ['/', '*', ..] => end_of_block(chars, at),
        ['"', ..] => end_of_quoted(chars, at, '"'),
        ['r', ..] if !follows_a_word(chars, at) => end_of_raw(chars, at),
        ['b' | 'c', 'r', ..] if !follows_a_word(chars, at) => match end_of_raw(chars, at + 1) {
            end if end == at + 1 => at,
            end => end,
        },
        // A lifetime has no closing quote where a character's would be.
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => end_of_quoted(chars, at, '\''),
        _ => at,
    }
}

fn follows_a_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, wanted: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(&chars[*at..])).unwrap_or(chars.len())
}

/// Block comments nest.
fn end_of_block(chars: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (0_usize, at);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `at` is the `r` of a raw literal, or of a word that merely begins with it.
fn end_of_raw(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return at;
    }
    let closes = |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
    (find(chars, open + 1, closes) + 1 + hashes).min(chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_goes_and_code_stays_in_place() {
        let text = "let a = \"todo!()\"; // todo!()\nlet b = 1; /* x /* y */ z */ let c = 2;\n";
        let code = only(text);
        assert_eq!(code, "let a =          ;           \nlet b = 1;                   let c = 2;\n");
    }

    #[test]
    fn raw_and_escaped_literals_end_where_they_end() {
        assert_eq!(only(r##"f(r#"a"b"#, 1)"##), "f(        , 1)");
        assert_eq!(only(r#"f("a\"b", br"c", r2)"#), "f(      ,      , r2)");
        assert_eq!(only("for_r\"x\""), "for_r   ");
    }

    #[test]
    fn characters_are_literals_and_lifetimes_are_not() {
        assert_eq!(only("('\"', '\\'', 'a')"), "(   ,     ,    )");
        assert_eq!(only("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
    }

    #[test]
    fn what_never_ends_is_prose_to_the_end() {
        assert_eq!(only("a /* b"), "a     ");
        assert_eq!(only("a \"b\\"), "a    ");
    }
}
