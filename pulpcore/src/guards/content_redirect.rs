//! The content-redirect guard: whoever comes with a URL that this server signed for them a moment ago.
//!
//! A registry checks its clients itself and then sends them to the content service, with a URL that lets them in for an
//! hour. Pulp hashes the secret behind the text; here it is an HMAC, under the same names of parameters, so that nothing
//! can be appended to what was signed. The secret lies in the clear: the content service must read it without the keys that
//! other secrets are encrypted with, and it opens nothing but this guard. It is never shown.

use aws_lc_rs::hmac;
use percent_encoding::percent_decode_str;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::app::App;
use crate::error::{Error, Result};
use crate::models::content_guard;
use crate::plugin::{ContentGuard, Detail, GuardRequest, NoFields, Noun, register};

/// How long a signed URL lets its bearer in, in seconds: as long as in Pulp.
const LASTS: i64 = 3600;

const EXPIRES: &str = "expires=";
const TOKEN: &str = "&validate_token=";

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_contentredirectcontentguard")]
pub(crate) struct Model {
    /// The guard's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) contentguard_ptr_id: Uuid,
    /// 32 random bytes, in hex.
    pub(crate) shared_secret: String,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A URL of the content service that lets its bearer past a content-redirect guard for an hour: what a plugin that has
/// checked its client by itself redirects it to. Whatever query the URL has is signed with it.
///
/// ```
/// use pulpcore::app::App;
/// use pulpcore::error::Result;
/// use pulpcore::plugin::preauthenticate;
/// use uuid::Uuid;
///
/// async fn redirect(app: &App, guard: Uuid) -> Result<String> {
///     preauthenticate(app, guard, "/pulp/content/library/blob").await
/// }
/// ```
///
/// # Errors
/// [`Error::NotFound`] if this is no content-redirect guard.
pub async fn preauthenticate(app: &App, guard: Uuid, url: &str) -> Result<String> {
    let row = Entity::find_by_id(guard).one(app.db.read()).await?;
    let row = row.ok_or_else(|| Error::NotFound("there is no such content-redirect guard".to_owned()))?;
    Ok(signed(&key(&row)?, url, OffsetDateTime::now_utc().unix_timestamp() + LASTS))
}

impl Detail for Entity {
    type Master = content_guard::Entity;
    const TYPE: &'static str = "core.content_redirect";
    const MODEL: &'static str = "ContentRedirectContentGuard";
    const ENDPOINT: &'static str = "content_redirect";
    type Body = NoFields;

    fn read(_row: &Model) -> NoFields {
        NoFields {}
    }

    fn write(row: &mut Model, _body: NoFields) {
        if row.shared_secret.is_empty() {
            row.shared_secret = hex::encode(rand::random::<[u8; 32]>());
        }
    }
}

impl ContentGuard for Entity {
    type Compiled = hmac::Key;

    async fn compile(_app: &App, row: &Model) -> Result<hmac::Key> {
        key(row)
    }

    async fn permit(_app: &App, key: &hmac::Key, request: &GuardRequest<'_>) -> Result<()> {
        let uri = request.uri();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        match uri.query().is_some_and(|query| fits(key, uri.path(), query, now)) {
            true => Ok(()),
            false => Err(Error::PermissionDenied),
        }
    }
}

fn key(row: &Model) -> Result<hmac::Key> {
    let secret = hex::decode(&row.shared_secret).map_err(Error::internal)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

fn signed(key: &hmac::Key, url: &str, expires: i64) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}{EXPIRES}{expires}");
    let host = if url.starts_with('/') { None } else { url.split_once("://") };
    let after_the_host = host.map_or(url.as_str(), |(_, rest)| &rest[rest.find('/').unwrap_or(0)..]);
    let (path, query) = after_the_host.split_once('?').unwrap_or((after_the_host, ""));
    let token = hex::encode(hmac::sign(key, &text(path, query)));
    format!("{url}{TOKEN}{token}")
}

fn fits(key: &hmac::Key, path: &str, query: &str, now: i64) -> bool {
    let Some((query, token)) = query.rsplit_once(TOKEN) else { return false };
    let expires = query.rsplit_once('&').map_or(query, |(_, last)| last).strip_prefix(EXPIRES);
    let lasts = expires.and_then(|expires| expires.parse::<i64>().ok()).is_some_and(|expires| now <= expires);
    lasts && hex::decode(token).is_ok_and(|token| hmac::verify(key, &text(path, query), &token).is_ok())
}

/// What is signed. The path is decoded as the content service decodes it: on their way URLs are often encoded anew. Its length
/// parts it from the query, whatever it holds.
fn text(path: &str, query: &str) -> Vec<u8> {
    let path: Vec<u8> = percent_decode_str(path).collect();
    [&(path.len() as u64).to_be_bytes(), &path[..], query.as_bytes()].concat()
}

register!(Noun::content_guard::<Entity>());

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key_of(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn opens(key: &hmac::Key, url: &str, now: i64) -> bool {
        let uri: axum::http::Uri = url.parse().unwrap();
        uri.query().is_some_and(|query| fits(key, uri.path(), query, now))
    }

    #[test]
    fn a_signed_url_opens_its_path_on_any_host_and_no_other_path() {
        let key = key_of(1);
        let url = signed(&key, "http://a.example/pulp/content/d/f", NOW + LASTS);
        assert!(opens(&key, &url, NOW));
        assert!(opens(&key, &url.replace("a.example", "b.example"), NOW));
        assert!(opens(&key, &url.replace("/d/f", "/d/%66"), NOW), "the same path, encoded");
        assert!(opens(&key, &signed(&key, "/pulp/content/d/f?of=http://a.example/x", NOW), NOW));
        for forged in [
            url.replace("/d/f", "/d/g"),
            url.replace("/d/f?", "/d/f%3F"),
            url.replace("?expires", "?x=1&expires"),
            url.replace("validate_token=", "validate_token=00"),
            url.replace("&validate_token=", "&x=1&validate_token="),
            format!("{url}&x=1"),
            format!("{url}&validate_token=00"),
            "http://a.example/pulp/content/d/f".to_owned(),
            "http://a.example/pulp/content/d/f?expires=9999999999&validate_token=".to_owned(),
        ] {
            assert!(!opens(&key, &forged, NOW), "{forged}");
        }
        assert!(!opens(&key_of(2), &url, NOW), "another guard's");
    }

    #[test]
    fn a_signed_url_lasts_as_long_as_it_says() {
        let key = key_of(1);
        let url = signed(&key, "/pulp/content/d/f?arch=x", NOW);
        assert!(opens(&key, &url, NOW));
        assert!(!opens(&key, &url, NOW + 1));
        assert!(!opens(&key, &url.replace(&NOW.to_string(), &(NOW + 9).to_string()), NOW + 1), "a later end");
    }
}
