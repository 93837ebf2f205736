//! Which form of a listing a client prefers (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// Whether JSON is preferred to HTML. A draw is for HTML: clients that take anything got pages before there was JSON.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let lines = || headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let weight = |type_: &str| {
        let (main, _) = type_.split_once('/').unwrap_or_default();
        let fits = |range: &str| match range.strip_suffix("/*") {
            _ if range.eq_ignore_ascii_case(type_) => 3,
            Some(any) if any.eq_ignore_ascii_case(main) => 2,
            Some("*") => 1,
            _ => 0,
        };
        let ranges = lines().flat_map(|line| line.split(',')).map(range);
        let best = ranges.map(|(range, weight)| (fits(range), weight)).filter(|(fit, _)| *fit > 0).max();
        best.map_or(0, |(_, weight)| weight)
    };
    weight("application/json") > weight("text/html")
}

/// A media range and its weight in thousandths. A weight that cannot be read is a full one.
fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.and_then(|weight| weight.parse::<f32>().ok()).filter(|weight| (0.0..=1.0).contains(weight));
    // At most 1000, as the filter says.
    (range, weight.map_or(1000, |weight| (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_for_who_prefers_it() {
        for (accept, expected) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/*", true),
            ("application/json, */*;q=0.8", true),
            ("text/html;q=0.8, application/json; q=0.9", true),
            ("text/html;q=0, */*", true),
            ("application/json;version=1", true),
            ("application/json;q=0.001", true),
            ("", false),
            ("*/*", false),
            ("text/html, application/json", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("application/json;q=0, */*", false),
            ("application/json;q=0", false),
            ("application/json;q=0.5, text/*;q=0.6", false),
            ("image/png", false),
            ("application/json;q=x, text/html", false),
            ("*/json", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_json(&headers), expected, "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        for line in ["text/html;q=0.2", "application/json;q=0.3"] {
            headers.append(header::ACCEPT, HeaderValue::from_static(line));
        }
        assert!(prefers_json(&headers), "a list may come in several lines");
    }
}
