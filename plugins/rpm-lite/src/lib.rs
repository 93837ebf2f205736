//! Repositories of RPM packages, as `dnf` and `zypper` read them.
//!
//! | to learn | read |
//! | --- | --- |
//! | what a package is to a repository | [`package`], [`nevra`], [`version`] |
//! | what an `.rpm` file says of itself | [`header`] |
//! | what a repository's metadata says, in and out | [`metadata`] |
//! | how files are compressed, and what is refused | [`compression`] |

use pulpcore::plugin::{Plugin, register};

register!(Plugin {
    label: "rpm",
    package: "pulp-rpm",
    module: "pulp_rpm.app",
    version: "3.39.4",
    summary: "RPM packages, advisories, modules and groups, for dnf.",
    migrations: migrations::all,
});

pub mod compression;
pub mod header;
pub mod metadata;
mod migrations;
pub mod nevra;
pub mod package;
pub mod version;
