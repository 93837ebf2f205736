//! Remotes.

use std::sync::Arc;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::writable::{self, Writable, check_name};
use crate::api::bodies::{LabelMap, yes};
use crate::api::endpoint::Endpoint;
use crate::api::family::{self, View, label_endpoints, list_endpoint, read_endpoint};
use crate::api::filters::Filters;
use crate::api::list::label_select;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::app::App;
use crate::db::{WriteTx, now};
use crate::error::{Error, Invalid, Result};
use crate::models::{Labels, remote};
use crate::plugin::{Family, Hooks, Noun};
use crate::registry;
use crate::sync::download::{self, Downloader, check_certificate, check_url};

/// When a remote's content is downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// While syncing.
    #[default]
    Immediate,
    /// When it is first asked for; then it is saved.
    OnDemand,
    /// Whenever it is asked for; it is never saved.
    Streamed,
}

impl Policy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::OnDemand => "on_demand",
            Self::Streamed => "streamed",
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        match text {
            "on_demand" => Self::OnDemand,
            "streamed" => Self::Streamed,
            _ => Self::Immediate,
        }
    }
}

/// Whether a secret is set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HiddenField {
    name: String,
    is_set: bool,
}

/// Core's fields of a remote.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    /// A unique name for this remote.
    #[schema(min_length = 1)]
    name: String,
    /// The URL of an external content source.
    #[schema(min_length = 1)]
    url: String,
    #[serde(default)]
    pulp_labels: LabelMap,
    /// The policy to use when downloading content.
    // None is the noun's own default: its schema says which.
    #[serde(default)]
    #[schema(value_type = Policy, default = "immediate", required = false, inline)]
    policy: Option<Policy>,
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, inline)]
    hidden_fields: Vec<HiddenField>,
    /// A PEM encoded CA certificate used to validate the server certificate presented by the remote server.
    #[serde(default)]
    #[schema(min_length = 1)]
    ca_cert: Option<String>,
    /// A PEM encoded client certificate used for authentication.
    #[serde(default)]
    #[schema(min_length = 1)]
    client_cert: Option<String>,
    /// A PEM encoded private key used for authentication.
    #[serde(default, skip_serializing_if = "shape::unseen")]
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
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(min_length = 1, write_only)]
    proxy_username: Option<String>,
    /// The password to authenticate to the proxy.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(min_length = 1, write_only)]
    proxy_password: Option<String>,
    /// The username to be used for authentication when syncing.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(min_length = 1, write_only)]
    username: Option<String>,
    /// The password to be used for authentication when syncing.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(min_length = 1, write_only)]
    password: Option<String>,
    /// Maximum number of retry attempts after a download failure. If not set then the default value (3) will be used.
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
    /// Headers for aiohttp.Clientsession, as a list of dictionaries.
    #[serde(default)]
    headers: Option<Vec<std::collections::BTreeMap<String, String>>>,
    /// Total number of simultaneous connections. If not set then the default value will be used.
    #[serde(default)]
    #[schema(minimum = 1)]
    download_concurrency: Option<i64>,
    /// Limits requests per second for each concurrent downloader.
    #[serde(default)]
    rate_limit: Option<i64>,
}

/// The fields that are never read back.
const SECRETS: [&str; 5] = ["client_key", "proxy_username", "proxy_password", "username", "password"];

impl remote::Model {
    fn secret(&self, name: &str) -> Option<&String> {
        match name {
            "client_key" => self.client_key.as_ref(),
            "proxy_username" => self.proxy_username.as_ref(),
            "proxy_password" => self.proxy_password.as_ref(),
            "username" => self.username.as_ref(),
            "password" => self.password.as_ref(),
            _ => None,
        }
    }
}

impl View for remote::Entity {
    type Body = Body;
    type Seen = remote::Model;

    fn filters() -> Filters {
        use remote::Column as C;
        let filters = Filters::new()
            .text(C::Name)
            .datetime(C::PulpLastUpdated)
            .ordered(&[
                C::PulpId,
                C::PulpCreated,
                C::PulpLastUpdated,
                C::PulpType,
                C::Name,
                C::PulpLabels,
                C::Url,
                C::Policy,
                C::CaCert,
                C::ClientCert,
                C::TlsValidation,
                C::ProxyUrl,
                C::MaxRetries,
                C::TotalTimeout,
                C::ConnectTimeout,
                C::SockConnectTimeout,
                C::SockReadTimeout,
                C::Headers,
                C::DownloadConcurrency,
                C::RateLimit,
            ])
            .ordered_as("pk", C::PulpId);
        label_select(filters, C::PulpLabels)
    }

    async fn read(_reader: &Reader, rows: &[remote::Model]) -> Result<Vec<Body>> {
        let hidden = |row: &remote::Model| {
            let field = |name: &&str, is_set: bool| HiddenField { name: (*name).to_owned(), is_set };
            let secrets = SECRETS.iter().map(|name| field(name, row.secret(name).is_some()));
            let others = registry::get().noun(Family::Remote, &row.pulp_type).map_or(&[][..], Noun::written_elsewhere);
            secrets.chain(others.iter().map(|name| field(name, false))).collect()
        };
        let body = |row: &remote::Model| Body {
            name: row.name.clone(),
            url: row.url.clone(),
            pulp_labels: row.pulp_labels.0.clone(),
            policy: Some(Policy::of(&row.policy)),
            hidden_fields: hidden(row),
            ca_cert: row.ca_cert.clone(),
            client_cert: row.client_cert.clone(),
            client_key: None,
            tls_validation: row.tls_validation,
            proxy_url: row.proxy_url.clone(),
            proxy_username: None,
            proxy_password: None,
            username: None,
            password: None,
            max_retries: row.max_retries,
            total_timeout: row.total_timeout,
            connect_timeout: row.connect_timeout,
            sock_connect_timeout: row.sock_connect_timeout,
            sock_read_timeout: row.sock_read_timeout,
            headers: row.headers.clone().and_then(|headers| serde_json::from_value(headers).ok()),
            download_concurrency: row.download_concurrency,
            rate_limit: row.rate_limit,
        };
        Ok(rows.iter().map(body).collect())
    }
}

impl Writable for remote::Entity {
    async fn check(app: &App, noun: &Noun, id: Option<Uuid>, body: &Body) -> Result<()> {
        check_name::<Self>(app, id, &body.name).await?;
        let mut invalid = Invalid::default();
        if let Err(message) = check_url(&body.url, &app.download_settings()) {
            invalid.add("url", message);
        }
        if let Hooks::Remote(hooks) = &noun.hooks
            && let Some(policy) = body.policy
            && !hooks.policies.contains(&policy.as_str())
        {
            invalid.add("policy", format!("\"{}\" is not a valid choice.", policy.as_str()));
        }
        if let Some(Ok(proxy)) = body.proxy_url.as_ref().map(|proxy| url::Url::parse(proxy))
            && (!proxy.username().is_empty() || proxy.password().is_some())
        {
            invalid.add("proxy_url", "proxy_url must not contain credentials");
        }
        for (field, pem) in [("ca_cert", &body.ca_cert), ("client_cert", &body.client_cert)] {
            if let Some(pem) = pem
                && let Err(message) = check_certificate(field, pem)
            {
                invalid.add(field, message);
            }
        }
        if id.is_none() {
            check_pairs(body, &mut invalid);
        }
        invalid.check()
    }

    async fn insert(tx: &WriteTx, app: &App, noun: &Noun, id: Uuid, body: Body) -> Result<()> {
        let (now, seal) = (now(), |secret: Option<String>| secret.map(|secret| app.secrets.encrypt(&secret)));
        remote::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set(noun.type_name.to_owned()),
            name: Set(body.name),
            pulp_labels: Set(Labels(body.pulp_labels)),
            url: Set(body.url),
            policy: Set(body.policy.unwrap_or_else(|| default_policy(noun)).as_str().to_owned()),
            ca_cert: Set(body.ca_cert),
            client_cert: Set(body.client_cert),
            client_key: Set(seal(body.client_key)),
            tls_validation: Set(body.tls_validation),
            proxy_url: Set(body.proxy_url),
            proxy_username: Set(seal(body.proxy_username)),
            proxy_password: Set(seal(body.proxy_password)),
            username: Set(seal(body.username)),
            password: Set(seal(body.password)),
            max_retries: Set(body.max_retries),
            total_timeout: Set(body.total_timeout),
            connect_timeout: Set(body.connect_timeout),
            sock_connect_timeout: Set(body.sock_connect_timeout),
            sock_read_timeout: Set(body.sock_read_timeout),
            headers: Set(body.headers.map(serde_json::to_value).transpose()?),
            download_concurrency: Set(body.download_concurrency),
            rate_limit: Set(body.rate_limit),
        }
        .insert(&**tx)
        .await?;
        Ok(())
    }

    async fn update(tx: &WriteTx, app: &App, row: remote::Model, body: Body, given: &Map<String, Value>) -> Result<()> {
        let mut row = row.into_active_model();
        let seal = |secret: Option<String>| secret.map(|secret| app.secrets.encrypt(&secret));
        row.name = Set(body.name);
        row.pulp_labels = Set(Labels(body.pulp_labels));
        row.url = Set(body.url);
        if let Some(policy) = body.policy {
            row.policy = Set(policy.as_str().to_owned());
        }
        row.ca_cert = Set(body.ca_cert);
        row.client_cert = Set(body.client_cert);
        row.tls_validation = Set(body.tls_validation);
        row.proxy_url = Set(body.proxy_url);
        row.max_retries = Set(body.max_retries);
        row.total_timeout = Set(body.total_timeout);
        row.connect_timeout = Set(body.connect_timeout);
        row.sock_connect_timeout = Set(body.sock_connect_timeout);
        row.sock_read_timeout = Set(body.sock_read_timeout);
        row.headers = Set(body.headers.map(serde_json::to_value).transpose()?);
        row.download_concurrency = Set(body.download_concurrency);
        row.rate_limit = Set(body.rate_limit);
        for (name, secret, column) in [
            ("client_key", body.client_key, &mut row.client_key),
            ("proxy_username", body.proxy_username, &mut row.proxy_username),
            ("proxy_password", body.proxy_password, &mut row.proxy_password),
            ("username", body.username, &mut row.username),
            ("password", body.password, &mut row.password),
        ] {
            if given.contains_key(name) {
                *column = Set(seal(secret));
            }
        }
        row.pulp_last_updated = Set(now());
        row.update(&**tx).await?;
        Ok(())
    }

    fn changes_secret(app: &App, row: &remote::Model, given: &Map<String, Value>) -> bool {
        SECRETS.iter().filter_map(|name| Some((name, given.get(*name)?))).any(|(name, value)| {
            let now = row.secret(name).and_then(|sealed| app.secrets.decrypt(sealed).ok());
            now.as_deref() != value.as_str()
        })
    }

    fn sealed(app: &App, mut given: Map<String, Value>) -> Result<Map<String, Value>> {
        for name in SECRETS {
            if let Some(Value::String(secret)) = given.get_mut(name) {
                *secret = app.secrets.encrypt(secret);
            }
        }
        Ok(given)
    }

    fn opened(app: &App, mut given: Map<String, Value>) -> Result<Map<String, Value>> {
        for name in SECRETS {
            if let Some(Value::String(secret)) = given.get_mut(name) {
                *secret = app.secrets.decrypt(secret)?;
            }
        }
        Ok(given)
    }
}

/// The policy of a remote whose body names none: the first of those that its noun offers.
fn default_policy(noun: &Noun) -> Policy {
    match &noun.hooks {
        Hooks::Remote(hooks) => hooks.policies.first().map_or_else(Policy::default, |policy| Policy::of(policy)),
        _ => Policy::default(),
    }
}

/// Credentials come in pairs, and a proxy's only with a proxy.
fn check_pairs(body: &Body, invalid: &mut Invalid) {
    if body.proxy_url.is_none() && (body.proxy_username.is_some() || body.proxy_password.is_some()) {
        invalid.add(Invalid::NON_FIELD, "proxy credentials cannot be specified without a proxy");
    } else if body.proxy_username.is_some() != body.proxy_password.is_some() {
        invalid.add(Invalid::NON_FIELD, "proxy username and password can only be specified together");
    }
}

/// All operations of a kind of remote.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let mut endpoints = vec![
        list_endpoint::<remote::Entity>(noun),
        writable::create_endpoint::<remote::Entity>(noun),
        read_endpoint::<remote::Entity>(noun),
        writable::delete_endpoint::<remote::Entity>(noun),
    ];
    endpoints.extend(writable::update_endpoints::<remote::Entity>(noun));
    endpoints.extend(label_endpoints::<remote::Entity>(noun, 201));
    endpoints
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    family::generic_list_endpoint::<remote::Entity>(shape::core_response::<Body>("GenericRemoteResponse"))
}

/// What fetches from a remote, as its noun has it.
///
/// # Errors
/// If the remote cannot be used as it is configured.
pub(crate) fn downloader(app: &App, row: &remote::Model) -> Result<Arc<dyn Downloader>> {
    let config = config(app, row)?;
    let plain = download::downloader(&config, &app.download_settings())?;
    match registry::get().noun(Family::Remote, &row.pulp_type).map(|noun| &noun.hooks) {
        Some(Hooks::Remote(hooks)) => Ok((hooks.downloader)(plain, &config)),
        _ => Ok(plain),
    }
}

/// What a remote's row says about how to reach it, with its secrets opened.
///
/// # Errors
/// If a secret cannot be decrypted.
pub(crate) fn config(app: &App, row: &remote::Model) -> Result<crate::sync::download::RemoteConfig> {
    let open = |name: &str| row.secret(name).map(|sealed| app.secrets.decrypt(sealed)).transpose();
    let count = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    let headers: Vec<std::collections::BTreeMap<String, String>> = match &row.headers {
        Some(headers) => serde_json::from_value(headers.clone()).map_err(Error::internal)?,
        None => Vec::new(),
    };
    Ok(crate::sync::download::RemoteConfig {
        url: row.url.clone(),
        ca_cert: row.ca_cert.clone(),
        client_cert: row.client_cert.clone(),
        client_key: open("client_key")?,
        tls_validation: row.tls_validation,
        proxy_url: row.proxy_url.clone(),
        proxy_username: open("proxy_username")?,
        proxy_password: open("proxy_password")?,
        username: open("username")?,
        password: open("password")?,
        headers: headers.into_iter().flatten().collect(),
        max_retries: count(row.max_retries),
        total_timeout: row.total_timeout,
        connect_timeout: row.connect_timeout,
        sock_connect_timeout: row.sock_connect_timeout,
        sock_read_timeout: row.sock_read_timeout,
        download_concurrency: count(row.download_concurrency),
        rate_limit: count(row.rate_limit).filter(|limit| *limit > 0),
    })
}
