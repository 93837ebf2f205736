//! Configurations of images: what the REST API shows of them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A configuration of more bytes is not looked into.
pub const LARGEST_CONFIG: u64 = 4 * 1024 * 1024;

/// What a configuration says of its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The processor that it runs on, in the words of `GOARCH`.
    pub architecture: Option<String>,
    /// The operating system that it runs on, in the words of `GOOS`.
    pub os: Option<String>,
    /// The labels that its author gave it.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Raw {
    architecture: Option<String>,
    os: Option<String>,
    config: Option<Inner>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    labels: Option<BTreeMap<String, Option<String>>>,
}

impl ImageConfig {
    /// Reads the blob of a configuration. What is no configuration of an image (artifacts have what they like) says
    /// nothing.
    ///
    /// ```
    /// use pulp_container::manifest::ImageConfig;
    ///
    /// let config = ImageConfig::parse(br#"{ "os": "linux", "config": { "Labels": { "a": "b" } } }"#);
    /// assert_eq!((config.os.as_deref(), config.labels["a"].as_str()), (Some("linux"), "b"));
    /// assert_eq!(ImageConfig::parse(b"[]"), ImageConfig::default());
    /// ```
    pub fn parse(bytes: &[u8]) -> Self {
        let Ok(raw) = serde_json::from_slice::<Raw>(bytes) else { return Self::default() };
        let known = |text: &String| !text.is_empty() && !text.contains('\0');
        let labels = raw.config.and_then(|config| config.labels).unwrap_or_default().into_iter();
        let labels = labels.map(|(key, value)| (key, value.unwrap_or_default()));
        Self {
            architecture: raw.architecture.filter(known),
            os: raw.os.filter(known),
            labels: labels.filter(|(key, value)| !key.contains('\0') && !value.contains('\0')).collect(),
        }
    }
}
