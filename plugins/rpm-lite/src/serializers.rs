//! What clients send and see. Core's own fields (names, labels, URLs, …) are added by core; links to other units by
//! [`crate::models`], a page at a time.

pub mod actions;
pub mod advisory;
pub mod comps;
pub mod modulemd;
pub mod modulemd_defaults;
pub mod modulemd_obsolete;
pub mod package;
pub mod places;

pub use self::actions::{CompsBody, CopyBody, PruneBody, RpmRepositorySyncUrl, SyncPolicy};
pub use self::advisory::UpdateRecordBody;
pub use self::comps::{PackageCategoryBody, PackageEnvironmentBody, PackageGroupBody, PackageLangpacksBody};
pub use self::modulemd::ModulemdBody;
pub use self::modulemd_defaults::ModulemdDefaultsBody;
pub use self::modulemd_obsolete::ModulemdObsoleteBody;
pub use self::package::{PackageBody, RepoMetadataFileBody};
pub use self::places::{
    CHECKSUM_TYPES, ChecksumType, CompressionType, Layout, RpmDistributionBody, RpmPublicationBody, RpmRemoteBody,
    RpmRepositoryBody,
};
