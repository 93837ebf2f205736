//! What a file is, and how long caches may take it for current: by its name and its kind of distribution, never by its
//! contents.
//!
//! A compressed file is sent as what it is, `application/gzip` for `primary.xml.gz`. It never gets a `Content-Encoding`,
//! which would have clients unpack it and then find that its digest is wrong.

use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::resolve::Source;
use crate::plugin::{Family, Hooks};
use crate::registry;

/// The types that `mime_guess` does not know, or takes for something else.
const TYPES: &[(&str, &str)] = &[
    ("deb", "application/vnd.debian.binary-package"),
    ("ddeb", "application/vnd.debian.binary-package"),
    ("drpm", "application/x-rpm"),
    ("iso", "application/x-iso9660-image"),
    ("lz4", "application/x-lz4"),
    ("repo", "text/plain"),
    ("rpm", "application/x-rpm"),
    ("tbz", "application/x-bzip2"),
    ("tbz2", "application/x-bzip2"),
    ("tgz", "application/gzip"),
    ("txz", "application/x-xz"),
    ("tzst", "application/zstd"),
    ("udeb", "application/vnd.debian.binary-package"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zst", "application/zstd"),
];

/// The media type of a file, by the last extension of its name.
pub(super) fn media_type(name: &str) -> HeaderValue {
    let last = name.rsplit('/').next().unwrap_or(name);
    let extension = last.rsplit_once('.').map_or("", |(_, extension)| extension);
    let own = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, type_)| *type_);
    let guess = own.or_else(|| mime_guess::from_ext(extension).first_raw());
    HeaderValue::from_static(guess.unwrap_or("application/octet-stream"))
}

/// Says how caches may keep an answer about a file: as its kind of distribution says, unless the answer says it itself;
/// what is guarded is for the client alone, because a cache on the way would not ask the guard.
pub(super) fn say_cache_control(mut response: Response, source: &Source, path: &str) -> Response {
    let headers = response.headers_mut();
    let noun = registry::get().noun(Family::Distribution, &source.pulp_type);
    let of_plugin = match noun.map(|noun| &noun.hooks) {
        Some(Hooks::Distribution(hooks)) if !headers.contains_key(header::CACHE_CONTROL) => (hooks.cache_control)(path),
        _ => None,
    };
    if let Some(value) = of_plugin.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    if source.content_guard_id.is_some() {
        // Directives add up over lines, and the most restrictive one counts (RFC 9111, section 4.2.1).
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    response
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_name_tells_the_type() {
        for (name, expected) in [
            ("repodata/abc-primary.xml.gz", "application/gzip"),
            ("src/x-1.0.tar.gz", "application/gzip"),
            ("x.tgz", "application/gzip"),
            ("x.tar.xz", "application/x-xz"),
            ("x.tar.bz2", "application/x-bzip2"),
            ("x.xml.zst", "application/zstd"),
            ("Packages/b/bear-4.1-1.noarch.rpm", "application/x-rpm"),
            ("X.RPM", "application/x-rpm"),
            ("pool/b/bear_4.1-1_all.deb", "application/vnd.debian.binary-package"),
            ("images/boot.iso", "application/x-iso9660-image"),
            ("index.json", "application/json"),
            ("repodata/repomd.xml", "text/xml"),
            ("repodata/repomd.xml.asc", "application/pgp-signature"),
            ("index.html", "text/html"),
            ("readme.txt", "text/plain"),
            ("PULP_MANIFEST", "application/octet-stream"),
            ("dists/stable/InRelease", "application/octet-stream"),
            ("dir.html/name", "application/octet-stream"),
            (".html", "text/html"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_guarded_is_for_the_client_alone() {
        let source = |guard| Source {
            distribution_id: Uuid::nil(),
            pulp_type: "test.test".to_owned(),
            base_path: "d".to_owned(),
            content_guard_id: guard,
            checkpoint: false,
            points_nowhere: false,
            publication_id: None,
            pass_through: None,
            repository_id: None,
            number: None,
            remote_id: None,
            is_version_less: false,
            bound_to: None,
        };
        let said = |guard, own: Option<&'static str>| {
            let mut response = Response::default();
            if let Some(own) = own {
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(own));
            }
            let response = say_cache_control(response, &source(guard), "a");
            let lines = response.headers().get_all(header::CACHE_CONTROL).iter();
            lines.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let guard = Some(Uuid::nil());
        assert!(said(None, None).is_empty());
        assert_eq!(said(None, Some("no-store")), ["no-store"]);
        assert_eq!(said(guard, None), ["private"]);
        assert_eq!(said(guard, Some("max-age=60")), ["max-age=60", "private"]);
    }
}
