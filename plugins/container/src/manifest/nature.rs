//! What kind of thing a manifest stands for, in Pulp's words: the field `type` of the REST API.

use super::{ImageConfig, Kind, Manifest, media_type};

impl Manifest {
    /// What it stands for: `image`, `index`, `bootable`, `flatpak`, `helm`, `cosign_signature`, `cosign_attestation`,
    /// `cosign_attestation_bundle`, `cosign_sbom`, `artifact` or `unknown`. What only the configuration of an image tells
    /// is told by `config`, if that is known.
    ///
    /// ```
    /// use pulp_container::manifest::Manifest;
    ///
    /// let list = br#"{ "schemaVersion": 2, "manifests": [] }"#;
    /// assert_eq!(Manifest::parse(list, None)?.nature(None), "index");
    /// # Ok::<(), pulp_container::manifest::BadManifest>(())
    /// ```
    pub fn nature(&self, config: Option<&ImageConfig>) -> &'static str {
        let label = |name: &str| config.and_then(|config| config.labels.get(name)).map(String::as_str);
        let annotation = |name: &str| self.annotations.get(name).map(String::as_str);
        let config_type = self.config.as_ref().map(|config| config.media_type().to_string()).unwrap_or_default();
        match self.kind {
            Kind::Index => "index",
            Kind::Opaque => "unknown",
            Kind::Image if label("containers.bootc") == Some("1") || annotation("containers.bootc") == Some("1") => {
                "bootable"
            }
            Kind::Image if label("org.flatpak.ref").is_some() => "flatpak",
            Kind::Image if config_type == media_type::HELM_CONFIG => "helm",
            Kind::Image => {
                let known = self.layers.iter().find_map(|layer| cosign(layer.media_type().as_ref()));
                let artifact = self.says_artifact_type || config_type == media_type::EMPTY;
                let image = media_type::IMAGE_CONFIGS.contains(&config_type.as_str());
                known.unwrap_or(match (artifact, image) {
                    (true, _) => "artifact",
                    (false, true) => "image",
                    (false, false) => "unknown",
                })
            }
        }
    }
}

/// What a layer of this type makes of the manifest.
fn cosign(layer: &str) -> Option<&'static str> {
    match layer {
        media_type::COSIGN_SIGNATURE => Some("cosign_signature"),
        media_type::COSIGN_ATTESTATION => Some("cosign_attestation"),
        _ if layer.starts_with(media_type::SIGSTORE_BUNDLE) => Some("cosign_attestation_bundle"),
        _ if media_type::SBOMS.iter().any(|sbom| layer.starts_with(sbom)) => Some("cosign_sbom"),
        _ => None,
    }
}
