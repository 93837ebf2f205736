//! Repositories of plain files.
//!
//! A *file* is bytes at a path: a disk image, a firmware, an archive. Two files are the same unit when both path and
//! SHA-256 digest are, and a repository version holds at most one file a path.
//!
//! Files come in by upload, or by sync from any web server (or folder) that has a `PULP_MANIFEST` beside them: a text
//! with one line a file, `path,sha256,size` (see [`manifest`]). A remote's URL is the manifest's own. What was synced is
//! published with a manifest of its own, so that one server can sync from another, in a chain of any length.
//!
//! | to learn | read |
//! | --- | --- |
//! | what is stored | [`models`], one table a file, with its trait right under it |
//! | what clients send and see | [`serializers`] |
//! | which URLs there are | [`viewsets`] |
//! | what happens in the background | [`tasks`], one task a file |
//! | the manifest's format | [`manifest`] |

pub mod manifest;
mod migrations;
pub mod models;
pub mod serializers;
pub mod tasks;
pub mod viewsets;

use pulpcore::plugin::{Plugin, register};

register!(Plugin {
    label: "file",
    package: "pulpcore",
    module: "pulp_file.app",
    version: pulpcore::CORE_VERSION,
    summary: "Files at paths, synced by manifest or uploaded.",
    migrations: migrations::all,
});
