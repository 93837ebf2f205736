//! A package, as repositories describe it: everything that `primary`, `filelists` and `other` hold.
//!
//! The fields have the names and the shapes of Pulp's REST API (content type `rpm.package`), lists in lists and all, so that a
//! package is written to the database and to clients as it is.
//!
//! ```
//! use pulp_rpm_lite::package::Dependency;
//!
//! let dependency: Dependency = serde_json::from_str(r#"["libc.so.6()(64bit)", null, null, null, null, false]"#)?;
//! assert_eq!(dependency.name, "libc.so.6()(64bit)");
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The epoch, digits.
    pub epoch: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture; `src` for sources.
    pub arch: String,
    /// The checksum of the file, in lower-case hex, which is its identity in a repository.
    #[serde(rename = "pkgId")]
    pub pkg_id: String,
    /// Of which kind the checksum is, such as `sha256`.
    pub checksum_type: String,
    /// What it is, in a line.
    pub summary: String,
    /// What it is, at length.
    pub description: String,
    /// Where to read about it.
    pub url: String,
    /// What changed, the oldest first.
    pub changelogs: Vec<Changelog>,
    /// What it installs.
    pub files: Vec<File>,
    /// What it cannot be without.
    pub requires: Vec<Dependency>,
    /// What it offers.
    pub provides: Vec<Dependency>,
    /// What it cannot be beside.
    pub conflicts: Vec<Dependency>,
    /// What it takes the place of.
    pub obsoletes: Vec<Dependency>,
    /// What is good beside it.
    pub suggests: Vec<Dependency>,
    /// What it is good beside.
    pub enhances: Vec<Dependency>,
    /// What should be there with it.
    pub recommends: Vec<Dependency>,
    /// With what it should be there.
    pub supplements: Vec<Dependency>,
    /// A URL that the location is relative to, where that is not the repository.
    pub location_base: String,
    /// Where its file is, relative to the repository.
    pub location_href: String,
    /// The machine that built it.
    pub rpm_buildhost: String,
    /// The group of old.
    pub rpm_group: String,
    /// The licence.
    pub rpm_license: String,
    /// Who packaged it.
    pub rpm_packager: String,
    /// The file with its sources; empty for sources.
    pub rpm_sourcerpm: String,
    /// Who sells it.
    pub rpm_vendor: String,
    /// The first byte of its header.
    pub rpm_header_start: i64,
    /// The first byte after its header.
    pub rpm_header_end: i64,
    /// The size of its payload as it is unpacked, in bytes.
    pub size_archive: i64,
    /// The size of its files, in bytes.
    pub size_installed: i64,
    /// The size of its file, in bytes.
    pub size_package: i64,
    /// When it was built, in seconds since 1970.
    pub time_build: i64,
    /// When its file was last changed, in seconds since 1970.
    pub time_file: i64,
}

/// What a package needs, offers or contradicts. In JSON: `[name, flags, epoch, version, release, pre]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "DependencyTuple", into = "DependencyTuple")]
pub struct Dependency {
    /// Of what.
    pub name: String,
    /// `LT`, `GT`, `EQ`, `LE` or `GE`; none if any version will do.
    pub flags: Option<String>,
    /// The epoch.
    pub epoch: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// The release.
    pub release: Option<String>,
    /// Whether it is needed already by the scripts that install it.
    pub pre: bool,
}

type DependencyTuple = (String, Option<String>, Option<String>, Option<String>, Option<String>, bool);

impl From<DependencyTuple> for Dependency {
    fn from((name, flags, epoch, version, release, pre): DependencyTuple) -> Self {
        Self { name, flags, epoch, version, release, pre }
    }
}

impl From<Dependency> for DependencyTuple {
    fn from(Dependency { name, flags, epoch, version, release, pre }: Dependency) -> Self {
        (name, flags, epoch, version, release, pre)
    }
}

/// A file that a package installs. In JSON: `[kind, folder, name]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "FileTuple", into = "FileTuple")]
pub struct File {
    /// What it is; metadata does not say it of plain files.
    pub kind: Option<FileKind>,
    /// Where it is, with the slash at the end.
    pub folder: String,
    /// What it is called there.
    pub name: String,
}

type FileTuple = (Option<FileKind>, String, String);

impl From<FileTuple> for File {
    fn from((kind, folder, name): FileTuple) -> Self {
        Self { kind, folder, name }
    }
}

impl From<File> for FileTuple {
    fn from(File { kind, folder, name }: File) -> Self {
        (kind, folder, name)
    }
}

impl File {
    /// From its whole path.
    pub fn new(kind: Option<FileKind>, path: &str) -> Self {
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        Self { kind, folder: folder.to_owned(), name: name.to_owned() }
    }

    /// Whether `primary` lists it as well, because packages often require such files: what is below `/etc/`, whatever
    /// has `bin/` in its path, and `/usr/lib/sendmail`.
    pub fn is_primary(&self) -> bool {
        let Self { folder, name, .. } = self;
        // The path is split behind its last slash, so no `bin/` reaches over into the name.
        folder.starts_with("/etc/") || folder.contains("bin/") || (folder == "/usr/lib/" && name == "sendmail")
    }
}

/// What a file is. In JSON `""`, `"dir"` and `"ghost"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A file or a link, as a header says it.
    Plain,
    /// A folder.
    Folder,
    /// A file that belongs to the package and is not in it.
    Ghost,
}

impl FileKind {
    /// Its name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Folder => "dir",
            Self::Ghost => "ghost",
        }
    }
}

impl Serialize for FileKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for FileKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(match &*name {
            "dir" => Self::Folder,
            "ghost" => Self::Ghost,
            _ => Self::Plain,
        })
    }
}

/// An entry of what changed. In JSON: `[author, time, text]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(String, i64, String)", into = "(String, i64, String)")]
pub struct Changelog {
    /// Who changed it, often with the version.
    pub author: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// What.
    pub text: String,
}

impl From<(String, i64, String)> for Changelog {
    fn from((author, time, text): (String, i64, String)) -> Self {
        Self { author, time, text }
    }
}

impl From<Changelog> for (String, i64, String) {
    fn from(Changelog { author, time, text }: Changelog) -> Self {
        (author, time, text)
    }
}

impl Package {
    /// What Pulp keeps of a package: the files without repetitions, and the latest entries of what changed, in the order of
    /// their times; one at least, and all of them without a limit.
    pub fn condense(&mut self, most_changelogs: Option<usize>) {
        let mut seen = HashSet::with_capacity(self.files.len());
        let again: Vec<bool> = self.files.iter().map(|file| !seen.insert(file)).collect();
        if again.contains(&true) {
            let mut again = again.into_iter();
            self.files.retain(|_| !again.next().unwrap_or_default());
        }
        self.changelogs.sort_by_key(|entry| entry.time);
        if let Some(most) = most_changelogs {
            let old = self.changelogs.len().saturating_sub(most.max(1));
            self.changelogs.drain(..old);
        }
    }

    /// Whether it is source code.
    pub fn is_source(&self) -> bool {
        matches!(self.arch.as_str(), "src" | "nosrc")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_package_has_the_shape_of_pulps_api() {
        let package = Package {
            pkg_id: "fe8b".to_owned(),
            files: vec![File::new(Some(FileKind::Folder), "/usr/share/a"), File::new(None, "/usr/share/a/b.txt")],
            changelogs: vec![Changelog { author: "A <a@b> - 1-1".into(), time: 1_704_110_400, text: "- x".into() }],
            provides: vec![Dependency {
                name: "a".into(),
                flags: Some("EQ".into()),
                epoch: Some("0".into()),
                version: Some("1".into()),
                ..Dependency::default()
            }],
            ..Package::default()
        };
        let value = serde_json::to_value(&package).unwrap();
        assert_eq!(value["pkgId"], "fe8b");
        assert_eq!(value["files"], json!([["dir", "/usr/share/", "a"], [null, "/usr/share/a/", "b.txt"]]));
        assert_eq!(value["changelogs"], json!([["A <a@b> - 1-1", 1_704_110_400, "- x"]]));
        assert_eq!(value["provides"], json!([["a", "EQ", "0", "1", null, false]]));
        assert_eq!(serde_json::from_value::<Package>(value).unwrap(), package);
    }

    #[test]
    fn files_that_packages_require_are_primary() {
        let primary = |path| File::new(None, path).is_primary();
        for path in ["/etc/a", "/etc/a/b", "/usr/bin/a", "/opt/sbin/x/y", "/usr/lib/sendmail"] {
            assert!(primary(path), "{path}");
        }
        for path in ["/etc", "/usr/bin", "/usr/lib/sendmail/x", "/usr/share/etc/a", "a"] {
            assert!(!primary(path), "{path}");
        }
    }

    #[test]
    fn what_is_kept_is_said_once_and_of_late() {
        let entry = |time| Changelog { time, ..Changelog::default() };
        let file = File::new(None, "/a");
        let mut package = Package {
            files: vec![file.clone(), File::new(Some(FileKind::Ghost), "/a"), file],
            changelogs: vec![entry(3), entry(1), entry(2)],
            ..Package::default()
        };
        package.condense(Some(2));
        assert_eq!(package.files.len(), 2);
        assert_eq!(package.changelogs, [entry(2), entry(3)]);
        package.condense(Some(0));
        assert_eq!(package.changelogs, [entry(3)]);
        package.condense(None);
        assert_eq!(package.changelogs, [entry(3)]);
    }
}
