//! `updateinfo`: advisories, each with the packages that it is about.
//!
//! ```
//! use pulp_rpm_lite::metadata::updateinfo::{self, Advisories, Advisory};
//!
//! let advisory = Advisory { id: "FEDORA-2024-1".to_owned(), kind: "security".to_owned(), ..Advisory::default() };
//! let text = updateinfo::write([&advisory]);
//! let read = Advisories::open(text.as_bytes())?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(read, [advisory]);
//! # Ok::<(), pulp_rpm_lite::metadata::BadMetadata>(())
//! ```

mod write;

use std::borrow::Cow;
use std::io::BufRead;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

pub use self::write::{BEGIN, END, push, write};
use super::source::Source;
use super::{BadMetadata, bad};

/// An advisory. The names are those of Pulp's REST API, texts that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advisory {
    /// Its identity, such as `RHSA-2024:1234`.
    pub id: String,
    /// When it was changed last, as it is written; nothing is said of the format.
    pub updated_date: Option<String>,
    /// What it is about, at length.
    pub description: String,
    /// When it was made public, as it is written.
    pub issued_date: String,
    /// Who made it.
    pub fromstr: String,
    /// How far it is, such as `final`.
    pub status: String,
    /// Its title.
    pub title: String,
    /// What it is about, in short.
    pub summary: String,
    /// Which edition of it this is.
    pub version: String,
    /// `security`, `bugfix`, `enhancement`, `newpackage` or another.
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: String,
    /// What to do.
    pub solution: String,
    /// Which release of the product it is for.
    pub release: String,
    /// Who may copy it.
    pub rights: String,
    /// How often it was pushed.
    pub pushcount: String,
    /// Whether the machine should be restarted after it.
    pub reboot_suggested: bool,
    /// The packages that it brings.
    #[serde(rename = "pkglist")]
    pub collections: Vec<Collection>,
    /// Where to read about it.
    pub references: Vec<Reference>,
}

/// Packages of an advisory that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collection {
    /// The name.
    pub name: Option<String>,
    /// A short name.
    #[serde(alias = "short")]
    pub shortname: Option<String>,
    /// The build of the module that the packages belong to.
    pub module: Option<Module>,
    /// The packages.
    pub packages: Vec<CollectionPackage>,
}

/// The build of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Module {
    /// The name.
    pub name: String,
    /// The stream.
    pub stream: String,
    /// The version.
    pub version: u64,
    /// The context.
    pub context: String,
    /// The architecture.
    pub arch: String,
}

/// A package of an advisory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectionPackage {
    /// The name.
    pub name: String,
    /// The epoch.
    pub epoch: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture.
    pub arch: String,
    /// The file of its sources.
    pub src: String,
    /// The name of its file.
    pub filename: String,
    /// Its checksum.
    pub sum: String,
    /// The kind of its checksum; empty where none is said.
    pub sum_type: String,
    /// Whether the machine should be restarted after it.
    pub reboot_suggested: bool,
    /// Whether users should log in again.
    pub relogin_suggested: bool,
    /// Whether what uses it should be restarted.
    pub restart_suggested: bool,
}

/// Where to read about an advisory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// The URL.
    pub href: String,
    /// What it is called there, such as `CVE-2024-1234`.
    pub id: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// `bugzilla`, `cve`, `self` or another.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Advisory {
    /// The sha256 digest of what is published of it, in hex: two that say the same have the same.
    pub fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, write([self]).as_bytes()))
    }
}

/// Advisories, one after the other. Ends after the first error.
#[derive(Debug)]
pub struct Advisories<R> {
    source: Source<R>,
    ended: bool,
}

impl<R: BufRead> Advisories<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`BadMetadata`] if the file does not begin as it should.
    pub fn open(source: R) -> Result<Self, BadMetadata> {
        Ok(Self { source: Source::open(source, "updates")?, ended: false })
    }

    fn read(&mut self) -> Result<Option<Advisory>, BadMetadata> {
        if self.source.record("update")? { advisory(&mut self.source).map(Some) } else { Ok(None) }
    }
}

impl<R: BufRead> Iterator for Advisories<R> {
    type Item = Result<Advisory, BadMetadata>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn advisory<R: BufRead>(source: &mut Source<R>) -> Result<Advisory, BadMetadata> {
    let mut advisory = Advisory::default();
    source.attributes(|name, value| match name {
        "from" => advisory.fromstr = value.into_owned(),
        "status" => advisory.status = value.into_owned(),
        "type" => advisory.kind = value.into_owned(),
        "version" => advisory.version = value.into_owned(),
        _ => {}
    })?;
    while source.child()? {
        match source.name() {
            "id" => advisory.id = source.string()?,
            "title" => advisory.title = source.string()?,
            "issued" => {
                advisory.issued_date = source.attribute("date")?.unwrap_or_default().into_owned();
                source.skip()?;
            }
            "updated" => {
                let date = source.attribute("date")?.filter(|date| !date.is_empty());
                advisory.updated_date = date.map(Cow::into_owned);
                source.skip()?;
            }
            "rights" => advisory.rights = source.string()?,
            "release" => advisory.release = source.string()?,
            "pushcount" => advisory.pushcount = source.string()?,
            "severity" => advisory.severity = source.string()?,
            "summary" => advisory.summary = source.string()?,
            "description" => advisory.description = source.string()?,
            "solution" => advisory.solution = source.string()?,
            "reboot_suggested" => {
                advisory.reboot_suggested = true;
                source.skip()?;
            }
            "references" => references(source, &mut advisory.references)?,
            "pkglist" => collections(source, &mut advisory.collections)?,
            _ => source.skip()?,
        }
    }
    match advisory.id.is_empty() {
        true => Err(bad("An advisory has no id.")),
        false => Ok(advisory),
    }
}

fn references<R: BufRead>(source: &mut Source<R>, into: &mut Vec<Reference>) -> Result<(), BadMetadata> {
    while source.child()? {
        if source.name() == "reference" {
            let mut reference = Reference::default();
            source.attributes(|name, value| match name {
                "href" => reference.href = value.into_owned(),
                "id" => reference.id = Some(value.into_owned()),
                "title" => reference.title = Some(value.into_owned()),
                "type" => reference.kind = Some(value.into_owned()),
                _ => {}
            })?;
            into.push(reference);
        }
        source.skip()?;
    }
    Ok(())
}

fn collections<R: BufRead>(source: &mut Source<R>, into: &mut Vec<Collection>) -> Result<(), BadMetadata> {
    while source.child()? {
        if source.name() != "collection" {
            source.skip()?;
            continue;
        }
        let mut collection =
            Collection { shortname: source.attribute("short")?.map(Cow::into_owned), ..Collection::default() };
        while source.child()? {
            match source.name() {
                "name" => collection.name = Some(source.string()?).filter(|name| !name.is_empty()),
                "module" => collection.module = Some(module(source)?),
                "package" => collection.packages.push(package(source)?),
                _ => source.skip()?,
            }
        }
        into.push(collection);
    }
    Ok(())
}

fn module<R: BufRead>(source: &mut Source<R>) -> Result<Module, BadMetadata> {
    let mut module = Module::default();
    source.attributes(|name, value| match name {
        "name" => module.name = value.into_owned(),
        "stream" => module.stream = value.into_owned(),
        "version" => module.version = value.trim().parse().unwrap_or_default(),
        "context" => module.context = value.into_owned(),
        "arch" => module.arch = value.into_owned(),
        _ => {}
    })?;
    source.skip()?;
    Ok(module)
}

fn package<R: BufRead>(source: &mut Source<R>) -> Result<CollectionPackage, BadMetadata> {
    let mut package = CollectionPackage::default();
    source.attributes(|name, value| match name {
        "name" => package.name = value.into_owned(),
        "epoch" => package.epoch = value.into_owned(),
        "version" => package.version = value.into_owned(),
        "release" => package.release = value.into_owned(),
        "arch" => package.arch = value.into_owned(),
        "src" => package.src = value.into_owned(),
        _ => {}
    })?;
    while source.child()? {
        match source.name() {
            "filename" => package.filename = source.string()?,
            "sum" => {
                package.sum_type = source.attribute("type")?.unwrap_or_default().to_ascii_lowercase();
                package.sum = source.text()?.trim().to_owned();
            }
            said => {
                // It is enough that they are there.
                match said {
                    "reboot_suggested" => package.reboot_suggested = true,
                    "relogin_suggested" => package.relogin_suggested = true,
                    "restart_suggested" => package.restart_suggested = true,
                    _ => {}
                }
                source.skip()?;
            }
        }
    }
    Ok(package)
}

#[cfg(test)]
mod tests;
