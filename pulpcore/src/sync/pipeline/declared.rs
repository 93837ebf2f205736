//! What a plugin declares, and what becomes of it on its way through the stages.

use uuid::Uuid;

use crate::storage::{Expected, Kept, Received};

/// A unit that a remote offers.
#[derive(Clone, Debug)]
pub struct Declared<M> {
    /// The plugin's row. Core sets its key, and `pulp_domain_id` if the table has one.
    pub unit: M,
    /// Its files.
    pub artifacts: Vec<DeclaredArtifact>,
}

/// A file of a unit.
#[derive(Clone, Debug)]
pub struct DeclaredArtifact {
    /// Where it stands below a distribution.
    pub relative_path: String,
    /// Where the remote offers it, absolute.
    pub url: String,
    /// What the remote's metadata promises about it.
    pub expected: Expected,
    /// Whether it is left where it is until somebody asks for it (policies `on_demand` and `streamed`).
    pub deferred: bool,
}

/// A unit that is saved.
#[derive(Clone, Debug)]
pub struct Saved<M> {
    /// Its key.
    pub id: Uuid,
    /// The row as it was declared (its own key column is not filled in).
    pub unit: M,
    /// Whether it was not known before.
    pub new: bool,
}

/// A declared unit on its way.
pub(super) struct Unit<M> {
    pub(super) row: M,
    /// Its key, if it is known already.
    pub(super) id: Option<Uuid>,
    pub(super) files: Vec<File>,
}

/// A declared file on its way.
pub(super) struct File {
    pub(super) declared: DeclaredArtifact,
    pub(super) bytes: Bytes,
    /// The row that says where it stands, if it is known already.
    pub(super) content_artifact: Option<Uuid>,
    /// Whether it is known already that this remote offers it at this URL.
    pub(super) offered: bool,
}

/// The bytes of a file.
pub(super) enum Bytes {
    /// Not here.
    Missing,
    /// Here, and the unit knows.
    Linked,
    /// Here as an artifact, which the unit does not know.
    Stored(Uuid),
    /// Just received.
    Received(Box<Received>),
    /// In the storage, under its name; nobody knows yet.
    Kept(Box<Kept>),
}

impl<M> Unit<M> {
    pub(super) fn new(declared: Declared<M>) -> Self {
        let file = |declared| File { declared, bytes: Bytes::Missing, content_artifact: None, offered: false };
        // Two files at one path cannot both be served: the first one stands.
        let mut files: Vec<File> = Vec::with_capacity(declared.artifacts.len());
        for artifact in declared.artifacts {
            if files.iter().all(|known| known.declared.relative_path != artifact.relative_path) {
                files.push(file(artifact));
            }
        }
        Self { row: declared.unit, id: None, files }
    }

    /// How many bytes it holds until it is saved.
    pub(super) fn weight(&self) -> u64 {
        self.files
            .iter()
            .map(|file| if let Bytes::Received(received) = &file.bytes { received.size() } else { 0 })
            .sum()
    }
}
