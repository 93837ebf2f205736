//! `plugins` and `version`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Places, say};
use crate::error::{Error, Result};
use crate::plugin::Plugin;
use crate::registry;
use crate::settings::Settings;

/// `plugins …`.
#[derive(Debug, Subcommand)]
pub(super) enum Plugins {
    /// The plugins, a line each
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One plugin: its types, tasks, live APIs and migrations
    Show {
        /// Its label
        label: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Plugins {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let switches = Switches::of(places)?;
        match self {
            Self::List { json: true } => {
                let all: Vec<Value> =
                    registry::get().plugins().iter().map(|plugin| summary(plugin, &switches)).collect();
                say(format_args!("{:#}", Value::from(all)))
            }
            Self::List { json: false } => {
                for plugin in registry::get().plugins() {
                    let off = if switches.is_off(plugin.label) { " (its live API is switched off)" } else { "" };
                    say(format_args!("{:<12} {:<10} {}{off}", plugin.label, plugin.version, plugin.summary))?;
                }
                Ok(())
            }
            Self::Show { label, json } => {
                let plugin = registry::get().plugins().iter().find(|plugin| plugin.label == label);
                let details = details(plugin.ok_or_else(|| unknown(&label))?, &switches);
                if json { say(format_args!("{details:#}")) } else { show(&details) }
            }
        }
    }
}

/// What the settings say about live APIs. They are read only if this build has one: a build can be looked at whatever the
/// settings are.
struct Switches(Option<Settings>);

impl Switches {
    fn of(places: &Places) -> Result<Self> {
        match registry::get().live().is_empty() {
            true => Ok(Self(None)),
            false => Ok(Self(Some(places.load()?.settings))),
        }
    }

    /// `on` or `off`, of a plugin that has a live API.
    fn state(&self, label: &str) -> Option<&'static str> {
        let has_one = registry::get().live().iter().any(|api| api.label == label);
        let settings = self.0.as_ref().filter(|_| has_one)?;
        Some(if settings.is_live(label) { "on" } else { "off" })
    }

    fn is_off(&self, label: &str) -> bool {
        self.state(label) == Some("off")
    }
}

/// `version`.
pub(super) fn version() -> Result<()> {
    say(format_args!("pulp-server {}", env!("CARGO_PKG_VERSION")))?;
    say(format_args!("core {}", crate::CORE_VERSION))?;
    for plugin in registry::get().plugins() {
        say(format_args!("{} {}", plugin.label, plugin.version))?;
    }
    Ok(())
}

fn unknown(label: &str) -> Error {
    let known: Vec<&str> = registry::get().plugins().iter().map(|plugin| plugin.label).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Error::NotFound(format!("this build has no plugin '{label}' (it has: {known})"))
}

fn summary(plugin: &Plugin, switches: &Switches) -> Value {
    let mut summary = json!({
        "label": plugin.label,
        "package": plugin.package,
        "module": plugin.module,
        "version": plugin.version,
        "summary": plugin.summary,
    });
    if let Some(state) = switches.state(plugin.label) {
        summary["live"] = state.into();
    }
    summary
}

fn details(plugin: &Plugin, switches: &Switches) -> Value {
    let registry = registry::get();
    let nouns = registry.nouns().iter().filter(|noun| noun.label() == plugin.label);
    let nouns: Vec<Value> = nouns.map(|noun| json!({ "type": noun.type_name, "path": noun.path() })).collect();
    let prefix = format!("{}/", plugin.label);
    let tasks: Vec<Value> = registry
        .tasks()
        .filter(|kind| kind.type_name.starts_with(&prefix))
        .map(|kind| json!({ "type": kind.type_name, "name": kind.name }))
        .collect();
    let live: Vec<Value> = registry
        .live()
        .iter()
        .filter(|api| api.label == plugin.label)
        .map(|api| {
            let routes: Vec<String> = (api.routes)().iter().map(|route| format!("{route:?}")).collect();
            let state = switches.state(api.label);
            json!({ "name": api.name, "claims": api.claims, "state": state, "routes": routes })
        })
        .collect();
    let migrations: Vec<String> = (plugin.migrations)().iter().map(|migration| migration.name().to_owned()).collect();
    let mut details = summary(plugin, switches);
    details["types"] = nouns.into();
    details["tasks"] = tasks.into();
    details["live_apis"] = live.into();
    details["migrations"] = migrations.into();
    details
}

/// The details as lines: a name, then what belongs to it.
fn show(details: &Value) -> Result<()> {
    let Value::Object(details) = details else { return Ok(()) };
    for (name, value) in details {
        match value {
            Value::Array(items) => {
                say(format_args!("{name}:"))?;
                for item in items {
                    say(format_args!("  {}", line(item)))?;
                }
            }
            other => say(format_args!("{name}: {}", line(other)))?,
        }
    }
    Ok(())
}

fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(line).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.values().rev().map(line).collect::<Vec<_>>().join("  "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_label_is_named_with_those_that_exist() {
        let error = Plugins::Show { label: "ghost".to_owned(), json: false }.run(&Places::default()).unwrap_err();
        assert!(error.to_string().starts_with("this build has no plugin 'ghost' (it has: "), "{error}");
    }
}
