//! The files of a package.

use super::index::Header;
use super::{BadPackage, tags};
use crate::package::{File, FileKind};

/// The bit of a file's flags that says that the payload does not hold it.
const GHOST: u64 = 1 << 6;

/// The bits of a file's mode that say what it is, and those of a folder.
const FORMAT: u64 = 0o170_000;
const FOLDER: u64 = 0o040_000;

/// The files, in the header's order.
pub(super) fn read(header: &Header) -> Result<Vec<File>, BadPackage> {
    let flags = header.numbers(tags::FILE_FLAGS)?;
    let modes = header.numbers(tags::FILE_MODES)?;
    let kinds = modes.into_iter().zip(flags).map(|(mode, flags)| match (mode & FORMAT, flags & GHOST) {
        (FOLDER, _) => FileKind::Folder,
        (_, GHOST) => FileKind::Ghost,
        _ => FileKind::Plain,
    });
    if !header.has(tags::DIR_NAMES) {
        let paths = header.strings(tags::OLD_FILE_NAMES)?;
        return Ok(paths.iter().zip(kinds).map(|(path, kind)| File::new(Some(kind), path)).collect());
    }
    let folders = header.strings(tags::DIR_NAMES)?;
    let indexes = header.numbers(tags::DIR_INDEXES)?;
    let names = header.strings(tags::BASE_NAMES)?;
    let folder = |index: u64| usize::try_from(index).ok().and_then(|index| folders.get(index)).cloned();
    let files = indexes.into_iter().zip(names).zip(kinds);
    Ok(files
        .map(|((index, name), kind)| File { kind: Some(kind), folder: folder(index).unwrap_or_default(), name })
        .collect())
}
