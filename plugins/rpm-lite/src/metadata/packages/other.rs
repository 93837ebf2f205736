//! `other`: what changed in a package.

use std::io::BufRead;

use super::super::BadMetadata;
use super::super::source::Source;
use crate::package::Changelog;

/// The next package's identity and changes.
pub(super) fn next<R: BufRead>(source: &mut Source<R>) -> Result<Option<(String, Vec<Changelog>)>, BadMetadata> {
    if !source.record("package")? {
        return Ok(None);
    }
    let id = source.attribute("pkgid")?.unwrap_or_default().into_owned();
    let mut entries = Vec::new();
    while source.child()? {
        if source.name() == "changelog" {
            let author = source.attribute("author")?.unwrap_or_default().into_owned();
            let time = source.number("date")?;
            entries.push(Changelog { author, time, text: source.string()? });
        } else {
            source.skip()?;
        }
    }
    Ok(Some((id, entries)))
}
