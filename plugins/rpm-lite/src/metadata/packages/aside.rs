//! The three files list the same packages, nearly always in the same order. What comes before its turn waits here.

use std::collections::HashMap;

use super::super::{BadMetadata, bad};
use crate::package::{Changelog, File, Package};

/// What waits has at most so many bytes; a repository of 20,000 packages in any order fits.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// The other parts of packages, by the packages' identities.
pub(super) struct Aside<T> {
    file: &'static str,
    waiting: HashMap<String, Vec<T>>,
    bytes: usize,
}

/// What a part weighs.
pub(super) trait Weight {
    /// In bytes, roughly.
    fn weight(&self) -> usize;
}

impl Weight for Vec<File> {
    fn weight(&self) -> usize {
        self.iter().map(|file| file.folder.len() + file.name.len() + size_of::<File>()).sum()
    }
}

impl Weight for Vec<Changelog> {
    fn weight(&self) -> usize {
        self.iter().map(|entry| entry.author.len() + entry.text.len() + size_of::<Changelog>()).sum()
    }
}

impl<T: Weight> Aside<T> {
    pub(super) fn new(file: &'static str) -> Self {
        Self { file, waiting: HashMap::new(), bytes: 0 }
    }

    /// The part of this package: it waits, or comes now or later, which is what `next` tells.
    pub(super) fn find(
        &mut self,
        package: &Package,
        mut next: impl FnMut() -> Result<Option<(String, T)>, BadMetadata>,
    ) -> Result<T, BadMetadata> {
        if let Some(part) = self.take(&package.pkg_id) {
            return Ok(part);
        }
        while let Some((id, part)) = next()? {
            if id.eq_ignore_ascii_case(&package.pkg_id) {
                return Ok(part);
            }
            self.bytes += part.weight() + id.len();
            if self.bytes > MOST_BYTES {
                return Err(bad(format!(
                    "The packages are not in the order of 'primary', from '{}' on.",
                    package.name
                )));
            }
            self.waiting.entry(id.to_ascii_lowercase()).or_default().push(part);
        }
        Err(bad(format!("The package '{}' of 'primary' is not in '{}'.", package.name, self.file)))
    }

    fn take(&mut self, id: &str) -> Option<T> {
        let waiting = self.waiting.get_mut(id)?;
        let part = waiting.pop()?;
        if waiting.is_empty() {
            self.waiting.remove(id);
        }
        self.bytes = self.bytes.saturating_sub(part.weight() + id.len());
        Some(part)
    }
}
