//! `modules.yaml`: modules, their defaults, and which of them are obsolete. A file is a sequence of YAML documents.
//!
//! Pulp keeps each document's text and publishes that, so nothing is written here but the texts, one after the other. What is
//! read of a document is what clients of the REST API see. Numbers stay as they are written: a stream `1.10` is not `1.1`.
//!
//! ```
//! use pulp_rpm_lite::metadata::modules::{Document, documents};
//!
//! let text = "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: perl\n  stream: 5.30\n...\n";
//! let document = documents(text).next().expect("one")?;
//! let Document::Defaults(defaults) = document else { panic!() };
//! assert_eq!((defaults.module.as_str(), defaults.stream.as_str()), ("perl", "5.30"));
//! # Ok::<(), pulp_rpm_lite::metadata::BadMetadata>(())
//! ```

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::{BadMetadata, bad};

/// The largest file of this kind, in bytes, decompressed. Fedora's has 5 MiB.
pub const LARGEST: u64 = 256 * 1024 * 1024;

/// The largest document, in bytes.
pub const LARGEST_DOCUMENT: usize = 8 * 1024 * 1024;

/// A document of a kind that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A build of a module.
    Modulemd(Modulemd),
    /// What of a module is there without being asked for.
    Defaults(Defaults),
    /// What of a module should not be used any more.
    Obsolete(Obsolete),
}

/// A build of a module. The names, here and below, are those of Pulp's REST API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modulemd {
    /// The name.
    pub name: String,
    /// The stream.
    pub stream: String,
    /// The version.
    pub version: String,
    /// Whether the context was chosen by the packager.
    pub static_context: Option<bool>,
    /// What tells builds of one version apart.
    pub context: String,
    /// The architecture.
    pub arch: String,
    /// The packages, as `name-epoch:version-release.arch`.
    pub artifacts: Vec<String>,
    /// The modules (and their streams) that it needs, alternatives of such.
    pub dependencies: Vec<Dependencies>,
    /// Packages to install, by what they are wanted for.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// What it is.
    pub description: String,
    /// The document.
    pub snippet: String,
}

/// The modules that another needs to run and to be built, with their streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// To be built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildrequires: Option<BTreeMap<String, Vec<String>>>,
    /// To run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<BTreeMap<String, Vec<String>>>,
}

/// The defaults of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// The name of the module.
    pub module: String,
    /// Its stream; empty where there is none.
    pub stream: String,
    /// Its profiles, by stream.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// The document.
    pub snippet: String,
}

/// That a stream of a module should not be used any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obsolete {
    /// When this was said.
    pub modified: String,
    /// The name of the module.
    pub module_name: String,
    /// Its stream.
    pub module_stream: String,
    /// Why.
    pub message: String,
    /// Whether all that was said before is void.
    pub override_previous: Option<bool>,
    /// The context of the builds that are meant; else all.
    pub module_context: Option<String>,
    /// From when on.
    pub eol_date: Option<String>,
    /// The module to use.
    pub obsoleted_by_module_name: Option<String>,
    /// The stream to use.
    pub obsoleted_by_module_stream: Option<String>,
    /// The document.
    pub snippet: String,
}

/// The sha256 digest of a document, in hex.
pub fn digest(snippet: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, snippet.as_bytes()))
}

/// The documents of a file, those of unknown kinds left out. Each keeps its text, without space around it, between `---` and
/// `...`.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Document, BadMetadata>> + '_ {
    snippets(text).filter_map(|snippet| read(&snippet).transpose())
}

/// Texts of documents. A document begins with a line that begins with `---`, which is where YAML ends the one before it.
fn snippets(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text.trim_start_matches('\u{feff}');
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = rest.match_indices("\n---").map(|(at, _)| at + 1).find(|at| is_marker(&rest[*at..]));
            let (document, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            let document = match is_marker(document) {
                true => &document[3..],
                false => document,
            };
            let document = document.trim();
            let document =
                document.strip_suffix("\n...").or_else(|| document.strip_suffix("\r...")).unwrap_or(document);
            let document = if document == "..." { "" } else { document.trim_end() };
            if !document.is_empty() {
                return Some(format!("---\n{document}\n..."));
            }
        }
        None
    })
}

/// Whether a text begins with the marker of a document, and not with something that only looks like it.
fn is_marker(text: &str) -> bool {
    text.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

#[derive(Deserialize)]
struct Head {
    document: Option<String>,
}

#[derive(Deserialize)]
struct Whole<T> {
    data: T,
}

#[derive(Deserialize)]
struct ModulemdData {
    name: Option<String>,
    stream: Option<String>,
    version: Option<String>,
    #[serde(default)]
    static_context: Option<bool>,
    context: Option<String>,
    arch: Option<String>,
    #[serde(default)]
    artifacts: Option<Artifacts>,
    #[serde(default)]
    profiles: Option<BTreeMap<String, Profile>>,
    description: Option<String>,
}

#[derive(Default, Deserialize)]
struct Artifacts {
    #[serde(default)]
    rpms: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    rpms: Option<Vec<String>>,
}

/// The dependencies alone: version 2 of the format has alternatives with lists of streams, version 1 one set with a stream a
/// module, and there are mixtures. Asking for any of them would turn the stream `1.10` into a number, so each is tried.
#[derive(Deserialize)]
struct Needs<T> {
    dependencies: Option<T>,
}

#[derive(Deserialize)]
struct Need<T> {
    buildrequires: Option<BTreeMap<String, Option<T>>>,
    requires: Option<BTreeMap<String, Option<T>>>,
}

impl<T> Need<T> {
    fn with(self, list: impl Fn(T) -> Vec<String>) -> Dependencies {
        let lists = |map: BTreeMap<String, Option<T>>| {
            map.into_iter().map(|(module, streams)| (module, streams.map(&list).unwrap_or_default())).collect()
        };
        Dependencies { buildrequires: self.buildrequires.map(lists), requires: self.requires.map(lists) }
    }
}

fn dependencies(snippet: &str) -> Result<Vec<Dependencies>, BadMetadata> {
    let many = |list: Vec<String>| list;
    let one = |stream: String| vec![stream];
    if let Ok(read) = needs::<Vec<Need<Vec<String>>>>(snippet) {
        return Ok(read.into_iter().flatten().map(|need| need.with(many)).collect());
    }
    if let Ok(read) = needs::<Vec<Need<String>>>(snippet) {
        return Ok(read.into_iter().flatten().map(|need| need.with(one)).collect());
    }
    if let Ok(read) = needs::<Need<String>>(snippet) {
        return Ok(read.into_iter().map(|need| need.with(one)).collect());
    }
    Ok(needs::<Need<Vec<String>>>(snippet)?.into_iter().map(|need| need.with(many)).collect())
}

fn needs<T: for<'de> Deserialize<'de>>(snippet: &str) -> Result<Option<T>, BadMetadata> {
    let Whole::<Needs<T>> { data } = yaml(snippet)?;
    Ok(data.dependencies)
}

#[derive(Deserialize)]
struct DefaultsData {
    module: Option<String>,
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    profiles: Option<BTreeMap<String, Option<Vec<String>>>>,
}

#[derive(Deserialize)]
struct ObsoleteData {
    modified: Option<String>,
    #[serde(default)]
    reset: Option<bool>,
    module: Option<String>,
    stream: Option<String>,
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    eol_date: Option<String>,
    message: Option<String>,
    #[serde(default)]
    obsoleted_by: Option<ObsoletedBy>,
}

#[derive(Deserialize)]
struct ObsoletedBy {
    module: Option<String>,
    stream: Option<String>,
}

/// Reads one document; `None` for a kind that is not known, which clients pass over as well.
///
/// # Errors
/// [`BadMetadata`] if it is no YAML, or lacks what its kind must have.
pub fn read(snippet: &str) -> Result<Option<Document>, BadMetadata> {
    if snippet.len() > LARGEST_DOCUMENT {
        return Err(bad(format!("A document has more than {LARGEST_DOCUMENT} bytes.")));
    }
    let head: Head = yaml(snippet)?;
    match head.document.as_deref() {
        Some("modulemd") => {
            let Whole::<ModulemdData> { data } = yaml(snippet)?;
            let artifacts = data.artifacts.unwrap_or_default().rpms.unwrap_or_default();
            let profiles = data.profiles.unwrap_or_default().into_iter();
            Ok(Some(Document::Modulemd(Modulemd {
                name: required(data.name, "modulemd", "name")?,
                stream: required(data.stream, "modulemd", "stream")?,
                version: required(data.version, "modulemd", "version")?,
                static_context: data.static_context,
                context: required(data.context, "modulemd", "context")?,
                arch: required(data.arch, "modulemd", "arch")?,
                artifacts,
                dependencies: dependencies(snippet)?,
                // A profile without packages says nothing.
                profiles: profiles
                    .filter_map(|(name, profile)| Some((name, profile.rpms.filter(|rpms| !rpms.is_empty())?)))
                    .collect(),
                description: data.description.unwrap_or_default(),
                snippet: snippet.to_owned(),
            })))
        }
        Some("modulemd-defaults") => {
            let Whole::<DefaultsData> { data } = yaml(snippet)?;
            let profiles = data.profiles.unwrap_or_default().into_iter();
            Ok(Some(Document::Defaults(Defaults {
                module: required(data.module, "modulemd-defaults", "module")?,
                stream: data.stream.unwrap_or_default(),
                profiles: profiles.map(|(stream, profiles)| (stream, profiles.unwrap_or_default())).collect(),
                snippet: snippet.to_owned(),
            })))
        }
        Some("modulemd-obsoletes") => {
            let Whole::<ObsoleteData> { data } = yaml(snippet)?;
            let (name, stream) = match data.obsoleted_by {
                Some(by) => (by.module, by.stream),
                None => (None, None),
            };
            Ok(Some(Document::Obsolete(Obsolete {
                modified: required(data.modified, "modulemd-obsoletes", "modified")?,
                module_name: required(data.module, "modulemd-obsoletes", "module")?,
                module_stream: required(data.stream, "modulemd-obsoletes", "stream")?,
                message: required(data.message, "modulemd-obsoletes", "message")?,
                override_previous: data.reset,
                module_context: data.context,
                eol_date: data.eol_date,
                obsoleted_by_module_name: name,
                obsoleted_by_module_stream: stream,
                snippet: snippet.to_owned(),
            })))
        }
        Some(_) => Ok(None),
        None => Err(bad("A document of the modules does not say of which kind it is.")),
    }
}

fn required(value: Option<String>, document: &str, field: &str) -> Result<String, BadMetadata> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| bad(format!("Mandatory field {field} is missing in {document}.")))
}

fn yaml<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, BadMetadata> {
    serde_yaml_ng::from_str(text).map_err(|error| bad(format!("A document of the modules cannot be read: {error}.")))
}

#[cfg(test)]
mod tests;
