//! The clouds' object stores, as the settings name them. A kind whose feature is off is not compiled in.

use std::sync::Arc;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use std::time::Duration;

use object_store::ObjectStore;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use object_store::{ClientOptions, RetryConfig, path::Path, prefix::PrefixStore, signer::Signer};

use super::links::Links;
use crate::error::{Error, Result};
use crate::settings::{StorageKind, StorageSettings};

/// A store, and what signs URLs into it.
pub(super) struct Cloud {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) links: Option<Links>,
}

/// What the settings name; `None` for a folder.
///
/// # Errors
///
/// [`Error::Config`] if this build lacks it, or if the settings do not suffice.
pub(super) fn connect(settings: &StorageSettings) -> Result<Option<Cloud>> {
    match settings.kind {
        StorageKind::Folder => Ok(None),
        #[cfg(feature = "s3")]
        StorageKind::S3 => s3(settings).map(Some),
        #[cfg(feature = "azure")]
        StorageKind::Azure => azure(settings).map(Some),
        #[cfg(feature = "gcs")]
        StorageKind::Gcs => gcs(settings).map(Some),
        #[cfg(not(all(feature = "s3", feature = "azure", feature = "gcs")))]
        kind => Err(Error::Config(format!(
            "storage.kind is \"{0}\", and this build cannot do that: build the server with the feature {0}",
            kind.name()
        ))),
    }
}

#[cfg(feature = "s3")]
fn s3(settings: &StorageSettings) -> Result<Cloud> {
    // The endpoint that wins over others, whatever the environment says.
    use object_store::aws::AmazonS3ConfigKey::S3Endpoint;
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut};

    let conditional = if settings.conditional_put { S3ConditionalPut::ETagMatch } else { S3ConditionalPut::Disabled };
    // A key from here and a token from the environment would not fit together.
    let given = settings.access_key_id.is_some();
    let builder = if given { AmazonS3Builder::new() } else { AmazonS3Builder::from_env() };
    let mut builder = builder
        .with_bucket_name(bucket(settings))
        .with_conditional_put(conditional)
        .with_virtual_hosted_style_request(settings.virtual_host_style)
        .with_client_options(client(settings))
        .with_retry(retry(settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_config(S3Endpoint, at_bucket(endpoint, settings)?);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(id) = &settings.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(key) = &settings.secret_access_key {
        builder = builder.with_secret_access_key(key.expose());
    }
    if let Some(token) = &settings.session_token {
        builder = builder.with_token(token.expose());
    }
    let public = match &settings.public_endpoint {
        Some(endpoint) => Some(builder.clone().with_config(S3Endpoint, at_bucket(endpoint, settings)?)),
        None => None,
    };
    let store = Arc::new(placed(builder.build().map_err(unusable)?, settings));
    let signer: Arc<dyn Signer> = match public {
        Some(builder) => Arc::new(placed(builder.build().map_err(unusable)?, settings)),
        None => Arc::<PrefixStore<_>>::clone(&store),
    };
    Ok(Cloud { store, links: Some(links(signer, true, settings)) })
}

/// Where the bucket is its own host, the endpoint that `object_store` wants names it.
#[cfg(feature = "s3")]
fn at_bucket(endpoint: &str, settings: &StorageSettings) -> Result<String> {
    if !settings.virtual_host_style {
        return Ok(endpoint.to_owned());
    }
    let unusable = || Error::Config(format!("storage.endpoint: a bucket cannot be a host at {endpoint}"));
    let mut url = url::Url::parse(endpoint).map_err(|_| unusable())?;
    let host = format!("{}.{}", bucket(settings), url.host_str().ok_or_else(unusable)?);
    url.set_host(Some(&host)).map_err(|_| unusable())?;
    Ok(url.to_string().trim_end_matches('/').to_owned())
}

#[cfg(feature = "azure")]
fn azure(settings: &StorageSettings) -> Result<Cloud> {
    use object_store::azure::MicrosoftAzureBuilder;

    let given = settings.account_key.is_some();
    let builder = if given { MicrosoftAzureBuilder::new() } else { MicrosoftAzureBuilder::from_env() };
    let mut builder =
        builder.with_container_name(bucket(settings)).with_client_options(client(settings)).with_retry(retry(settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(account) = &settings.account {
        builder = builder.with_account(account);
    }
    if let Some(key) = &settings.account_key {
        builder = builder.with_access_key(key.expose());
    }
    let store = Arc::new(placed(builder.build().map_err(unusable)?, settings));
    let signer = Arc::<PrefixStore<_>>::clone(&store);
    // `object_store` signs no headers of the answer into Azure's URLs.
    Ok(Cloud { store, links: Some(links(signer, false, settings)) })
}

#[cfg(feature = "gcs")]
fn gcs(settings: &StorageSettings) -> Result<Cloud> {
    use object_store::gcp::GoogleCloudStorageBuilder;

    let given = settings.service_account_file.is_some();
    let builder = if given { GoogleCloudStorageBuilder::new() } else { GoogleCloudStorageBuilder::from_env() };
    let mut builder =
        builder.with_bucket_name(bucket(settings)).with_client_options(client(settings)).with_retry(retry(settings));
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    if let Some(file) = &settings.service_account_file {
        builder = builder.with_service_account_path(file);
    }
    let store = Arc::new(placed(builder.build().map_err(unusable)?, settings));
    let signer = Arc::<PrefixStore<_>>::clone(&store);
    Ok(Cloud { store, links: Some(links(signer, true, settings)) })
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn placed<S: ObjectStore>(store: S, settings: &StorageSettings) -> PrefixStore<S> {
    PrefixStore::new(store, Path::from(settings.prefix.as_str()))
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn links(signer: Arc<dyn Signer>, renames: bool, settings: &StorageSettings) -> Links {
    Links::new(signer, renames, Duration::from_secs(settings.url_lifetime))
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn bucket(settings: &StorageSettings) -> &str {
    settings.bucket.as_deref().unwrap_or_default()
}

/// A body may take as long as it takes, as long as it moves.
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn client(settings: &StorageSettings) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_timeout_disabled()
        .with_read_timeout(Duration::from_secs(settings.timeout))
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn retry(settings: &StorageSettings) -> RetryConfig {
    RetryConfig { max_retries: settings.retries, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn unusable(error: object_store::Error) -> Error {
    Error::Config(format!("The settings of the section storage do not suffice: {error}."))
}

#[cfg(all(test, feature = "s3", feature = "azure", feature = "gcs"))]
mod tests {
    use axum::http::Method;
    use url::Url;

    use super::*;
    use crate::settings::Secret;

    fn named(kind: StorageKind) -> StorageSettings {
        StorageSettings {
            kind,
            bucket: Some("pulp".to_owned()),
            prefix: "shelf".to_owned(),
            ..StorageSettings::default()
        }
    }

    async fn link(settings: &StorageSettings) -> Url {
        let links = connect(settings).unwrap().unwrap().links.unwrap();
        links.link(&Path::from("artifact/ab/cd"), Method::GET, "a.txt", "text/plain").await.unwrap()
    }

    fn value(url: &Url, key: &str) -> Option<String> {
        url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    #[test]
    fn a_bucket_becomes_part_of_the_host_where_that_is_wanted() {
        let settings = |virtual_host_style| StorageSettings { virtual_host_style, ..named(StorageKind::S3) };
        let endpoint = "https://s3.example.test:9000";
        assert_eq!(at_bucket(endpoint, &settings(false)).unwrap(), endpoint);
        assert_eq!(at_bucket(endpoint, &settings(true)).unwrap(), "https://pulp.s3.example.test:9000");
        assert!(matches!(at_bucket("http://127.0.0.1:9000", &settings(true)), Err(Error::Config(_))));
    }

    #[tokio::test]
    async fn azure_signs_for_reading_and_cannot_rename() {
        let settings = StorageSettings {
            account: Some("someone".to_owned()),
            account_key: Some(Secret::new("c2VjcmV0")),
            ..named(StorageKind::Azure)
        };
        let url = link(&settings).await;
        let begin = "https://someone.blob.core.windows.net/pulp/shelf/artifact/ab/cd?";
        assert!(url.as_str().starts_with(begin), "{url}");
        assert_eq!(value(&url, "sp").as_deref(), Some("r"));
        assert!(value(&url, "sig").is_some() && !url.as_str().contains("a.txt"), "{url}");
    }

    #[tokio::test]
    async fn google_signs_with_the_key_of_a_service_account_and_renames() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
        let account = serde_json::json!({
            "type": "service_account",
            "private_key": key,
            "private_key_id": "1",
            "client_email": "pulp@example.test",
        });
        std::fs::write(&file, account.to_string()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let settings = StorageSettings { service_account_file: Some(file), ..named(StorageKind::Gcs) };
        let url = link(&settings).await;
        assert!(url.as_str().starts_with("https://storage.googleapis.com/pulp/shelf/artifact/ab/cd?"), "{url}");
        assert_eq!(value(&url, "response-content-disposition").as_deref(), Some("attachment;filename=a.txt"));
        assert!(value(&url, "X-Goog-Signature").is_some(), "{url}");
    }

    #[test]
    fn settings_that_do_not_suffice_are_said_to() {
        let missing = Some("/nowhere/key.json".to_owned());
        let settings = StorageSettings { service_account_file: missing, ..named(StorageKind::Gcs) };
        assert!(matches!(connect(&settings), Err(Error::Config(_))));
    }
}
