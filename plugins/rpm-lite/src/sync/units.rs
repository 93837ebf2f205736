//! From records of metadata to units.

use std::collections::BTreeMap;

use pulpcore::error::Result;
use pulpcore::storage::Expected;
use pulpcore::sync::{Declared, DeclaredArtifact};

use super::metadata::{digests, expected};
use super::place::Place;
use crate::json::Raw;
use crate::metadata::comps::{self, Comps};
use crate::metadata::modules;
use crate::metadata::repomd::Record;
use crate::models::{
    modulemd, modulemd_defaults, modulemd_obsolete, package, package_category, package_environment, package_group,
    package_langpacks, repo_metadata_file,
};
use crate::package::Package;

/// A unit without files.
pub(crate) fn declared<M>(unit: M) -> Declared<M> {
    Declared { unit, artifacts: Vec::new() }
}

/// A package, with its file. Where it stands in a repository is the repository's affair: the unit has its name only.
pub(crate) fn package(
    place: &Place,
    package: &Package,
    is_modular: bool,
    deferred: bool,
) -> Result<Declared<package::Model>> {
    let url = place.url_from(Some(&package.location_base), &package.location_href)?;
    let digests = digests(&package.checksum_type, &package.pkg_id, &url)?;
    let unit = package::Model { is_modular, ..package::Model::of(package)? };
    let size = u64::try_from(package.size_package).ok().filter(|size| *size > 0);
    let artifact = DeclaredArtifact {
        relative_path: unit.location_href.clone(),
        url,
        expected: Expected { size, digests, max_size: None },
        deferred,
    };
    Ok(Declared { unit, artifacts: vec![artifact] })
}

/// What `comps` says, as units.
#[derive(Debug, Default)]
pub(crate) struct CompsUnits {
    pub(crate) groups: Vec<package_group::Model>,
    pub(crate) categories: Vec<package_category::Model>,
    pub(crate) environments: Vec<package_environment::Model>,
    pub(crate) langpacks: Vec<package_langpacks::Model>,
}

impl CompsUnits {
    /// Of a file.
    ///
    /// # Errors
    /// Never: what was read has JSON.
    pub(crate) fn of(comps: &Comps) -> Result<Self> {
        let langpacks = match comps.langpacks.is_empty() {
            true => Vec::new(),
            false => vec![langpacks(&comps.langpacks)?],
        };
        // Of two with one id the last one counts: a version holds one.
        let groups: BTreeMap<&str, _> = comps.groups.iter().map(|group| (group.id.as_str(), group)).collect();
        let categories: BTreeMap<&str, _> = comps.categories.iter().map(|one| (one.id.as_str(), one)).collect();
        let environments: BTreeMap<&str, _> = comps.environments.iter().map(|one| (one.id.as_str(), one)).collect();
        Ok(Self {
            groups: groups.into_values().map(group).collect::<Result<_>>()?,
            categories: categories.into_values().map(category).collect::<Result<_>>()?,
            environments: environments.into_values().map(environment).collect::<Result<_>>()?,
            langpacks,
        })
    }

    /// How many units there are, without language packs, as Pulp counts.
    pub(crate) fn len(&self) -> usize {
        self.groups.len() + self.categories.len() + self.environments.len()
    }
}

fn group(group: &comps::Group) -> Result<package_group::Model> {
    Ok(package_group::Model {
        id: group.id.clone(),
        default: group.default,
        user_visible: group.user_visible,
        display_order: group.display_order,
        name: group.name.clone(),
        description: group.description.clone(),
        packages: Raw::of(&group.packages)?,
        biarch_only: group.biarch_only,
        desc_by_lang: Raw::of(&group.desc_by_lang)?,
        name_by_lang: Raw::of(&group.name_by_lang)?,
        digest: comps::digest(group),
        ..package_group::Model::default()
    })
}

fn category(category: &comps::Category) -> Result<package_category::Model> {
    Ok(package_category::Model {
        id: category.id.clone(),
        name: category.name.clone(),
        description: category.description.clone(),
        display_order: category.display_order,
        group_ids: Raw::of(&category.group_ids)?,
        desc_by_lang: Raw::of(&category.desc_by_lang)?,
        name_by_lang: Raw::of(&category.name_by_lang)?,
        digest: comps::digest(category),
        ..package_category::Model::default()
    })
}

fn environment(environment: &comps::Environment) -> Result<package_environment::Model> {
    Ok(package_environment::Model {
        id: environment.id.clone(),
        name: environment.name.clone(),
        description: environment.description.clone(),
        display_order: environment.display_order,
        group_ids: Raw::of(&environment.group_ids)?,
        option_ids: Raw::of(&environment.option_ids)?,
        desc_by_lang: Raw::of(&environment.desc_by_lang)?,
        name_by_lang: Raw::of(&environment.name_by_lang)?,
        digest: comps::digest(environment),
        ..package_environment::Model::default()
    })
}

fn langpacks(matches: &BTreeMap<String, String>) -> Result<package_langpacks::Model> {
    Ok(package_langpacks::Model {
        matches: Raw::of(matches)?,
        digest: comps::digest(matches),
        ..package_langpacks::Model::default()
    })
}

/// A module.
pub(crate) fn module(module: &modules::Modulemd) -> Result<modulemd::Model> {
    Ok(modulemd::Model {
        name: module.name.clone(),
        stream: module.stream.clone(),
        version: module.version.clone(),
        context: module.context.clone(),
        arch: module.arch.clone(),
        static_context: module.static_context,
        dependencies: Raw::of(&module.dependencies)?,
        artifacts: Raw::of(&module.artifacts)?,
        profiles: Raw::of(&module.profiles)?,
        description: module.description.clone(),
        digest: modules::digest(&module.snippet),
        snippet: module.snippet.clone(),
        ..modulemd::Model::default()
    })
}

/// A module's defaults.
pub(crate) fn defaults(defaults: &modules::Defaults) -> Result<modulemd_defaults::Model> {
    Ok(modulemd_defaults::Model {
        module: defaults.module.clone(),
        stream: defaults.stream.clone(),
        profiles: Raw::of(&defaults.profiles)?,
        digest: modules::digest(&defaults.snippet),
        snippet: defaults.snippet.clone(),
        ..modulemd_defaults::Model::default()
    })
}

/// The end of a module's stream.
pub(crate) fn obsolete(obsolete: &modules::Obsolete) -> modulemd_obsolete::Model {
    // As Pulp writes booleans into texts.
    let flag = |flag: bool| if flag { "True" } else { "False" }.to_owned();
    modulemd_obsolete::Model {
        modified: obsolete.modified.clone(),
        module_name: obsolete.module_name.clone(),
        module_stream: obsolete.module_stream.clone(),
        message: obsolete.message.clone(),
        override_previous: obsolete.override_previous.map(flag),
        module_context: obsolete.module_context.clone(),
        eol_date: obsolete.eol_date.clone(),
        obsoleted_by_module_name: obsolete.obsoleted_by_module_name.clone(),
        obsoleted_by_module_stream: obsolete.obsoleted_by_module_stream.clone(),
        snippet: obsolete.snippet.clone(),
        ..modulemd_obsolete::Model::default()
    }
}

/// A file of metadata that is passed on.
pub(crate) fn other(place: &Place, record: &Record) -> Result<Declared<repo_metadata_file::Model>> {
    let url = place.url_from(record.location_base.as_deref(), &record.location_href)?;
    let expected = expected(record, &url)?;
    let unit = repo_metadata_file::Model {
        data_type: record.kind.clone(),
        checksum_type: if record.checksum.kind == "sha" { "sha1".to_owned() } else { record.checksum.kind.clone() },
        checksum: record.checksum.digest.clone(),
        relative_path: record.location_href.clone(),
        ..repo_metadata_file::Model::default()
    };
    let artifact = DeclaredArtifact { relative_path: record.location_href.clone(), url, expected, deferred: false };
    Ok(Declared { unit, artifacts: vec![artifact] })
}
