//! `comps`: groups of packages, categories and environments of groups, and packages of languages.
//!
//! ```
//! use pulp_rpm_lite::metadata::comps::{Comps, Group};
//!
//! let group = Group { id: "core".to_owned(), name: "Core".to_owned(), ..Group::default() };
//! let comps = Comps { groups: vec![group], ..Comps::default() };
//! assert_eq!(Comps::read(comps.to_string().as_bytes())?, comps);
//! # Ok::<(), pulp_rpm_lite::metadata::BadMetadata>(())
//! ```

mod write;

use std::collections::BTreeMap;
use std::io::BufRead;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::source::Source;
use super::{BadMetadata, bad};

/// The largest file of this kind, in bytes, decompressed; Fedora's has 2 MiB.
pub const LARGEST: u64 = 64 * 1024 * 1024;

/// What the file says, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comps {
    /// Groups of packages.
    pub groups: Vec<Group>,
    /// Categories of groups.
    pub categories: Vec<Category>,
    /// Environments.
    pub environments: Vec<Environment>,
    /// Which packages (with `%s` for a language) go with which.
    pub langpacks: BTreeMap<String, String>,
}

/// A group of packages. The names, here and below, are those of Pulp's REST API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its identity.
    pub id: String,
    /// Whether it is installed if nothing is chosen.
    pub default: bool,
    /// Whether users see it.
    pub user_visible: bool,
    /// Where it stands in lists.
    pub display_order: Option<i64>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its packages.
    pub packages: Vec<GroupPackage>,
    /// Whether it is only for machines that run programs of two architectures.
    pub biarch_only: bool,
    /// The description in other languages.
    pub desc_by_lang: BTreeMap<String, String>,
    /// The name in other languages.
    pub name_by_lang: BTreeMap<String, String>,
}

/// Nothing is said of it but that it is seen.
impl Default for Group {
    fn default() -> Self {
        Self {
            id: String::new(),
            default: false,
            user_visible: true,
            display_order: None,
            name: String::new(),
            description: String::new(),
            packages: Vec::new(),
            biarch_only: false,
            desc_by_lang: BTreeMap::new(),
            name_by_lang: BTreeMap::new(),
        }
    }
}

/// A package of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPackage {
    /// Its name.
    pub name: String,
    /// How it belongs to the group, as libcomps counts: see [`PACKAGE_KINDS`].
    #[serde(rename = "type")]
    pub kind: u8,
    /// Whether only that of the machine's own architecture is meant.
    pub basearchonly: Option<bool>,
    /// The package that must be there, for one that is conditional.
    pub requires: Option<String>,
}

/// The kinds of [`GroupPackage`], each at its number.
pub const PACKAGE_KINDS: [&str; 5] = ["default", "optional", "conditional", "mandatory", "unknown"];

/// `mandatory`, which is what a package without a kind is.
const MANDATORY: u8 = 3;

/// A category of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands in lists.
    pub display_order: Option<i64>,
    /// Its groups.
    pub group_ids: Vec<GroupId>,
    /// The description in other languages.
    pub desc_by_lang: BTreeMap<String, String>,
    /// The name in other languages.
    pub name_by_lang: BTreeMap<String, String>,
}

/// What a machine is for: groups that it has, and groups to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it stands in lists.
    pub display_order: Option<i64>,
    /// The groups that it has.
    pub group_ids: Vec<GroupId>,
    /// The groups to choose from.
    pub option_ids: Vec<GroupId>,
    /// The description in other languages.
    pub desc_by_lang: BTreeMap<String, String>,
    /// The name in other languages.
    pub name_by_lang: BTreeMap<String, String>,
}

/// A group that something consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupId {
    /// Its identity.
    pub name: String,
    /// Whether it is chosen from the start.
    pub default: bool,
}

/// The sha256 digest of what is said of a group, a category, an environment or langpacks, in hex: two that say the same have
/// the same.
pub fn digest(of: &impl Serialize) -> String {
    // Such a value has no keys but texts, so that it always becomes JSON.
    let text = serde_json::to_vec(of).unwrap_or_default();
    hex::encode(digest::digest(&digest::SHA256, &text))
}

impl Comps {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadMetadata`] if it is none, or something in it has no id.
    pub fn read(source: impl BufRead) -> Result<Self, BadMetadata> {
        let mut source = Source::open(source, "comps")?;
        let mut comps = Self::default();
        while source.child()? {
            match source.name() {
                "group" => comps.groups.push(group(&mut source)?),
                "category" => comps.categories.push(category(&mut source)?),
                "environment" => comps.environments.push(environment(&mut source)?),
                "langpacks" => langpacks(&mut source, &mut comps.langpacks)?,
                _ => source.skip()?,
            }
        }
        Ok(comps)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
            && self.categories.is_empty()
            && self.environments.is_empty()
            && self.langpacks.is_empty()
    }
}

fn group<R: BufRead>(source: &mut Source<R>) -> Result<Group, BadMetadata> {
    let mut group = Group::default();
    while source.child()? {
        match source.name() {
            "id" => group.id = source.string()?,
            "name" => translated(source, &mut group.name, &mut group.name_by_lang)?,
            "description" => translated(source, &mut group.description, &mut group.desc_by_lang)?,
            "default" => group.default = truth(source.text()?),
            "uservisible" => group.user_visible = truth(source.text()?),
            "biarchonly" => group.biarch_only = truth(source.text()?),
            "display_order" => group.display_order = Some(super::source::number(source.text()?)),
            "packagelist" => packages(source, &mut group.packages)?,
            _ => source.skip()?,
        }
    }
    identified("group", &group.id)?;
    Ok(group)
}

fn category<R: BufRead>(source: &mut Source<R>) -> Result<Category, BadMetadata> {
    let mut category = Category::default();
    while source.child()? {
        match source.name() {
            "id" => category.id = source.string()?,
            "name" => translated(source, &mut category.name, &mut category.name_by_lang)?,
            "description" => translated(source, &mut category.description, &mut category.desc_by_lang)?,
            "display_order" => category.display_order = Some(super::source::number(source.text()?)),
            "grouplist" => groups(source, &mut category.group_ids)?,
            _ => source.skip()?,
        }
    }
    identified("category", &category.id)?;
    Ok(category)
}

fn environment<R: BufRead>(source: &mut Source<R>) -> Result<Environment, BadMetadata> {
    let mut environment = Environment::default();
    while source.child()? {
        match source.name() {
            "id" => environment.id = source.string()?,
            "name" => translated(source, &mut environment.name, &mut environment.name_by_lang)?,
            "description" => translated(source, &mut environment.description, &mut environment.desc_by_lang)?,
            "display_order" => environment.display_order = Some(super::source::number(source.text()?)),
            "grouplist" => groups(source, &mut environment.group_ids)?,
            "optionlist" => groups(source, &mut environment.option_ids)?,
            _ => source.skip()?,
        }
    }
    identified("environment", &environment.id)?;
    Ok(environment)
}

fn identified(what: &str, id: &str) -> Result<(), BadMetadata> {
    match id.is_empty() {
        true => Err(bad(format!("A comps {what} has no id."))),
        false => Ok(()),
    }
}

/// A text, or its translation into the language that it says.
fn translated<R: BufRead>(
    source: &mut Source<R>,
    plain: &mut String,
    by_language: &mut BTreeMap<String, String>,
) -> Result<(), BadMetadata> {
    let language = source.attribute("xml:lang")?.map(std::borrow::Cow::into_owned);
    let text = source.string()?;
    match language.filter(|language| !language.is_empty()) {
        Some(language) => drop(by_language.insert(language, text)),
        None => *plain = text,
    }
    Ok(())
}

fn truth(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// The packages, each once.
fn packages<R: BufRead>(source: &mut Source<R>, into: &mut Vec<GroupPackage>) -> Result<(), BadMetadata> {
    let mut seen = std::collections::HashSet::new();
    while source.child()? {
        if source.name() != "packagereq" {
            source.skip()?;
            continue;
        }
        let kind = match source.attribute("type")?.filter(|kind| !kind.is_empty()) {
            None => MANDATORY,
            Some(kind) => {
                let known = PACKAGE_KINDS.iter().position(|known| *known == kind);
                known.and_then(|number| u8::try_from(number).ok()).unwrap_or(4)
            }
        };
        let basearchonly = source.attribute("basearchonly")?.map(|value| truth(&value));
        let requires = source.attribute("requires")?.map(std::borrow::Cow::into_owned);
        let name = source.string()?;
        if seen.insert((name.clone(), kind, basearchonly, requires.clone())) {
            into.push(GroupPackage { name, kind, basearchonly, requires });
        }
    }
    Ok(())
}

fn groups<R: BufRead>(source: &mut Source<R>, into: &mut Vec<GroupId>) -> Result<(), BadMetadata> {
    while source.child()? {
        if source.name() == "groupid" {
            let default = source.attribute("default")?.is_some_and(|value| truth(&value));
            into.push(GroupId { name: source.string()?, default });
        } else {
            source.skip()?;
        }
    }
    Ok(())
}

fn langpacks<R: BufRead>(source: &mut Source<R>, into: &mut BTreeMap<String, String>) -> Result<(), BadMetadata> {
    while source.child()? {
        if source.name() == "match" {
            let name = source.attribute("name")?.unwrap_or_default().into_owned();
            let install = source.attribute("install")?.unwrap_or_default().into_owned();
            into.insert(name, install);
        }
        source.skip()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
