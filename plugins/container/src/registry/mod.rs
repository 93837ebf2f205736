//! The registry: the protocol of the OCI distribution specification 1.1, under `/v2/`.
//!
//! What only reads is answered by the content role, what writes by the api role. Content comes from the version that a
//! distribution offers; what was pushed and is in no version yet is read from where it waits ([`crate::models`]). Nothing
//! that a client sends is believed: bodies are bounded and hashed while they stream, names are checked against their
//! grammars, and a manifest is taken only with all that it refers to.
//!
//! | to learn | read |
//! | --- | --- |
//! | how things are written | [`digest`], [`mod@reference`], [`range`], [`scope`] |
//! | who may what | [`permission`], [`token`], `access`, `tokens`, `keys` |
//! | what is refused, and how | [`errors`] |
//! | what goes out | `manifests`, `known`, `blobs`, `lists`, `referrers` |
//! | what comes in | `uploads`, `pushing`, [`tasks`] |
//! | what vouches for it | `signatures` |
//! | what comes from other registries | `through` |

mod access;
mod blobs;
pub mod digest;
pub mod errors;
mod keys;
mod known;
mod lists;
mod manifests;
mod origin;
mod page;
pub mod permission;
mod ping;
mod place;
mod pushing;
pub mod range;
pub mod reference;
mod referrers;
pub mod scope;
pub mod settings;
mod signatures;
pub mod tasks;
mod through;
pub mod token;
mod tokens;
mod units;
mod uploads;

use std::fmt;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use pulpcore::error::{Error, Result};
use pulpcore::plugin::{LiveApi, LiveCx, LiveRoute, register};

use self::errors::{API_VERSION, Answer, SUPPORTS_SIGNATURES, VERSION_2, YES};

register!(LiveApi {
    label: "container",
    name: "container registry",
    claims: &["/v2/", "/token/", "/extensions/v2/"],
    routes,
    refuse: errors::refuse,
});

fn routes() -> Vec<LiveRoute> {
    vec![
        read("GET", "/v2/", ping::read),
        read("GET", "/v2", ping::read),
        write("GET", "/token/", tokens::issue),
        write("GET", "/token", tokens::issue),
        read("GET", "/v2/_catalog", lists::catalog),
        read("GET", "/v2/{*name}/tags/list", lists::tags),
        read("GET", "/v2/{*name}/referrers/{digest}", referrers::list),
        read("GET", "/v2/{*name}/manifests/{reference}", manifests::read),
        write("PUT", "/v2/{*name}/manifests/{reference}", pushing::put),
        write("DELETE", "/v2/{*name}/manifests/{reference}", manifests::delete),
        read("GET", "/v2/{*name}/blobs/{digest}", blobs::read).passing_files_on(),
        write("DELETE", "/v2/{*name}/blobs/{digest}", blobs::delete),
        write("POST", "/v2/{*name}/blobs/uploads/", uploads::begin),
        write("POST", "/v2/{*name}/blobs/uploads", uploads::begin),
        write("GET", "/v2/{*name}/blobs/uploads/{session}", uploads::status),
        write("PATCH", "/v2/{*name}/blobs/uploads/{session}", uploads::append),
        write("PUT", "/v2/{*name}/blobs/uploads/{session}", uploads::close),
        write("DELETE", "/v2/{*name}/blobs/uploads/{session}", uploads::cancel),
        read("GET", "/extensions/v2/{*name}/signatures/{digest}", signatures::list),
        write("PUT", "/extensions/v2/{*name}/signatures/{digest}", signatures::put),
    ]
}

fn read<F, Fut>(method: &'static str, pattern: &'static str, handler: F) -> LiveRoute
where
    F: Fn(LiveCx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    LiveRoute::read(method, pattern, drawn(handler))
}

fn write<F, Fut>(method: &'static str, pattern: &'static str, handler: F) -> LiveRoute
where
    F: Fn(LiveCx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    LiveRoute::write(method, pattern, drawn(handler))
}

/// What a handler answers or refuses, as the protocol has it.
fn drawn<F, Fut>(handler: F) -> impl Fn(LiveCx) -> std::pin::Pin<Box<dyn Future<Output = Result<Response>> + Send>>
where
    F: Fn(LiveCx) -> Fut,
    Fut: Future<Output = Answer> + Send + 'static,
{
    move |cx| {
        let answer = handler(cx);
        Box::pin(async move {
            let mut response = match answer.await {
                Ok(response) => response,
                Err(failure) => failure.draw()?,
            };
            response.headers_mut().insert(API_VERSION, VERSION_2);
            response.headers_mut().insert(SUPPORTS_SIGNATURES, YES);
            Ok(response)
        })
    }
}

/// The digest of what is sent or was taken.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The value of a header.
fn header_of(value: impl fmt::Display) -> Result<HeaderValue> {
    HeaderValue::try_from(value.to_string()).map_err(Error::internal)
}
