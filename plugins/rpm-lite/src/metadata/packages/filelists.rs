//! `filelists`: all files of a package.

use std::io::BufRead;

use super::super::BadMetadata;
use super::super::source::Source;
use super::primary;
use crate::package::File;

/// The next package's identity and files.
pub(super) fn next<R: BufRead>(source: &mut Source<R>) -> Result<Option<(String, Vec<File>)>, BadMetadata> {
    if !source.record("package")? {
        return Ok(None);
    }
    let id = source.attribute("pkgid")?.unwrap_or_default().into_owned();
    let mut files = Vec::new();
    while source.child()? {
        match source.name() {
            "file" => files.push(primary::file(source)?),
            _ => source.skip()?,
        }
    }
    Ok(Some((id, files)))
}
