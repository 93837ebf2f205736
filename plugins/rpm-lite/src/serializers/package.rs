//! Packages and files of metadata.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Raw;
use crate::models::package::Model;

/// A package. What a client writes of it is in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Package)]
#[serde(default)]
pub struct PackageBody {
    /// Path where the artifact is located relative to distributions base_path
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, min_length = 1, nullable = false)]
    pub relative_path: Option<String>,
    /// Name of the package
    #[schema(read_only, required = false)]
    pub name: String,
    /// The package's epoch
    #[schema(read_only, required = false)]
    pub epoch: String,
    /// The version of the package. For example, '2.8.0'
    #[schema(read_only, required = false)]
    pub version: String,
    /// The release of a particular version of the package. e.g. '1.el7' or '3.f24'
    #[schema(read_only, required = false)]
    pub release: String,
    /// The target architecture for a package.For example, 'x86_64', 'i686', or 'noarch'
    #[schema(read_only, required = false)]
    pub arch: String,
    /// Checksum of the package file
    #[serde(rename = "pkgId")]
    #[schema(read_only, required = false)]
    pub pkg_id: String,
    /// Type of checksum, e.g. 'sha256', 'md5'
    #[schema(read_only, required = false)]
    pub checksum_type: String,
    /// Short description of the packaged software
    #[schema(read_only, required = false)]
    pub summary: String,
    /// In-depth description of the packaged software
    #[schema(read_only, required = false)]
    pub description: String,
    /// URL with more information about the packaged software
    #[schema(read_only, required = false)]
    pub url: String,
    /// Changelogs that package contains
    #[schema(read_only, required = false, default = "[]")]
    pub changelogs: Raw,
    /// Files that package contains
    #[schema(read_only, required = false, default = "[]")]
    pub files: Raw,
    /// Capabilities the package requires
    #[schema(read_only, required = false, default = "[]")]
    pub requires: Raw,
    /// Capabilities the package provides
    #[schema(read_only, required = false, default = "[]")]
    pub provides: Raw,
    /// Capabilities the package conflicts
    #[schema(read_only, required = false, default = "[]")]
    pub conflicts: Raw,
    /// Capabilities the package obsoletes
    #[schema(read_only, required = false, default = "[]")]
    pub obsoletes: Raw,
    /// Capabilities the package suggests
    #[schema(read_only, required = false, default = "[]")]
    pub suggests: Raw,
    /// Capabilities the package enhances
    #[schema(read_only, required = false, default = "[]")]
    pub enhances: Raw,
    /// Capabilities the package recommends
    #[schema(read_only, required = false, default = "[]")]
    pub recommends: Raw,
    /// Capabilities the package supplements
    #[schema(read_only, required = false, default = "[]")]
    pub supplements: Raw,
    /// DEPRECATED: Base location of this package
    #[schema(read_only, required = false, deprecated)]
    pub location_base: String,
    /// DEPRECATED: Relative location of package to the repodata
    #[schema(read_only, required = false, deprecated)]
    pub location_href: String,
    /// Hostname of the system that built the package
    #[schema(read_only, required = false)]
    pub rpm_buildhost: String,
    /// RPM group (See: <http://fedoraproject.org/wiki/RPMGroups>)
    #[schema(read_only, required = false)]
    pub rpm_group: String,
    /// License term applicable to the package software (GPLv2, etc.)
    #[schema(read_only, required = false)]
    pub rpm_license: String,
    /// Person or persons responsible for creating the package
    #[schema(read_only, required = false)]
    pub rpm_packager: String,
    /// Name of the source package (srpm) the package was built from
    #[schema(read_only, required = false)]
    pub rpm_sourcerpm: String,
    /// Name of the organization that produced the package
    #[schema(read_only, required = false)]
    pub rpm_vendor: String,
    /// First byte of the header
    #[schema(read_only, required = false, nullable = false)]
    pub rpm_header_start: Option<i64>,
    /// Last byte of the header
    #[schema(read_only, required = false, nullable = false)]
    pub rpm_header_end: Option<i64>,
    /// Flag to identify if the package is modular
    #[schema(read_only, required = false)]
    pub is_modular: bool,
    /// Size, in bytes, of the archive portion of the original package file
    #[schema(read_only, required = false, nullable = false)]
    pub size_archive: Option<i64>,
    /// Total size, in bytes, of every file installed by this package
    #[schema(read_only, required = false, nullable = false)]
    pub size_installed: Option<i64>,
    /// Size, in bytes, of the package
    #[schema(read_only, required = false, nullable = false)]
    pub size_package: Option<i64>,
    /// Time the package was built in seconds since the epoch
    #[schema(read_only, required = false, nullable = false)]
    pub time_build: Option<i64>,
    /// The 'file' time attribute in the primary XML - file mtime in seconds since the epoch.
    #[schema(read_only, required = false, nullable = false)]
    pub time_file: Option<i64>,
    /// Unique list of signing key fingerprints
    #[schema(read_only, required = false, value_type = Option<Vec<String>>)]
    pub signing_keys: Option<Raw>,
}

impl PackageBody {
    /// A row, as clients see it.
    pub fn of(row: &Model) -> Self {
        Self {
            relative_path: None,
            name: row.name.clone(),
            epoch: row.epoch.clone(),
            version: row.version.clone(),
            release: row.release.clone(),
            arch: row.arch.clone(),
            pkg_id: row.pkg_id.clone(),
            checksum_type: row.checksum_type.clone(),
            summary: row.summary.clone(),
            description: row.description.clone(),
            url: row.url.clone(),
            changelogs: row.changelogs.clone(),
            files: row.files.clone(),
            requires: row.requires.clone(),
            provides: row.provides.clone(),
            conflicts: row.conflicts.clone(),
            obsoletes: row.obsoletes.clone(),
            suggests: row.suggests.clone(),
            enhances: row.enhances.clone(),
            recommends: row.recommends.clone(),
            supplements: row.supplements.clone(),
            location_base: row.location_base.clone(),
            location_href: row.location_href.clone(),
            rpm_buildhost: row.rpm_buildhost.clone(),
            rpm_group: row.rpm_group.clone(),
            rpm_license: row.rpm_license.clone(),
            rpm_packager: row.rpm_packager.clone(),
            rpm_sourcerpm: row.rpm_sourcerpm.clone(),
            rpm_vendor: row.rpm_vendor.clone(),
            rpm_header_start: row.rpm_header_start,
            rpm_header_end: row.rpm_header_end,
            is_modular: row.is_modular,
            size_archive: row.size_archive,
            size_installed: row.size_installed,
            size_package: row.size_package,
            time_build: row.time_build,
            time_file: row.time_file,
            signing_keys: row.signing_keys.clone(),
        }
    }
}

/// A file of metadata.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::RepoMetadataFile)]
pub struct RepoMetadataFileBody {
    /// Relative path of the file.
    pub relative_path: String,
    /// Metadata type.
    pub data_type: String,
    /// Checksum type for the file.
    pub checksum_type: String,
    /// Checksum for the file.
    pub checksum: String,
}
