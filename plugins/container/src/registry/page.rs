//! Pages of lists: `n` and `last`, and the link to the next one (distribution specification 1.1, "Listing Tags").

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use pulpcore::error::Error;
use pulpcore::plugin::LiveCx;
use serde_json::json;
use url::form_urlencoded;

use super::errors::{Answer, Code, Failure};

/// The most that one page has, and what it has if nobody says how much.
const MOST: usize = 10_000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// How many.
    pub(super) size: usize,
    /// After which one.
    pub(super) after: Option<String>,
}

impl Page {
    /// What a request asks for.
    ///
    /// # Errors
    /// A 400 for a number that is none.
    pub(super) fn of(cx: &LiveCx) -> Answer<Self> {
        Self::parse(cx.query("n"), cx.query("last"))
    }

    fn parse(n: Option<&str>, last: Option<&str>) -> Answer<Self> {
        let wrong = |n: &str| {
            let message = "The number of results ('n') is a number that is not negative.";
            // The specification has no code for this, and no other codes than its own.
            let refused = Failure::new(Code::Unsupported, message).with_status(StatusCode::BAD_REQUEST);
            refused.with_detail(json!({ "n": n }))
        };
        let size = match n {
            None => MOST,
            Some(n) if n.bytes().all(|byte| byte.is_ascii_digit()) && !n.is_empty() => {
                n.parse::<usize>().map_or(MOST, |size| size.min(MOST))
            }
            Some(n) => return Err(wrong(n)),
        };
        Ok(Self { size, after: last.filter(|last| !last.is_empty()).map(str::to_owned) })
    }

    /// How many rows to ask for: one more than are shown, to know whether there are more.
    pub(super) fn limit(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Keeps to the page; says what follows after which, if anything does.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>, name: impl Fn(&T) -> &str) -> Option<String> {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        rows.last().filter(|_| more).map(|last| name(last).to_owned())
    }

    /// Puts the link to the next page on an answer. `others` are the parameters that stay as they are.
    pub(super) fn link(
        &self,
        mut response: Response,
        path: &str,
        next: Option<String>,
        others: &[(&str, &str)],
    ) -> Answer<Response> {
        if let Some(last) = next {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("n", &self.size.to_string()).append_pair("last", &last);
            query.extend_pairs(others);
            let link = format!("<{path}?{}>; rel=\"next\"", query.finish());
            response.headers_mut().insert(header::LINK, HeaderValue::try_from(link).map_err(Error::internal)?);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(n: &str) -> Option<usize> {
        Page::parse(Some(n), None).ok().map(|page| page.size)
    }

    #[test]
    fn a_page_has_as_much_as_was_asked_for_within_bounds() {
        assert_eq!(["0", "1", "99999999999999999999999"].map(size), [Some(0), Some(1), Some(MOST)]);
        assert_eq!(["", "-1", "+1", "x", "1.0"].map(size), [None; 5]);
        assert_eq!(Page::parse(None, Some("")).unwrap(), Page { size: MOST, after: None });
    }

    #[test]
    fn what_follows_is_known_by_one_row_more() {
        let page = Page { size: 2, after: None };
        let mut rows = vec!["a", "b", "c"];
        assert_eq!((page.cut(&mut rows, |row| row), rows), (Some("b".to_owned()), vec!["a", "b"]));
        let mut rows = vec!["a", "b"];
        assert_eq!(page.cut(&mut rows, |row| row), None);
        let nothing = Page { size: 0, after: None };
        assert_eq!(nothing.cut(&mut rows, |row| row), None);
    }
}
