//! What an operator may set of the plugin: the section `[plugins.rpm]`.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::plugin::register;
use pulpcore::settings::PluginSettings;
use serde::{Deserialize, Serialize};

use crate::compression::Limits;

/// What metadata of remotes may grow to when it is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpmSettings {
    /// The most that comes out of one file, in MiB.
    pub max_decompressed_mb: u64,
    /// The most bytes that come out for one that goes in, beyond the first [`Limits::any_ratio`].
    pub max_decompression_ratio: u64,
}

/// Those of [`Limits`].
impl Default for RpmSettings {
    fn default() -> Self {
        let Limits { most_bytes, most_ratio, .. } = Limits::default();
        Self { max_decompressed_mb: most_bytes >> 20, max_decompression_ratio: most_ratio }
    }
}

register! { PluginSettings::of::<RpmSettings>("rpm") }

impl RpmSettings {
    /// As they are set.
    ///
    /// # Errors
    /// [`pulpcore::error::Error::Config`] for a section that is none, which the start has refused before.
    pub fn of(app: &App) -> Result<Self> {
        app.settings.plugin("rpm")
    }

    /// The bounds of one file.
    pub fn limits(self) -> Limits {
        Limits {
            most_bytes: self.max_decompressed_mb.saturating_mul(1 << 20),
            most_ratio: self.max_decompression_ratio,
            ..Limits::default()
        }
    }
}
