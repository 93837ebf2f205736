//! Repositories of RPM packages, as `dnf` and `zypper` read them.
//!
//! A *package* is an `.rpm` file and what its header says. Beside packages a repository holds *advisories* (`updateinfo`),
//! what `comps` says (groups, categories, environments, language packs), *modules* (streams of packages with their defaults
//! and obsoletes) and files of metadata that are only passed on. All of them are content units.
//!
//! | to learn | read |
//! | --- | --- |
//! | what is stored | [`models`], one table a file, with its trait right under it |
//! | what clients send and see | [`serializers`] |
//! | which URLs there are | [`viewsets`] |
//! | what happens in the background | [`tasks`], one task a file |
//! | what a sync takes from a remote | `sync` |
//! | what a publication consists of | [`publish`] |
//! | what a copy takes along | `children`, `solver` |
//! | what is true of every version | [`versions`] |
//! | what becomes of advisories with one name | [`advisory`] |
//! | how versions of packages are sorted | [`version`] |
//! | what a package is to a repository | [`package`], [`nevra`] |
//! | what an `.rpm` file says of itself | [`header`] |
//! | what a repository's metadata says, in and out | [`metadata`] |
//! | how files are compressed, and what is refused | [`compression`], [`settings`] |

pub mod advisory;
mod children;
pub mod compression;
pub mod header;
pub mod json;
pub mod metadata;
mod migrations;
pub mod models;
pub mod nevra;
#[cfg(test)]
mod noise;
pub mod package;
pub mod publish;
pub mod serializers;
pub mod settings;
mod solver;
mod sql;
mod sync;
pub mod tasks;
pub mod version;
pub mod versions;
pub mod viewsets;

use pulpcore::plugin::{Plugin, register};

register!(Plugin {
    label: "rpm",
    package: "pulp-rpm",
    module: "pulp_rpm.app",
    version: "3.39.4",
    summary: "RPM packages, advisories, modules and groups, for dnf.",
    migrations: migrations::all,
});

/// The sha256 digest of a text, in hex.
fn digest(text: &str) -> String {
    digest_of(text.as_bytes())
}

/// The sha256 digest of bytes, in hex.
fn digest_of(bytes: &[u8]) -> String {
    let mut hasher = pulpcore::storage::Hasher::new(&[pulpcore::storage::Algorithm::Sha256]);
    hasher.update(bytes);
    hasher.finish().1.sha256().to_owned()
}
