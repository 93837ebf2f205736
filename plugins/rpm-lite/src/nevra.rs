//! What a package is called: name, epoch, version, release and architecture, and the ways to write that.
//!
//! ```
//! use pulp_rpm_lite::nevra::Nevra;
//!
//! let nevra = Nevra::parse("perl-libs-4:5.26.3-422.el8.x86_64").expect("a whole name");
//! assert_eq!((nevra.name, nevra.epoch, nevra.arch), ("perl-libs", "4", "x86_64"));
//! assert_eq!(nevra.to_string(), "perl-libs-4:5.26.3-422.el8.x86_64");
//! assert_eq!(nevra.file_name(), "perl-libs-5.26.3-422.el8.x86_64.rpm");
//! ```

use std::fmt;

/// The five parts. Displayed as `name-epoch:version-release.arch`, which is what modules list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nevra<'a> {
    /// The name.
    pub name: &'a str,
    /// The epoch, digits; `0` where none is written.
    pub epoch: &'a str,
    /// The version.
    pub version: &'a str,
    /// The release.
    pub release: &'a str,
    /// The architecture; `src` for sources.
    pub arch: &'a str,
}

impl<'a> Nevra<'a> {
    /// Reads `name-[epoch:]version-release.arch`, or `epoch:name-version-release.arch`, with or without `.rpm`.
    /// `None` if a part is missing.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_suffix(".rpm").unwrap_or(text);
        let (text, arch) = text.rsplit_once('.')?;
        let (text, release) = text.rsplit_once('-')?;
        let (name, version) = text.rsplit_once('-')?;
        let (epoch, name, version) = match (version.split_once(':'), name.split_once(':')) {
            (Some((epoch, version)), _) => (epoch, name, version),
            (None, Some((epoch, name))) => (epoch, name, version),
            (None, None) => ("0", name, version),
        };
        let whole = [name, version, release, arch].iter().all(|part| !part.is_empty());
        let digits = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
        (whole && digits).then_some(Self { name, epoch, version, release, arch })
    }

    /// The name of its file: no epoch.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch)
    }
}

impl fmt::Display for Nevra<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}:{}-{}.{}", self.name, self.epoch, self.version, self.release, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_writing_is_read() {
        let whole = Nevra { name: "a-b", epoch: "1", version: "2.0", release: "3.fc40", arch: "noarch" };
        for text in ["a-b-1:2.0-3.fc40.noarch", "1:a-b-2.0-3.fc40.noarch", "a-b-1:2.0-3.fc40.noarch.rpm"] {
            assert_eq!(Nevra::parse(text), Some(whole), "{text}");
        }
        assert_eq!(Nevra::parse("a-b-2.0-3.fc40.noarch"), Some(Nevra { epoch: "0", ..whole }));
    }

    #[test]
    fn what_lacks_a_part_is_no_name() {
        for text in
            ["", "a", "a-1", "a-1-1", "a-1.x86_64", "-1-1.x86_64", "a--1.x86_64", "a-b:1-1.noarch", "a-:1-1.noarch"]
        {
            assert_eq!(Nevra::parse(text), None, "{text}");
        }
    }
}
