//! The registry's settings: the section `[plugins.container]`.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::plugin::register;
use pulpcore::settings::PluginSettings;
use serde::{Deserialize, Serialize};

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrySettings {
    /// Whether clients send names and passwords with each request instead of asking for tokens. Pulp's
    /// `TOKEN_AUTH_DISABLED`.
    pub token_auth_disabled: bool,
    /// The URL at which clients ask for tokens; empty for `/token/` of the host that they talk to. Pulp's `TOKEN_SERVER`.
    pub token_server: String,
    /// After how many minutes an upload that nobody went on with is removed; 0 keeps it for ever.
    pub upload_lifetime: u64,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { token_auth_disabled: false, token_server: String::new(), upload_lifetime: 7 * 24 * 60 }
    }
}

register! { PluginSettings::of::<RegistrySettings>("container") }

impl RegistrySettings {
    /// As they are set.
    ///
    /// # Errors
    /// [`pulpcore::error::Error::Config`] for a section that is none, which the start has refused before.
    pub fn of(app: &App) -> Result<Self> {
        app.settings.plugin("container")
    }
}
