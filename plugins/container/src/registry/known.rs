//! Manifests that were pulled before, in memory: what a tag or a digest stands for in a version never changes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use moka::sync::Cache;
use uuid::Uuid;

/// How many bytes of manifests are kept.
const MOST: u64 = 32 << 20;

/// No manifest that is kept is larger, in bytes.
const LARGEST: usize = 64 << 10;

/// What the rest of an entry takes, about, in bytes.
const OVERHEAD: usize = 512;

/// A manifest as it goes out.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) digest: String,
    pub(super) media_type: String,
    pub(super) data: Bytes,
}

/// By repository, version and reference. Versions and repositories are never made again with the number or the key of one
/// that was deleted.
type Entries = Cache<(Uuid, i64, String), Arc<Known>>;

static KNOWN: LazyLock<Entries> = LazyLock::new(|| {
    let weight = |known: &Arc<Known>| u32::try_from(known.data.len() + OVERHEAD).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(MOST).weigher(move |_, known| weight(known)).build()
});

/// What a reference stands for in a version, if somebody has asked before.
pub(super) fn get((repository, number): (Uuid, i64), reference: &str) -> Option<Arc<Known>> {
    KNOWN.get(&(repository, number, reference.to_owned()))
}

/// Remembers it.
pub(super) fn keep((repository, number): (Uuid, i64), reference: &str, known: &Arc<Known>) {
    if known.data.len() <= LARGEST {
        KNOWN.insert((repository, number, reference.to_owned()), Arc::clone(known));
    }
}
