//! Paths as clients send them: what is looked up for one, and where a client is sent to.
//!
//! A path is decoded once and then looked up as it is: in the database, never in a file system. So what could lead out of
//! a distribution elsewhere is just a name that nothing has; it is refused nevertheless, because a proxy, a cache or a
//! client may read it otherwise.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest path, in bytes as sent. RFC 9110, section 4.1, asks for at least 8000.
const LONGEST: usize = 8192;

/// What stands for itself in a path is all but these; a `%` is part of what is encoded already.
const UNSENT: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// What stands for itself in a value of a query are letters, digits and `-._~`.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In a step of a path it is `+`, too, which is a space in a query.
const STEP: &AsciiSet = &VALUE.remove(b'+');

/// The path below the prefix, decoded, or the status that refuses it.
///
/// No name has a step of one or two dots, a NUL (which one of the databases refuses to look for), or bytes that are no
/// text. A slash may be encoded, as in Pulp.
pub(super) fn decoded(sent: &str) -> Result<Cow<'_, str>, StatusCode> {
    if sent.len() > LONGEST {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let path = percent_decode_str(sent).decode_utf8().map_err(|_| StatusCode::NOT_FOUND)?;
    let leads_away = path.split('/').any(|step| matches!(step, "." | ".."));
    if leads_away || path.contains('\0') { Err(StatusCode::NOT_FOUND) } else { Ok(path) }
}

/// The same path with a slash at its end, for `Location`.
///
/// Two slashes at its beginning, or a slash and what browsers take for one, would name another server.
pub(super) fn with_slash(sent: &str) -> Option<HeaderValue> {
    let path = sent.trim_start_matches(['/', '\\']);
    HeaderValue::try_from(format!("/{}/", utf8_percent_encode(path, UNSENT))).ok()
}

/// The name of a child as a link from its folder: it keeps the slash at its end.
pub(super) fn link(name: &str) -> String {
    let (name, slash) = name.strip_suffix('/').map_or((name, ""), |name| (name, "/"));
    format!("{}{slash}", utf8_percent_encode(name, STEP))
}

/// A value for a query.
pub(super) fn encoded(value: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(value, VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        for (sent, path) in [
            ("d/a.txt", "d/a.txt"),
            ("d/%61%2Etxt", "d/a.txt"),
            ("d/%2561", "d/%61"),
            ("d/%252e%252e/x", "d/%2e%2e/x"),
            ("d%2fa", "d/a"),
            ("d/a;b=c/d", "d/a;b=c/d"),
            ("d/%3F%23", "d/?#"),
            ("d/%", "d/%"),
            ("d/%zz", "d/%zz"),
            ("d//a", "d//a"),
            ("d\\..\\a", "d\\..\\a"),
            ("d/.../a..b/.c", "d/.../a..b/.c"),
            ("%C3%A4", "ä"),
            ("ä", "ä"),
        ] {
            assert_eq!(decoded(sent).unwrap(), path, "{sent}");
        }
    }

    #[test]
    fn dots_nul_nonsense_and_endless_paths_are_refused() {
        for sent in
            ["..", ".", "d/../x", "d/./x", "d/..", "d/%2e%2E/x", "d%2f..%2fx", "%00", "d/a%00.txt", "d/%ff", "%c0%ae"]
        {
            assert_eq!(decoded(sent), Err(StatusCode::NOT_FOUND), "{sent}");
        }
        assert!(decoded(&"a".repeat(LONGEST)).is_ok());
        assert_eq!(decoded(&"a".repeat(LONGEST + 1)), Err(StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn a_redirect_stays_on_this_server() {
        for (sent, location) in [
            ("/pulp/content/d", "/pulp/content/d/"),
            ("/pulp/content/d%2Fsub%3F", "/pulp/content/d%2Fsub%3F/"),
            ("//evil.test/x", "/evil.test/x/"),
            ("/\\evil.test", "/evil.test/"),
            ("/\\/\\evil.test", "/evil.test/"),
            ("/d\\x", "/d%5Cx/"),
            ("/ä", "/%C3%A4/"),
        ] {
            assert_eq!(with_slash(sent).unwrap(), location, "{sent}");
        }
    }

    #[test]
    fn a_link_leads_to_the_name_and_nowhere_else() {
        for (name, expected) in [
            ("a-b_1.0~rc+x.tar.gz", "a-b_1.0~rc+x.tar.gz"),
            ("sub/", "sub/"),
            ("100% ?#:&\"<>'.txt", "100%25%20%3F%23%3A%26%22%3C%3E%27.txt"),
            ("ä\\/", "%C3%A4%5C/"),
        ] {
            assert_eq!(link(name), expected);
        }
    }
}
