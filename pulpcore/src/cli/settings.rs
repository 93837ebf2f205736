//! `settings`.

use clap::Subcommand;

use super::{Places, say};
use crate::error::Result;

/// `settings …`.
#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// Every setting with its value and where that comes from; secrets are masked
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Only what is not a default
        #[arg(long)]
        changed: bool,
    },
    /// Whether the settings can be used
    Check,
}

impl SettingsCommand {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let loaded = places.load()?;
        let (json, changed) = match self {
            Self::Check => {
                let file = loaded.file.map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
                return say(format_args!("The settings are sound ({file})."));
            }
            Self::Show { json, changed } => (json, changed),
        };
        let shown: Vec<_> = loaded.table().iter().filter(|shown| !changed || shown.source != "default").collect();
        if json {
            return say(serde_json::to_string_pretty(&shown)?);
        }
        let width = shown.iter().map(|shown| shown.key.len()).max().unwrap_or_default();
        for shown in shown {
            say(format_args!("{:<width$} = {}  ({})", shown.key, shown.value, shown.source))?;
        }
        Ok(())
    }
}
