//! What a remote says about how to reach it, and what the operator says about all remotes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::local;

pub(super) const UNSUPPORTED_SCHEME: &str = "the URL's scheme is none of http, https and file";

/// How to reach a remote: the fields of Pulp's remotes, as the client set them. `None` is "use the default".
///
/// Credentials and headers are sent to the host of [`url`](Self::url) only, wherever a request or a redirect leads; of
/// the headers, `Accept`, `Accept-Encoding`, `Accept-Language` and `User-Agent` go everywhere.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where the remote is. Its scheme decides which downloader is used, its host who sees the credentials.
    pub url: String,
    /// Certificate authorities in PEM that alone are trusted. Default: those of the system.
    pub ca_cert: Option<String>,
    /// A client certificate (with its chain) in PEM. Without its key it is not used, as in Pulp.
    pub client_cert: Option<String>,
    /// The key of `client_cert` in PEM, not encrypted.
    pub client_key: Option<String>,
    /// Whether the server's certificate is checked.
    pub tls_validation: bool,
    /// A proxy: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`. Default: none; the environment's proxy
    /// variables are not looked at, as in Pulp.
    pub proxy_url: Option<String>,
    /// The user at the proxy.
    pub proxy_username: Option<String>,
    /// The password at the proxy.
    pub proxy_password: Option<String>,
    /// The user, for basic authentication.
    pub username: Option<String>,
    /// The password, for basic authentication.
    pub password: Option<String>,
    /// Headers to send, by name.
    pub headers: Vec<(String, String)>,
    /// How often a failed download is tried again. Default: 3.
    pub max_retries: Option<u32>,
    /// Seconds that one attempt may take from its request to the end of its body. Default, and 0: no limit.
    pub total_timeout: Option<f64>,
    /// Seconds until there must be a connection, TLS included. Default: 60, or the longer `sock_connect_timeout`; 0: no
    /// limit.
    pub connect_timeout: Option<f64>,
    /// Seconds until a socket must be connected. Connecting is one step here: the shorter of the two limits counts.
    pub sock_connect_timeout: Option<f64>,
    /// Seconds without a byte after which a server counts as gone. Default: 600; 0: no limit.
    pub sock_read_timeout: Option<f64>,
    /// How many downloads run at once. Default: 10.
    pub download_concurrency: Option<u32>,
    /// Requests a second. Default, and 0: no limit.
    pub rate_limit: Option<u32>,
}

/// What the operator decides for all remotes.
#[derive(Debug, Clone)]
pub struct DownloadSettings {
    /// The folders below which `file://` remotes may read (Pulp's `ALLOWED_IMPORT_PATHS`). None by default.
    pub allowed_import_paths: Vec<PathBuf>,
    /// The pause before the first retry, on average; it doubles with each further one. Default: half a second.
    pub retry_pause: Duration,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca_cert: None,
            client_cert: None,
            client_key: None,
            tls_validation: true,
            proxy_url: None,
            proxy_username: None,
            proxy_password: None,
            username: None,
            password: None,
            headers: Vec::new(),
            max_retries: None,
            total_timeout: None,
            connect_timeout: None,
            sock_connect_timeout: None,
            sock_read_timeout: None,
            download_concurrency: None,
            rate_limit: None,
        }
    }
}

/// Secrets are most of it, so the URL is all that is shown.
impl fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Default for DownloadSettings {
    fn default() -> Self {
        Self { allowed_import_paths: Vec::new(), retry_pause: Duration::from_millis(500) }
    }
}

/// The limits on time that a [`RemoteConfig`] comes down to; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeouts {
    pub(super) connect: Option<Duration>,
    pub(super) read: Option<Duration>,
    pub(super) total: Option<Duration>,
}

impl RemoteConfig {
    /// How many downloads may run at once.
    pub(super) fn concurrency(&self) -> usize {
        self.download_concurrency.map_or(10, |number| number.max(1) as usize)
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        let connect = match (self.connect_timeout, self.sock_connect_timeout) {
            (None, None) => limit(60.0),
            (a, b) => [a, b].into_iter().flatten().filter_map(limit).min(),
        };
        Timeouts {
            connect,
            read: limit(self.sock_read_timeout.unwrap_or(600.0)),
            total: self.total_timeout.and_then(limit),
        }
    }
}

/// Seconds as a limit: zero, and what no clock can count, is none.
fn limit(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero() && limit.as_secs() < 1 << 31)
}

/// Whether a remote may have this URL; if not, a sentence for its `url` field.
///
/// The rules and the sentences about credentials and `file://` are Pulp's; a folder that is named as allowed allows
/// itself and what is below it, but not its neighbours that share the first letters. Looks at the file system for
/// `file://`, to see through symbolic links.
pub fn check_url(url: &str, settings: &DownloadSettings) -> Result<(), String> {
    if scheme(url).as_deref() == Some("file") {
        return local::resolve(url, &settings.allowed_import_paths).map(drop);
    }
    let parsed = Url::parse(url).map_err(|error| format!("Enter a valid URL: {error}."))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(
            "The remote url contains username or password. Please use remote username or password instead.".into()
        );
    }
    match parsed.scheme() {
        "http" | "https" => Ok(()),
        other => Err(format!("The scheme '{other}' is not supported: use http, https or file.")),
    }
}

/// A URL's scheme in small letters. By hand, for a `file://` URL may hold characters that a strict parser changes.
pub(super) fn scheme(url: &str) -> Option<String> {
    url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_timeouts_are_the_defaults_and_zero_is_no_limit() {
        let seconds = |number| Some(Duration::from_secs(number));
        let mut remote = RemoteConfig::default();
        assert_eq!(remote.timeouts(), Timeouts { connect: seconds(60), read: seconds(600), total: None });

        remote.sock_connect_timeout = Some(600.0);
        remote.total_timeout = Some(f64::INFINITY);
        remote.sock_read_timeout = Some(-1.0);
        assert_eq!(remote.timeouts(), Timeouts { connect: seconds(600), read: None, total: None });

        remote.connect_timeout = Some(0.0);
        remote.total_timeout = Some(5.0);
        assert_eq!(remote.timeouts(), Timeouts { connect: seconds(600), read: None, total: seconds(5) });

        remote.connect_timeout = Some(7.0);
        assert_eq!(remote.timeouts().connect, seconds(7));
    }

    #[test]
    fn a_url_carries_no_credentials_and_a_known_scheme() {
        let settings = DownloadSettings::default();
        assert_eq!(check_url("https://example.test/repo/", &settings), Ok(()));
        for url in ["https://me@example.test/", "https://me:pw@example.test/", "http://:pw@example.test/"] {
            let message = check_url(url, &settings).unwrap_err();
            assert!(message.starts_with("The remote url contains username or password."), "{url}: {message}");
            assert!(!message.contains("pw"));
        }
        assert!(check_url("ftp://example.test/", &settings).unwrap_err().contains("'ftp'"));
        for url in ["", "example.test/repo", "https://"] {
            assert!(check_url(url, &settings).unwrap_err().starts_with("Enter a valid URL"), "{url}");
        }
    }

    #[test]
    fn what_is_printed_for_debugging_holds_no_secret() {
        let remote = RemoteConfig { password: Some("hush".into()), ..RemoteConfig::default() };
        assert!(!format!("{remote:?}").contains("hush"));
    }
}
