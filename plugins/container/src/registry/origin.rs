//! How the client reaches this server: scheme and host, for the one URL that must be whole.

use axum::http::header;
use pulpcore::plugin::LiveCx;

/// Scheme and host, such as `https://registry.example.test`. It is told to nobody but the client whose request names it, so
/// that whatever the request says is good enough.
pub(super) fn of(cx: &LiveCx) -> String {
    let text = |name: &str| cx.parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let forwarded = text("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
    let tls = cx.app.settings.tls_certificate.is_some();
    let scheme = forwarded.unwrap_or(if tls { "https" } else { "http" });
    let authority = cx.parts.uri.authority().map(|authority| authority.as_str());
    let host = text(header::HOST.as_str()).or(authority).filter(|host| is_host(host));
    match host {
        Some(host) => format!("{scheme}://{host}"),
        None => cx.app.settings.content_origin(),
    }
}

/// Whether this is a host and perhaps a port, and nothing that would end a quoted text.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_ends_no_quotes() {
        assert!(is_host("registry.example.test:5000") && is_host("[::1]:80"));
        assert!(!is_host("") && !is_host("a\",scope=\"x") && !is_host("a b"));
    }
}
