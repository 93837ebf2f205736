//! The browsable `docs/` page: one file, no build step, no internet.
//!
//! The page fetches `./api.json`, so that it works under every API root, and lists what it finds there. Its policy
//! ([`CSP`]) lets the browser run the one script and the one style that stand in it, and talk to this server only.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The page itself.
pub const PAGE: &str = include_str!("docs.html");

/// The page's content security policy: its own script and style by their hashes, requests to this server, nothing else.
pub static CSP: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
        hash("script"),
        hash("style"),
    );
    HeaderValue::from_str(&policy).expect("base64 and the text around it are visible ASCII")
});

/// Answers `docs/`.
pub fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CSP.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(PAGE)).into_response()
}

/// The hash of the only element of that name, as a policy's source.
fn hash(element: &str) -> String {
    let text = inside(element).unwrap_or_default();
    format!("sha256-{}", BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

fn inside(element: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        for elsewhere in ["http://", "https://", "src=", "@import", "url(", "<link"] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
        assert!(PAGE.contains("fetch(\"./api.json\""));
    }

    #[test]
    fn the_policy_covers_the_one_script_and_the_one_style() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1);
            assert!(inside(element).is_some_and(|text| text.len() > 100));
        }
        // What a policy by hash would silently block.
        for inline in ["style=", "onclick=", "innerHTML"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        let response = page();
        assert_eq!(response.headers()["content-security-policy"], *CSP);
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    }
}
