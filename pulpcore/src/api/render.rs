//! How an error looks in the management API: one table from [`Error`] to status, headers and body.
//!
//! The shapes are Django REST framework's: messages by field for broken rules, `{"detail": …}` for everything else. A
//! 5xx says what kind of failure it is, the correlation id, and nothing else; what happened stands in the log.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::{Error, Invalid};

/// An answer that reports a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The status.
    pub status: StatusCode,
    /// The body; it is sent as `application/json`.
    pub body: Value,
    /// Headers beside the content type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Draws an error. `correlation_id` is the request's; only a 5xx shows it.
///
/// | error | status | body |
/// | --- | --- | --- |
/// | `Invalid` | 400 | messages by field; a list of them if they belong to [`Invalid::BARE`] |
/// | `UnknownFilter` | 400 | `{"errors": ["Invalid Filter: '…'"]}` |
/// | `Malformed` | 400 | `{"detail": "JSON parse error - …"}` |
/// | `Unauthenticated`, `BadCredentials` | 401 | detail, and `WWW-Authenticate` |
/// | `PermissionDenied` | 403 | detail |
/// | `NotFound` | 404 | detail |
/// | `Conflict`, `Canceled` | 409 | detail |
/// | `Gone` | 410 | detail |
/// | `TooLarge` | 413 | detail |
/// | `UnsupportedMediaType` | 415 | detail |
/// | `Upstream` | 502 | fixed detail, correlation id: only synchronous calls meet it, tasks keep theirs in a row |
/// | `Unavailable` | 503 | fixed detail, correlation id, and `Retry-After` |
/// | `Config`, `Internal` | 500 | fixed detail, correlation id |
pub fn render(error: &Error, correlation_id: &str) -> Rendered {
    let detail = |status| Rendered::new(status, json!({"detail": error.to_string()}));
    let fault = |status, text: &str| Rendered::new(status, json!({"detail": text, "correlation_id": correlation_id}));
    match error {
        Error::Invalid(invalid) => {
            let bare = invalid.fields().get(Invalid::BARE);
            let body = bare.map_or_else(|| json!(invalid.fields()), |messages| json!(messages));
            Rendered::new(StatusCode::BAD_REQUEST, body)
        }
        Error::UnknownFilter(_) => Rendered::new(StatusCode::BAD_REQUEST, json!({"errors": [error.to_string()]})),
        Error::Malformed(text) => {
            // A caller that parses something other than JSON says so itself.
            let prefix = if text.contains("parse error - ") { "" } else { "JSON parse error - " };
            Rendered::new(StatusCode::BAD_REQUEST, json!({"detail": format!("{prefix}{text}")}))
        }
        Error::Unauthenticated | Error::BadCredentials => detail(StatusCode::UNAUTHORIZED)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"api\"")),
        Error::PermissionDenied => detail(StatusCode::FORBIDDEN),
        Error::NotFound(_) => detail(StatusCode::NOT_FOUND),
        Error::Conflict(_) | Error::Canceled => detail(StatusCode::CONFLICT),
        Error::Gone(_) => detail(StatusCode::GONE),
        Error::TooLarge(_) => detail(StatusCode::PAYLOAD_TOO_LARGE),
        Error::UnsupportedMediaType(_) => detail(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        Error::Upstream { .. } => fault(StatusCode::BAD_GATEWAY, "A remote server failed."),
        Error::Unavailable(_) => {
            fault(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable, try again later.")
                .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        }
        Error::Config(_) | Error::Internal(_) => fault(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error."),
    }
}

/// Draws an error as an HTTP answer; a 5xx is logged with its whole story.
pub fn respond(error: &Error, correlation_id: &str) -> Response {
    let rendered = render(error, correlation_id);
    if rendered.status.is_server_error() {
        tracing::error!(correlation_id, status = rendered.status.as_u16(), "{}", error.log());
    }
    rendered.into_response()
}

/// A panic as the fault of ours that it is.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("a panic: {}", text.unwrap_or("without a text")))
}

/// A method that the path does not know. `allow` lists those it does, e.g. `GET, POST, HEAD, OPTIONS`.
pub fn method_not_allowed(method: &Method, allow: HeaderValue) -> Rendered {
    let body = json!({"detail": format!("Method \"{method}\" not allowed.")});
    Rendered::new(StatusCode::METHOD_NOT_ALLOWED, body).with(header::ALLOW, allow)
}

/// What [`Error::Malformed`] says of a JSON body: serde's words, and the place as Python counts it.
pub fn malformed_json(error: &serde_json::Error, body: &[u8]) -> Error {
    let (line, column) = (error.line(), error.column());
    let before: usize = body.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let char = (before + column).saturating_sub(1);
    Error::Malformed(format!("{text}: line {line} column {column} (char {char})"))
}

impl Rendered {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Upstream;

    #[test]
    fn every_error_has_its_shape() {
        let cid = "c0ffee";
        for (error, status, body) in [
            (Error::invalid("name", "This field is required."), 400, json!({"name": ["This field is required."]})),
            (Error::invalid_together("No."), 400, json!({"non_field_errors": ["No."]})),
            (Error::invalid_bare("No."), 400, json!(["No."])),
            (Error::UnknownFilter("bogus".into()), 400, json!({"errors": ["Invalid Filter: 'bogus'"]})),
            (Error::Malformed("Expecting value".into()), 400, json!({"detail": "JSON parse error - Expecting value"})),
            (
                Error::Malformed("Multipart form parse error - no boundary".into()),
                400,
                json!({"detail": "Multipart form parse error - no boundary"}),
            ),
            (Error::Unauthenticated, 401, json!({"detail": "Authentication credentials were not provided."})),
            (Error::BadCredentials, 401, json!({"detail": "Invalid username/password."})),
            (Error::PermissionDenied, 403, json!({"detail": "You do not have permission to perform this action."})),
            (Error::NotFound("Not found.".into()), 404, json!({"detail": "Not found."})),
            (Error::Conflict("Busy.".into()), 409, json!({"detail": "Busy."})),
            (Error::Canceled, 409, json!({"detail": "The task was canceled."})),
            (Error::Gone("Gone.".into()), 410, json!({"detail": "Gone."})),
            (Error::TooLarge("Too large.".into()), 413, json!({"detail": "Too large."})),
            (
                Error::UnsupportedMediaType("text/plain".into()),
                415,
                json!({"detail": "Unsupported media type \"text/plain\" in request."}),
            ),
            (
                Error::Unavailable("The database at db:5432 is away.".into()),
                503,
                json!({"detail": "Service temporarily unavailable, try again later.", "correlation_id": cid}),
            ),
            (
                Error::upstream("http://inner.test/", Upstream::Status(500)),
                502,
                json!({"detail": "A remote server failed.", "correlation_id": cid}),
            ),
            (
                Error::Config("SECRET_KEY is short".into()),
                500,
                json!({"detail": "Internal server error.", "correlation_id": cid}),
            ),
            (
                Error::internal(std::io::Error::other("/srv is full")),
                500,
                json!({"detail": "Internal server error.", "correlation_id": cid}),
            ),
        ] {
            let rendered = render(&error, cid);
            assert_eq!((rendered.status.as_u16(), &rendered.body), (status, &body), "{error}");
        }
    }

    #[test]
    fn headers_say_how_to_go_on() {
        let response = respond(&Error::Unauthenticated, "c");
        assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"api\"");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(respond(&Error::Unavailable(String::new()), "c").headers()["retry-after"], "5");

        let rendered = method_not_allowed(&Method::PUT, HeaderValue::from_static("GET, POST, HEAD, OPTIONS"));
        assert_eq!(rendered.body, json!({"detail": "Method \"PUT\" not allowed."}));
        let response = rendered.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &HeaderValue::from_static("GET, POST, HEAD, OPTIONS"))
        );
    }

    #[test]
    fn a_json_error_says_where() {
        let body = b"{\n  nope}";
        let error = serde_json::from_slice::<Value>(body).unwrap_err();
        assert_eq!(malformed_json(&error, body).to_string(), "key must be a string: line 2 column 3 (char 4)");
    }
}
