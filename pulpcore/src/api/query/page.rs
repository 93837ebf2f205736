//! One page of a list: `limit`, `offset`, and the links to its neighbours.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Query;

/// How many items a page holds if the client does not say, as in Pulp.
pub const DEFAULT_LIMIT: u64 = 100;

/// The most items of one page. Pulp has no bound; a client that asks for more still gets a correct `next`.
pub const MAX_LIMIT: u64 = 10_000;

/// What Python's `quote_plus` leaves alone, beside letters and digits; spaces become `+`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b' ');

/// Which part of a list a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many items: 1 to [`MAX_LIMIT`].
    pub limit: u64,
    /// After so many items; fits an `i64`.
    pub offset: u64,
}

/// The links to the neighbouring pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The page after this one.
    pub next: Option<String>,
    /// The page before this one.
    pub previous: Option<String>,
}

impl Page {
    /// Reads `limit` and `offset`. What is no number falls back to the default, as in Django REST framework.
    pub fn parse(query: &Query) -> Self {
        let limit = query.get("limit").and_then(number).filter(|limit| *limit > 0);
        let offset = query.get("offset").and_then(number);
        Self { limit: limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT), offset: offset.unwrap_or(0) }
    }

    /// The links for a list of `count` items. `url` is absolute and has no query; `query` is the request's.
    pub fn links(&self, url: &str, query: &Query, count: u64) -> Links {
        let after = self.offset.saturating_add(self.limit);
        let before = self.offset.saturating_sub(self.limit);
        Links {
            next: (after < count).then(|| self.link(url, query, after)),
            previous: (self.offset > 0).then(|| self.link(url, query, before)),
        }
    }

    fn link(&self, url: &str, query: &Query, offset: u64) -> String {
        let (limit, offset) = (self.limit.to_string(), (offset > 0).then(|| offset.to_string()));
        let mut pairs: Vec<(&str, &str)> = query
            .pairs()
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .filter(|(key, _)| !matches!(*key, "limit" | "offset"))
            .chain([("limit", limit.as_str())])
            .chain(offset.iter().map(|offset| ("offset", offset.as_str())))
            .collect();
        pairs.sort_by_key(|(key, _)| *key);
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
        format!("{url}?{}", pairs.join("&"))
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone can only fail to parse by being too many.
    Some(digits.parse().unwrap_or(u64::MAX).min(i64::MAX as u64))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:24817/pulp/api/v3/content/file/files/";
    const VERSION: &str = "/pulp/api/v3/repositories/file/file/01a1f7e1-0191-7377-9e28-b3e2ac5fdf56/versions/1/";
    const ESCAPED_VERSION: &str =
        "%2Fpulp%2Fapi%2Fv3%2Frepositories%2Ffile%2Ffile%2F01a1f7e1-0191-7377-9e28-b3e2ac5fdf56%2Fversions%2F1%2F";

    fn page(raw: &str) -> Page {
        Page::parse(&Query::parse(Some(raw)).unwrap())
    }

    #[test]
    fn bad_values_fall_back() {
        assert_eq!(page(""), Page { limit: 100, offset: 0 });
        assert_eq!(page("limit=7&offset=3"), Page { limit: 7, offset: 3 });
        assert_eq!(page("limit=0&offset=-1"), Page { limit: 100, offset: 0 });
        assert_eq!(page("limit=many&offset=1.5"), Page { limit: 100, offset: 0 });
    }

    #[test]
    fn huge_values_are_bounded() {
        let huge = "9".repeat(40);
        assert_eq!(page(&format!("limit={huge}&offset={huge}")), Page { limit: MAX_LIMIT, offset: i64::MAX as u64 });
    }

    #[test]
    fn links_look_as_pulp_writes_them() {
        let query = Query::parse(Some(&format!("repository_version={VERSION}&limit=2"))).unwrap();
        let links = Page::parse(&query).links(URL, &query, 10_000);
        assert_eq!(links.next.unwrap(), format!("{URL}?limit=2&offset=2&repository_version={ESCAPED_VERSION}"));
        assert_eq!(links.previous, None);

        let query = Query::parse(Some(&format!("repository_version={VERSION}&limit=2&offset=9998"))).unwrap();
        let links = Page::parse(&query).links(URL, &query, 10_000);
        assert_eq!(links.next, None);
        assert_eq!(links.previous.unwrap(), format!("{URL}?limit=2&offset=9996&repository_version={ESCAPED_VERSION}"));
    }

    #[test]
    fn the_first_page_has_no_offset_and_repeated_keys_stay() {
        let query = Query::parse(Some("z=b+c&z=a~*&offset=1&limit=2")).unwrap();
        let links = Page::parse(&query).links(URL, &query, 3);
        assert_eq!(links.previous.unwrap(), format!("{URL}?limit=2&z=b+c&z=a~%2A"));
        assert_eq!(links.next, None);
    }
}
