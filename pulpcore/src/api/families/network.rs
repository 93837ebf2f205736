//! How to reach a URL that a client names once, without making a remote of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::bodies::yes;
use crate::app::App;
use crate::error::Result;
use crate::sync::download::RemoteConfig;

/// Configuration for the download process (e.g., proxies, auth, timeouts). Only applicable when providing a 'file_url'.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RemoteNetworkConfig)]
pub(crate) struct NetworkConfig {
    /// A PEM encoded CA certificate used to validate the server certificate presented by the remote server.
    #[serde(default)]
    #[schema(min_length = 1)]
    ca_cert: Option<String>,
    /// A PEM encoded client certificate used for authentication.
    #[serde(default)]
    #[schema(min_length = 1)]
    client_cert: Option<String>,
    /// A PEM encoded private key used for authentication.
    #[serde(default)]
    #[schema(min_length = 1, write_only)]
    client_key: Option<String>,
    /// If True, TLS peer validation must be performed.
    #[serde(default = "yes")]
    tls_validation: bool,
    /// The proxy URL. Format: scheme://host:port
    #[serde(default)]
    #[schema(min_length = 1)]
    proxy_url: Option<String>,
    /// The username to authenticate to the proxy.
    #[serde(default)]
    #[schema(min_length = 1, write_only)]
    proxy_username: Option<String>,
    /// The password to authenticate to the proxy.
    #[serde(default)]
    #[schema(min_length = 1, write_only)]
    proxy_password: Option<String>,
    /// The username to be used for authentication.
    #[serde(default)]
    #[schema(min_length = 1, write_only)]
    username: Option<String>,
    /// The password to be used for authentication.
    #[serde(default)]
    #[schema(min_length = 1, write_only)]
    password: Option<String>,
    /// Maximum number of retry attempts after a download failure.
    #[serde(default)]
    #[schema(minimum = 0)]
    max_retries: Option<i64>,
    /// Seconds for a whole download.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    total_timeout: Option<f64>,
    /// Seconds to get a connection.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    connect_timeout: Option<f64>,
    /// Seconds to connect a socket.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    sock_connect_timeout: Option<f64>,
    /// Seconds between two reads.
    #[serde(default)]
    #[schema(minimum = 0.0)]
    sock_read_timeout: Option<f64>,
    /// Headers to send, as a list of dictionaries.
    #[serde(default)]
    #[schema(nullable = false)]
    headers: Option<Vec<BTreeMap<String, String>>>,
    /// Total number of simultaneous connections.
    #[serde(default)]
    #[schema(minimum = 1)]
    download_concurrency: Option<i64>,
    /// Requests per second at most.
    #[serde(default)]
    rate_limit: Option<i64>,
}

impl NetworkConfig {
    /// As one encrypted text: a task's row holds no secret in the clear.
    pub(crate) fn sealed(&self, app: &App) -> Result<String> {
        Ok(app.secrets.encrypt(&serde_json::to_string(self)?))
    }

    /// The reverse of [`NetworkConfig::sealed`].
    pub(crate) fn opened(app: &App, sealed: &str) -> Result<Self> {
        Ok(serde_json::from_str(&app.secrets.decrypt(sealed)?)?)
    }

    /// For downloading this URL.
    pub(crate) fn remote(self, url: &str) -> RemoteConfig {
        let count = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
        RemoteConfig {
            url: url.to_owned(),
            ca_cert: self.ca_cert,
            client_cert: self.client_cert,
            client_key: self.client_key,
            tls_validation: self.tls_validation,
            proxy_url: self.proxy_url,
            proxy_username: self.proxy_username,
            proxy_password: self.proxy_password,
            username: self.username,
            password: self.password,
            headers: self.headers.into_iter().flatten().flatten().collect(),
            max_retries: count(self.max_retries),
            total_timeout: self.total_timeout,
            connect_timeout: self.connect_timeout,
            sock_connect_timeout: self.sock_connect_timeout,
            sock_read_timeout: self.sock_read_timeout,
            download_concurrency: count(self.download_concurrency),
            rate_limit: count(self.rate_limit).filter(|limit| *limit > 0),
        }
    }
}
