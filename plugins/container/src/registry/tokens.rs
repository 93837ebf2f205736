//! `/token/`: tokens for whoever says who they are, or does not.

use axum::Json;
use axum::response::IntoResponse;
use pulpcore::error::Error;
use pulpcore::plugin::LiveCx;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

use super::access::{Caller, unauthorized};
use super::errors::{Answer, Code, Failure};
use super::keys;
use super::permission::{Who, may};
use super::place::Place;
use super::scope::{Action, Scope};
use super::settings::RegistrySettings;
use super::token::{Claims, LIFETIME, granted};

/// `GET` of a token: Docker's token specification, "Requesting a Token".
pub(super) async fn issue(cx: LiveCx) -> Answer {
    if RegistrySettings::of(&cx.app)?.token_auth_disabled {
        let message = "This registry gives no tokens: send a name and a password with each request.";
        return Err(Failure::new(Code::Unsupported, message).with_status(axum::http::StatusCode::NOT_FOUND));
    }
    let username = match Caller::of(&cx).await? {
        Caller::User(user) => user.username,
        Caller::Anonymous => String::new(),
        // A token is no way to another one.
        Caller::Token(_) => return Err(unauthorized(&cx, None, None, "A token is given for a password.")?),
    };
    let known = !username.is_empty();
    let asked = scopes(&cx);
    let mut private = Vec::new();
    if !known {
        for name in asked.iter().filter_map(Scope::repository_name) {
            private.push((name.to_owned(), is_private(&cx, name).await?));
        }
    }
    let is_private = |name: &str| private.iter().any(|(known, private)| known == name && *private);
    let who = if known { Who::User } else { Who::Anonymous };
    let access = granted(asked, known, |name, action: Action| may(who, action, is_private(name)));
    let claims = Claims::new(&username, access);
    let token = keys::sign(&cx.app, &claims).await?;
    let issued_at = i64::try_from(claims.iat).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let issued_at = issued_at.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(&Rfc3339).map_err(Error::internal)?;
    let body = json!({ "token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": issued_at });
    Ok(Json(body).into_response())
}

/// The scopes that a request names, in any number of parameters.
fn scopes(cx: &LiveCx) -> Vec<Scope> {
    let query = cx.parts.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let named: Vec<_> = pairs.filter(|(key, _)| key == "scope").map(|(_, value)| value.into_owned()).collect();
    Scope::parse_all(named.iter().map(String::as_str))
}

/// Whether nobody but users may pull. What is not there may be pulled, which says that it is not there; a guard that does not
/// let this request in is asked again by the next.
async fn is_private(cx: &LiveCx, name: &str) -> Answer<bool> {
    Ok(Place::find_unguarded(cx, name).await?.is_some_and(|place| place.private))
}
