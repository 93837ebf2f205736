//! What the registry does not do, in the shape of the distribution specification 1.1, "Error Codes".

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulpcore::error::Error;
use pulpcore::plugin::Refusal;
use serde_json::{Value, json};

use super::digest::BadDigest;
use super::range::BadRange;
use super::reference::BadReference;
use crate::manifest::BadManifest;

/// What every answer of the protocol carries, as clients of Docker's time expect.
pub const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The value of [`API_VERSION`].
pub const VERSION_2: HeaderValue = HeaderValue::from_static("registry/2.0");

/// What says that a registry takes signatures, and hands them out: of OpenShift's registry, and known to its clients.
pub const SUPPORTS_SIGNATURES: HeaderName = HeaderName::from_static("x-registry-supports-signatures");

/// The value of [`SUPPORTS_SIGNATURES`].
pub const YES: HeaderValue = HeaderValue::from_static("1");

/// The codes of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A blob is not in the repository.
    BlobUnknown,
    /// An upload cannot go on.
    BlobUploadInvalid,
    /// There is no such upload.
    BlobUploadUnknown,
    /// A digest is none, or not that of the bytes.
    DigestInvalid,
    /// A manifest refers to what the repository does not have.
    ManifestBlobUnknown,
    /// A manifest is none.
    ManifestInvalid,
    /// A manifest is not in the repository.
    ManifestUnknown,
    /// A name is none.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// A length is not that of the bytes, or too much.
    SizeInvalid,
    /// Somebody has to say who it is.
    Unauthorized,
    /// Somebody may not do this.
    Denied,
    /// The registry does not do this.
    Unsupported,
    /// More was asked than is answered for now.
    TooManyRequests,
    /// A reference is neither a tag nor a digest. The specification has no code; this is what Docker's registry says.
    TagInvalid,
    /// A signature is none, or not that of the manifest: as Pulp says it.
    SignatureInvalid,
    /// It is the registry's fault: as Docker's registry says it.
    Unknown,
    /// Something that the registry needs is away for now: as Docker's registry says it.
    Unavailable,
}

impl Code {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::TagInvalid => "TAG_INVALID",
            Self::SignatureInvalid => "SIGNATURE_INVALID",
            Self::Unknown => "UNKNOWN",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// The status that goes with it.
    const fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestBlobUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::BlobUploadInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::TagInvalid
            | Self::SignatureInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code for a status, where nothing more is known.
    const fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            404 => Self::NameUnknown,
            413 => Self::SizeInvalid,
            429 => Self::TooManyRequests,
            503 => Self::Unavailable,
            500.. => Self::Unknown,
            _ => Self::Unsupported,
        }
    }
}

/// Why a request gets no answer.
#[derive(Debug)]
pub enum Failure {
    /// The protocol has a code for it.
    Oci(Box<Oci>),
    /// It has none: what is drawn says what the error says.
    Core(Error),
}

/// A refusal with its code.
#[derive(Debug)]
pub struct Oci {
    code: Code,
    status: StatusCode,
    message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the registry's routes return.
pub type Answer<T = Response> = Result<T, Failure>;

impl Failure {
    /// A refusal with the status that goes with its code. The message is a sentence for the client.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (status, message) = (code.status(), message.into());
        Self::Oci(Box::new(Oci { code, status, message, detail: Value::Null, headers: Vec::new() }))
    }

    /// With another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        if let Self::Oci(oci) = &mut self {
            oci.status = status;
        }
        self
    }

    /// With what it is about, such as `{"digest": …}`.
    pub fn with_detail(mut self, detail: Value) -> Self {
        if let Self::Oci(oci) = &mut self {
            oci.detail = detail;
        }
        self
    }

    /// With a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Self::Oci(oci) = &mut self {
            oci.headers.push((name, value));
        }
        self
    }

    /// The answer; an error that the protocol has no code for is left to [`refuse`].
    ///
    /// # Errors
    /// The error that the protocol has no code for.
    pub fn draw(self) -> Result<Response, Error> {
        match self {
            Self::Core(error) => Err(error),
            Self::Oci(oci) => {
                let mut response = drawn(oci.status, oci.code, &oci.message, oci.detail);
                response.headers_mut().extend(oci.headers);
                Ok(response)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

macro_rules! codes {
    ($($bad:ty => $code:ident),*) => {
        $(impl From<$bad> for Failure {
            fn from(bad: $bad) -> Self {
                Self::new(Code::$code, bad.to_string())
            }
        })*
    };
}
codes!(BadDigest => DigestInvalid, BadRange => SizeInvalid, BadReference => TagInvalid, BadManifest => ManifestInvalid);

/// Draws what was refused before, or without, a route of the registry.
pub fn refuse(refusal: &Refusal) -> Response {
    drawn(refusal.status, Code::of(refusal.status), &refusal.message, Value::Null)
}

fn drawn(status: StatusCode, code: Code, message: &str, detail: Value) -> Response {
    let mut error = json!({ "code": code.name(), "message": message });
    if !detail.is_null() {
        error["detail"] = detail;
    }
    let mut response = (status, Json(json!({ "errors": [error] }))).into_response();
    // Docker's clients look at the type before they read what went wrong.
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(API_VERSION, VERSION_2);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_drawn_with_its_code_its_status_and_its_headers() {
        let range = (header::RANGE, HeaderValue::from_static("0-9"));
        let failure = Failure::new(Code::BlobUploadInvalid, "A gap.").with_header(range.0, range.1);
        let response = failure.draw().unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["range"]), (416, &HeaderValue::from_static("0-9")));
        assert_eq!(response.headers()[API_VERSION], VERSION_2);
    }

    #[test]
    fn an_error_without_a_code_is_left_to_whoever_draws_it() {
        let error = Failure::from(Error::PermissionDenied).draw().unwrap_err();
        assert!(matches!(error, Error::PermissionDenied));
        assert_eq!(Code::of(StatusCode::FORBIDDEN), Code::Denied);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::Unknown);
    }
}
