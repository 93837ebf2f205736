//! The rules that the settings' types do not express.

use std::fmt::Display;
use std::path::PathBuf;

use super::{ClientCertificates, Settings, names};
use crate::error::{Error, Result};

/// The digests that Pulp knows, in its order.
const CHECKSUMS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

/// The longest time that is added to the present, in seconds: the result has a year of four digits.
const CENTURY: u64 = 100 * 365 * 24 * 60 * 60;

/// Checks all rules and reports every one that is broken, a line each. `source` says who set a key, if that is known.
pub(super) fn check(settings: &Settings, source: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let mut problems = Problems { lines: Vec::new(), source };
    for (key, path) in [("api_root", &settings.api_root), ("content_path_prefix", &settings.content_path_prefix)] {
        problems.unless(is_url_folder(path), key, "must begin and end with \"/\" and hold plain path segments", path);
    }
    if let Some(origin) = &settings.content_origin {
        problems.unless(is_origin(origin), "content_origin", "must be scheme://host[:port], http or https", origin);
    }
    for checksum in &settings.allowed_content_checksums {
        let hint = names::did_you_mean(checksum, CHECKSUMS.into_iter());
        let expected = format!("may contain {}", CHECKSUMS.join(", "));
        let known = CHECKSUMS.contains(&checksum.as_str());
        problems.unless(known, "allowed_content_checksums", &expected, format!("{checksum}{hint}"));
    }
    let has_sha256 = settings.allowed_content_checksums.iter().any(|checksum| checksum == "sha256");
    problems.require(has_sha256, "allowed_content_checksums", "must contain sha256, by which artifacts are named");
    problems.require(!settings.roles.is_empty(), "roles", "must contain at least one of api, content, worker");

    let path_lists = [
        ("allowed_import_paths", &settings.allowed_import_paths),
        ("allowed_export_paths", &settings.allowed_export_paths),
    ];
    for (key, paths) in path_lists {
        for path in paths {
            problems.unless(path.is_absolute(), key, "must contain absolute paths only", path.display());
        }
    }
    let paths: [(&str, &PathBuf); 4] = [
        ("data_dir", &settings.data_dir),
        ("media_root", &settings.media_root),
        ("working_directory", &settings.working_directory),
        ("db_encryption_key", &settings.db_encryption_key),
    ];
    for (key, path) in paths {
        problems.require(!path.as_os_str().is_empty(), key, "must not be empty; \".\" is the current directory");
    }
    let period = settings.distributed_publication_retention_period;
    let is_short = period <= CENTURY;
    problems.unless(is_short, "distributed_publication_retention_period", "must be at most a hundred years", period);
    for (key, number) in [
        ("database_pool_size", u64::from(settings.database_pool_size)),
        ("workers", settings.workers as u64),
        ("worker_ttl", settings.worker_ttl),
        ("signing_timeout", settings.signing_timeout),
        ("max_json_body", settings.max_json_body),
        ("max_upload_size", settings.max_upload_size),
        ("max_pull_through_size", settings.max_pull_through_size),
        ("sync_max_in_flight_mb", settings.sync_max_in_flight_mb),
        ("sync_batch_size", settings.sync_batch_size as u64),
        ("max_connections", settings.max_connections as u64),
        ("header_timeout", settings.header_timeout),
        ("keep_alive_timeout", settings.keep_alive_timeout),
        ("stall_timeout", settings.stall_timeout),
    ] {
        problems.require(number > 0, key, "must be at least 1");
    }
    for (key, holds, rule) in settings.storage.rules() {
        problems.require(holds, key, &rule);
    }
    let has_tls = settings.tls_certificate.is_some();
    problems.require(
        has_tls == settings.tls_key.is_some(),
        "tls_key",
        "belongs to a tls_certificate: set both or none",
    );
    let asks = settings.tls_client_certificates != ClientCertificates::Off;
    problems.require(has_tls || !asks, "tls_client_certificates", "needs a tls_certificate");
    let is_used = asks || settings.tls_client_ca.is_none();
    problems.require(is_used, "tls_client_ca", "means nothing unless tls_client_certificates is request or require");
    if let Some(password) = &settings.admin_password {
        problems.require(!password.expose().is_empty(), "admin_password", "must not be empty");
    }
    if let Err(error) = crate::telemetry::filter(&settings.log_filter) {
        problems.require(false, "log_filter", &format!("must be a log filter: {error}"));
    }
    problems.finish()
}

struct Problems<'a> {
    lines: Vec<String>,
    source: &'a dyn Fn(&str) -> Option<String>,
}

impl Problems<'_> {
    fn require(&mut self, holds: bool, key: &str, rule: &str) {
        if !holds {
            let source = (self.source)(key).map_or_else(String::new, |source| format!(" ({source})"));
            self.lines.push(format!("'{key}'{source} {rule}"));
        }
    }

    fn unless(&mut self, holds: bool, key: &str, rule: &str, value: impl Display) {
        self.require(holds, key, &format!("{rule}, not {value}"));
    }

    fn finish(self) -> Result<()> {
        if self.lines.is_empty() { Ok(()) } else { Err(Error::Config(self.lines.join("\n"))) }
    }
}

/// Whether this is `/` or `/segment/…/`, of unreserved characters (RFC 3986, section 2.3) and no dot segments.
fn is_url_folder(path: &str) -> bool {
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    match path.strip_prefix('/') {
        Some("") => true,
        Some(rest) => rest.strip_suffix('/').is_some_and(|inside| inside.split('/').all(plain)),
        None => false,
    }
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    /// What is said about the defaults with one change.
    fn said(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn paths_of_urls_begin_and_end_with_a_slash() {
        for good in ["/", "/pulp/", "/a/b-c_d/"] {
            assert_eq!(said(|settings| settings.api_root = good.to_owned()), "");
        }
        for bad in ["", "pulp/", "/pulp", "//", "/a//b/", "/a b/", "/../", "/{x}/", "/%2e/"] {
            let said = said(|settings| settings.api_root = bad.to_owned());
            assert!(said.starts_with("'api_root' must begin and end with \"/\""), "{bad}: {said}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for good in ["https://pulp.example.test", "http://[::1]:8080", "http://localhost/"] {
            assert_eq!(said(|settings| settings.content_origin = Some(good.to_owned())), "");
        }
        for bad in
            ["pulp.example.test", "ftp://a.test", "https://a.test/x", "https://u:p@a.test", "https://a.test?x", ""]
        {
            let said = said(|settings| settings.content_origin = Some(bad.to_owned()));
            assert!(said.starts_with("'content_origin' must be"), "{bad}: {said}");
        }
    }

    #[test]
    fn sha256_must_be_allowed_and_only_known_digests_may() {
        let said_of = |names: &[&str]| {
            said(|settings| settings.allowed_content_checksums = names.iter().map(|&name| name.to_owned()).collect())
        };
        assert_eq!(said_of(&["md5", "sha256"]), "");
        assert_eq!(
            said_of(&["sha512"]),
            "'allowed_content_checksums' must contain sha256, by which artifacts are named"
        );
        assert!(said_of(&["sha256", "sha265"]).contains("not sha265; did you mean 'sha256'?"));
    }

    #[test]
    fn the_rest_of_the_rules() {
        assert!(said(|settings| settings.roles.clear()).contains("'roles' must contain"));
        assert!(said(|settings| settings.workers = 0).contains("'workers' must be at least 1"));
        assert!(said(|settings| settings.allowed_import_paths = vec!["srv".into()]).contains("absolute"));
        assert!(said(|settings| settings.media_root = PathBuf::new()).contains("'media_root' must not be empty"));
        assert!(said(|settings| settings.admin_password = Some(Secret::new(""))).contains("'admin_password'"));
        assert!(said(|settings| settings.log_filter = "pulpcore=loud".to_owned()).contains("'log_filter'"));
    }

    #[test]
    fn a_certificate_has_a_key_and_client_certificates_need_one() {
        assert!(said(|settings| settings.tls_certificate = Some("tls.pem".into())).contains("'tls_key'"));
        assert!(said(|settings| settings.tls_key = Some("tls.key".into())).contains("'tls_key'"));
        let asks = said(|settings| settings.tls_client_certificates = ClientCertificates::Request);
        assert_eq!(asks, "'tls_client_certificates' needs a tls_certificate");
        assert!(said(|settings| settings.tls_client_ca = Some("ca.pem".into())).contains("'tls_client_ca'"));
        let all = |settings: &mut Settings| {
            settings.tls_certificate = Some("tls.pem".into());
            settings.tls_key = Some("tls.key".into());
            settings.tls_client_certificates = ClientCertificates::Require;
            settings.tls_client_ca = Some("ca.pem".into());
        };
        assert_eq!(said(all), "");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let said = said(|settings| {
            settings.workers = 0;
            settings.worker_ttl = 0;
        });
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}
