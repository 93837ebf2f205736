//! The plugin's tables, one a file, each noun with its trait right under it.
//!
//! Lists and objects of units that nobody looks into with SQL (a package's files, an advisory's packages) are columns of
//! JSON text ([`crate::json::Raw`]): what is always read together stands together.

pub mod distribution;
pub mod modulemd;
pub mod modulemd_defaults;
pub mod modulemd_obsolete;
pub mod modulemd_packages;
pub mod package;
pub mod package_category;
pub mod package_environment;
pub mod package_group;
pub mod package_langpacks;
pub mod publication;
pub mod remote;
pub mod repo_metadata_file;
pub mod repository;
pub mod update_record;

pub use self::distribution::Entity as RpmDistribution;
pub use self::modulemd::Entity as Modulemd;
pub use self::modulemd_defaults::Entity as ModulemdDefaults;
pub use self::modulemd_obsolete::Entity as ModulemdObsolete;
pub use self::package::Entity as Package;
pub use self::package_category::Entity as PackageCategory;
pub use self::package_environment::Entity as PackageEnvironment;
pub use self::package_group::Entity as PackageGroup;
pub use self::package_langpacks::Entity as PackageLangpacks;
pub use self::publication::Entity as RpmPublication;
pub use self::remote::Entity as RpmRemote;
pub use self::repo_metadata_file::Entity as RepoMetadataFile;
pub use self::repository::Entity as RpmRepository;
pub use self::update_record::Entity as UpdateRecord;

/// The types of content that repositories hold.
pub const CONTENT: &[&str] = &[
    "rpm.package",
    "rpm.advisory",
    "rpm.packagecategory",
    "rpm.packagegroup",
    "rpm.packageenvironment",
    "rpm.packagelangpacks",
    "rpm.repo_metadata_file",
    "rpm.modulemd",
    "rpm.modulemd_defaults",
    "rpm.modulemd_obsolete",
];

/// Core's fields for units that clients upload, and the file: those of units that only a sync or a task makes.
const READ_ONLY: &[&str] = &[
    "repository",
    "overwrite",
    "artifact",
    "file",
    "upload",
    "file_url",
    "downloader_config",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
];

/// The same for units that clients post without a file.
const WITHOUT_FILE: &[&str] = READ_ONLY.split_at(2).1;
