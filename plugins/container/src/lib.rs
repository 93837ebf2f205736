//! Repositories of container images, and the registry that serves them.
//!
//! An image is a *manifest*, which names *blobs* by their digests: a configuration and layers. An *index* is a manifest
//! that names manifests, one a platform. A *tag* is a name for a manifest; in a repository version each name stands for
//! one. All of them are content units, so that every push, copy and sync makes a repository version.
//!
//! What refers to something does so by digest, in the rows as in the manifests' bytes: the unit with that digest may come
//! later, and is found wherever it came from. A manifest is never in a version without what it refers to, as far as that
//! is known here ([`closure`]).
//!
//! | to learn | read |
//! | --- | --- |
//! | what is stored | [`models`], one table a file, with its trait right under it |
//! | what clients send and see | [`serializers`] |
//! | which URLs there are | [`viewsets`] |
//! | what happens in the background | [`tasks`], one task a file |
//! | what belongs together | [`closure`] |
//! | what a manifest's bytes say | [`manifest`] |
//! | what its signatures say | [`signature`] |
//! | the protocol | [`registry`] |

pub mod closure;
pub mod manifest;
mod migrations;
pub mod models;
pub mod registry;
pub mod serializers;
pub mod signature;
mod sql;
pub mod tasks;
mod upstream;
pub mod viewsets;

use pulpcore::plugin::{ContentReads, Plugin, register};

register!(Plugin {
    label: "container",
    package: "pulp-container",
    module: "pulp_container.app",
    version: "2.30.0",
    summary: "Container images, pushed to or synced from registries.",
    migrations: migrations::all,
});

register!(ContentReads {
    label: "container",
    tables: &[
        "container_blobmanifest",
        "container_manifestlistmanifest",
        "container_pendingcontent",
        "container_tokenkey",
    ],
});
