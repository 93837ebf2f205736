//! Plugins' own settings: declared as a type, checked with everything else.

use std::collections::BTreeMap;
use std::fmt;

use figment::Figment;
use figment::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem;
use crate::error::Result;

/// The settings of one plugin, the section `[plugins.<label>]`.
///
/// The type says it all: its serialised default names the keys and their kinds. So every field must be serialised
/// always, must have a default, and a [`Secret`](super::Secret) is an `Option` whose default is `None`.
///
/// ```
/// use pulpcore::settings::{Options, PluginSettings, Settings};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct TreeSettings {
///     /// The deepest folder that is walked.
///     max_depth: u32,
/// }
///
/// impl Default for TreeSettings {
///     fn default() -> Self {
///         Self { max_depth: 32 }
///     }
/// }
///
/// // In a plugin crate: `pulpcore::plugin::register! { PluginSettings::of::<TreeSettings>("tree") }`.
/// const TREE: PluginSettings = PluginSettings::of::<TreeSettings>("tree");
///
/// let mut options = Options::default().env("PULP_PLUGINS__TREE__MAX_DEPTH", "8");
/// options.plugins.push(TREE);
/// let settings = Settings::load(&options)?.settings;
/// assert_eq!(settings.plugin::<TreeSettings>("tree")?.max_depth, 8);
/// # Ok::<(), pulpcore::error::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct PluginSettings {
    label: &'static str,
    defaults: fn(&str) -> Result<Value>,
    normalise: fn(&Figment, &str) -> Result<Value>,
}

inventory::collect!(PluginSettings);

impl PluginSettings {
    /// Declares the settings of the plugin with this label.
    pub const fn of<T: Serialize + DeserializeOwned + Default>(label: &'static str) -> Self {
        Self {
            label,
            defaults: |path| Value::serialize(T::default()).map_err(|error| problem::refused(error, path)),
            normalise: |figment, path| {
                let section = figment.focus(path).extract::<T>();
                section.and_then(Value::serialize).map_err(|error| problem::refused(error, path))
            },
        }
    }

    /// All that are linked into this binary, by label.
    pub fn linked() -> Vec<Self> {
        let mut all: Vec<Self> = inventory::iter::<Self>.into_iter().copied().collect();
        all.sort_by_key(|plugin| plugin.label);
        all
    }

    /// The plugin's label.
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// The section's name.
    pub(super) fn path(&self) -> String {
        format!("plugins.{}", self.label)
    }

    /// The section's keys with their default values.
    pub(super) fn defaults(&self) -> Result<Value> {
        (self.defaults)(&self.path())
    }

    /// The section as the plugin's own type reads it, with secrets masked. Fails if it does not fit.
    pub(super) fn normalised(&self, figment: &Figment) -> Result<Value> {
        (self.normalise)(figment, &self.path())
    }
}

impl fmt::Debug for PluginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginSettings").field(&self.label).finish()
    }
}

/// The plugins' sections as they were read. `Debug` shows their labels only: which values are secret is known to the
/// plugin's type alone.
#[derive(Clone, Default)]
pub struct Sections(BTreeMap<String, Value>);

impl Sections {
    /// Sets a section, say for a test.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) if the value cannot be serialised.
    pub fn insert(&mut self, label: &str, section: impl Serialize) -> Result<()> {
        let value = Value::serialize(section).map_err(|error| problem::refused(error, label))?;
        self.0.insert(label.to_owned(), value);
        Ok(())
    }

    pub(super) fn get<T: DeserializeOwned + Default>(&self, label: &str) -> Result<T> {
        match self.0.get(label) {
            Some(section) => {
                section.deserialize().map_err(|error| problem::refused(error, &format!("plugins.{label}")))
            }
            None => Ok(T::default()),
        }
    }
}

impl fmt::Debug for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
