//! Packages as `primary`, `filelists` and `other` describe them, each a third.
//!
//! [`Packages`] reads the three in step and yields whole packages; [`mod@write`] writes a package's three records.
//!
//! ```
//! use pulp_rpm_lite::metadata::packages::Packages;
//!
//! let primary = r#"<metadata packages="1"><package type="rpm"><name>a</name>
//!   <checksum type="md5" pkgid="YES">d41d8cd98f00b204e9800998ecf8427e</checksum></package></metadata>"#;
//! let packages = Packages::open(primary.as_bytes(), None::<&[u8]>, None::<&[u8]>)?;
//! assert_eq!(packages.map(|package| package.map(|package| package.name)).collect::<Result<Vec<_>, _>>()?, ["a"]);
//! # Ok::<(), pulp_rpm_lite::metadata::BadMetadata>(())
//! ```

mod aside;
mod filelists;
mod other;
mod primary;
pub mod write;

use std::io::BufRead;

use self::aside::Aside;
use super::source::Source;
use super::{BadMetadata, bad};
use crate::package::{Changelog, File, Package};

/// A repository's packages, one after the other, in the order of `primary`.
pub struct Packages<P, F, O> {
    primary: Source<P>,
    filelists: Option<(Source<F>, Aside<Vec<File>>)>,
    other: Option<(Source<O>, Aside<Vec<Changelog>>)>,
    /// How many `primary` says it has, if it says so.
    count: Option<u64>,
    ended: bool,
}

impl<P: BufRead, F: BufRead, O: BufRead> Packages<P, F, O> {
    /// Begins to read. Without `filelists` a package has the files that `primary` lists, without `other` nothing changed.
    ///
    /// # Errors
    /// [`BadMetadata`] if a file does not begin as it should.
    pub fn open(primary: P, filelists: Option<F>, other: Option<O>) -> Result<Self, BadMetadata> {
        let primary = Source::open(primary, "metadata").map_err(|error| of("primary", error))?;
        let count = primary.attribute("packages")?.and_then(|count| count.trim().parse().ok());
        let filelists = filelists.map(|file| Source::open(file, "filelists")).transpose();
        let other = other.map(|file| Source::open(file, "otherdata")).transpose();
        Ok(Self {
            primary,
            filelists: filelists
                .map_err(|error| of("filelists", error))?
                .map(|source| (source, Aside::new("filelists"))),
            other: other.map_err(|error| of("other", error))?.map(|source| (source, Aside::new("other"))),
            count,
            ended: false,
        })
    }

    /// How many packages there are by what `primary` says, which need not be true.
    pub fn announced(&self) -> Option<u64> {
        self.count
    }

    fn read(&mut self) -> Result<Option<Package>, BadMetadata> {
        let files = self.filelists.is_none();
        let Some(mut package) = primary::next(&mut self.primary, files).map_err(|error| of("primary", error))? else {
            return Ok(None);
        };
        if let Some((source, aside)) = &mut self.filelists {
            package.files = aside.find(&package, || filelists::next(source)).map_err(|error| of("filelists", error))?;
        }
        if let Some((source, aside)) = &mut self.other {
            package.changelogs = aside.find(&package, || other::next(source)).map_err(|error| of("other", error))?;
        }
        Ok(Some(package))
    }
}

/// Ends after the first error.
impl<P: BufRead, F: BufRead, O: BufRead> Iterator for Packages<P, F, O> {
    type Item = Result<Package, BadMetadata>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<P, F, O> std::fmt::Debug for Packages<P, F, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packages").field("count", &self.count).finish_non_exhaustive()
    }
}

fn of(file: &str, error: BadMetadata) -> BadMetadata {
    bad(format!("{file}: {error}"))
}

#[cfg(test)]
mod tests;
