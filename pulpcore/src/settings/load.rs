//! From defaults, file, environment and command line to one [`Settings`], remembering who said what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;

use super::names::{self, Place};
use super::plugin::{PluginSettings, Sections};
use super::types::MASK;
use super::{Settings, Switch, check, problem, text};
use crate::error::{Error, Result};
use crate::registry;

/// The settings' file, if no other is named.
const FILE_NAME: &str = "pulp.toml";

/// Where settings are looked for. The default looks nowhere but for `./pulp.toml`.
#[derive(Clone, Default)]
pub struct Options {
    /// The file to read. Otherwise `PULP_SETTINGS` names it; otherwise it is `pulp.toml` in the data folder, or else
    /// in the current directory, if there is one.
    pub file: Option<PathBuf>,
    /// The plugins' settings: the labels that `[plugins.<label>]` may have, and their keys.
    pub plugins: Vec<PluginSettings>,
    /// The labels of plugins with live APIs: the names that `live` may have.
    pub live: Vec<&'static str>,
    environment: Vec<(OsString, OsString)>,
    command_line: Vec<(String, String)>,
}

impl Options {
    /// What a server reads: this process's environment, and the settings of all plugins that are linked.
    pub fn process() -> Self {
        Self {
            plugins: PluginSettings::linked(),
            live: registry::get().live().iter().map(|api| api.label).collect(),
            environment: std::env::vars_os().collect(),
            ..Self::default()
        }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds a setting from the command line, which wins over all else. `key` is as in the file, with dots between
    /// sections; `text` is read as in an environment variable.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.command_line.push((key.into(), text.into()));
        self
    }

    /// The variables that are settings, in the order of their names so that problems are, too.
    fn variables(&self) -> Result<Vec<(&str, &str)>> {
        let mut found = Vec::new();
        for (name, value) in &self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with("PULP_")) else { continue };
            let Some(value) = value.to_str() else {
                return Err(Error::Config(format!("{name} in the environment is not UTF-8")));
            };
            if !names::belongs_to_others(name, value) {
                found.push((name, value));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.iter().rfind(|(given, value)| given == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// The file to read, if any. A file that was named must exist.
    fn file(&self) -> Result<Option<PathBuf>> {
        let named = self.file.clone().map(|file| (file, "the command line"));
        let named = named.or_else(|| self.variable("PULP_SETTINGS").map(|file| (file.into(), "PULP_SETTINGS")));
        if let Some((file, by)) = named {
            return match file.is_file() {
                true => Ok(Some(file)),
                false => Err(Error::Config(format!("there is no settings file {} (named by {by})", file.display()))),
            };
        }
        let told = self.command_line.iter().rfind(|(key, _)| key == "data_dir").map(|(_, value)| PathBuf::from(value));
        let data_dir = told.or_else(|| self.variable("PULP_DATA_DIR").map(PathBuf::from));
        let candidates = data_dir.into_iter().map(|folder| folder.join(FILE_NAME)).chain([PathBuf::from(FILE_NAME)]);
        Ok(candidates.into_iter().find(|file| file.is_file()))
    }
}

/// Names only: values may be secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&str> = self.command_line.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Options")
            .field("file", &self.file)
            .field("plugins", &self.plugins)
            .field("live", &self.live)
            .field("command_line", &set)
            .finish_non_exhaustive()
    }
}

/// The settings, and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    table: Vec<Shown>,
}

impl Loaded {
    /// Every setting with its value and its source, by name.
    pub fn table(&self) -> &[Shown] {
        &self.table
    }
}

/// One setting, for showing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name, with dots between sections.
    pub key: String,
    /// Its value: text as it is, a list as JSON, secrets as `********`, nothing if it is not set.
    pub value: String,
    /// `default`, `environment PULP_BIND`, `file /x/pulp.toml`, or `command line`.
    pub source: String,
}

pub(super) fn load(options: &Options) -> Result<Loaded> {
    let shape = shape(&Settings::default(), options)?;
    let file = options.file()?;
    let layers = layers(options, file.as_deref(), &shape)?;
    let given = layers.into_iter().fold(Figment::new(), |figment, layer| figment.merge(layer));

    let data_dir = path_of(&given, "data_dir")?.unwrap_or_else(|| ".".into());
    let media_root = path_of(&given, "media_root")?.unwrap_or_else(|| data_dir.join("media"));
    let defaults = Settings::defaults(data_dir, media_root);
    let values = self::shape(&defaults, options)?;
    let figment = given.join(Layer { source: "default".to_owned(), values });

    let mut settings: Settings = figment.extract().map_err(|error| problem::refused(error, ""))?;
    let mut table = BTreeMap::new();
    let masked = Value::serialize(&settings).map_err(|error| problem::refused(error, ""))?;
    flatten("", &masked, &figment, &mut table);
    settings.plugins = Sections::default();
    for plugin in &options.plugins {
        let path = plugin.path();
        flatten(&path, &plugin.normalised(&figment)?, &figment, &mut table);
        let section = figment.find_value(&path).map_err(|error| problem::refused(error, &path))?;
        settings.plugins.insert(plugin.label(), section)?;
    }
    check::check(&settings, &|key| table.get(key).map(|shown| shown.source.clone()))?;
    Ok(Loaded { settings, file, table: table.into_values().collect() })
}

/// All settings that exist, with their defaults.
fn shape(defaults: &Settings, options: &Options) -> Result<Dict> {
    let value = Value::serialize(defaults).map_err(|error| problem::refused(error, ""))?;
    let mut shape = value.into_dict().unwrap_or_default();
    let mut sections = Dict::new();
    for plugin in &options.plugins {
        if sections.insert(plugin.label().to_owned(), plugin.defaults()?).is_some() {
            return Err(Error::Config(format!("two plugins have settings under the label '{}'", plugin.label())));
        }
    }
    shape.insert("plugins".to_owned(), sections.into());
    let switches = options.live.iter().map(|label| ((*label).to_owned(), Switch::default().to_string().into()));
    shape.insert("live".to_owned(), switches.collect::<Dict>().into());
    Ok(shape)
}

/// What was said, the strongest word last. Every unknown name is reported at once.
fn layers(options: &Options, file: Option<&Path>, shape: &Dict) -> Result<Vec<Layer>> {
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    if let Some(file) = file {
        let shown = file.display().to_string();
        let values = read(file)?;
        problems.extend(names::check(&values, shape, &Place { name: &shown, spell: names::dotted }));
        layers.push(Layer { source: format!("file {shown}"), values });
    }
    for (name, value) in options.variables()? {
        let lower = name["PULP_".len()..].to_lowercase();
        let path: Vec<&str> = lower.split("__").collect();
        let values = nested(&path, value, shape);
        problems.extend(names::check(&values, shape, &Place { name: "the environment", spell: names::variable }));
        layers.push(Layer { source: format!("environment {name}"), values });
    }
    for (key, value) in &options.command_line {
        let path: Vec<&str> = key.split('.').collect();
        let values = nested(&path, value, shape);
        problems.extend(names::check(&values, shape, &Place { name: "the command line", spell: names::dotted }));
        layers.push(Layer { source: "command line".to_owned(), values });
    }
    if problems.is_empty() { Ok(layers) } else { Err(Error::Config(problems.join("\n"))) }
}

/// Reads a TOML file. The error names the line and not its text, which may hold a password.
fn read(file: &Path) -> Result<Dict> {
    let shown = file.display();
    let content = std::fs::read_to_string(file)
        .map_err(|error| Error::Config(format!("the settings file {shown} cannot be read: {error}")))?;
    Toml::from_str(&content).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + content.bytes().take(start).filter(|byte| *byte == b'\n').count();
        let message = error.message().lines().next().unwrap_or_default();
        Error::Config(format!("{shown}, line {line}: {message}"))
    })
}

/// The one value at a path, in as many tables as it takes.
fn nested(path: &[&str], text: &str, shape: &Dict) -> Dict {
    let value = names::find(shape, path).map_or_else(|| text.into(), |default| text::value(text, default));
    let Some((last, parents)) = path.split_last() else { return Dict::new() };
    let innermost = Dict::from([((*last).to_owned(), value)]);
    parents.iter().rev().fold(innermost, |inner, key| Dict::from([((*key).to_owned(), inner.into())]))
}

fn path_of(given: &Figment, key: &str) -> Result<Option<PathBuf>> {
    match given.extract_inner(key) {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.missing() => Ok(None),
        Err(error) => Err(problem::refused(error, key)),
    }
}

/// Adds every value under `path` to the table.
fn flatten(path: &str, value: &Value, figment: &Figment, table: &mut BTreeMap<String, Shown>) {
    match value {
        Value::Dict(_, inner) if !inner.is_empty() => {
            for (key, value) in inner {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, figment, table);
            }
        }
        _ => {
            let source = figment.find_metadata(path).map_or("default", |metadata| &metadata.name);
            let shown = Shown { key: path.to_owned(), value: shown(value), source: source.to_owned() };
            table.insert(path.to_owned(), shown);
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Empty(..) => String::new(),
        // A value that cannot be shown is not worth failing for.
        other => serde_json::to_string(other).unwrap_or_else(|_| MASK.to_owned()),
    }
}

/// One source of settings, by the name under which it is shown.
struct Layer {
    source: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

#[cfg(test)]
mod tests;
