//! Media types, by their names in the field.

/// An image manifest of the OCI image specification.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image index of the OCI image specification.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An artifact manifest, as drafts of the OCI image specification 1.1 had it.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
/// An image manifest of Docker's schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A manifest list of Docker's schema 2.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Manifests of Docker's schema 1, which this registry refuses.
pub const SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// What a client asks a registry for, as `Accept`.
pub const MANIFESTS: [&str; 5] = [OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT, DOCKER_MANIFEST, DOCKER_LIST];

/// The configurations of images that run: the OCI image specification's and Docker's.
pub const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// The configuration of what needs none: image specification 1.1, "Guidance for an Empty Descriptor".
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The configuration of a Helm chart.
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// A signature of cosign.
pub const COSIGN_SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// An attestation in an envelope of DSSE.
pub const COSIGN_ATTESTATION: &str = "application/vnd.dsse.envelope.v1+json";
/// What bundles of sigstore begin with, before their version.
pub const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.";
/// What bills of materials begin with, before their suffix.
pub const SBOMS: [&str; 3] = ["application/vnd.cyclonedx", "text/spdx", "application/vnd.syft+json"];

/// Whether a layer of this type is fetched from elsewhere, so that a registry need not have it.
pub fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.")
}
