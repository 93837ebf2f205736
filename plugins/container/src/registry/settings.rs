//! The registry's settings: the section `[plugins.container]`.

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::plugin::register;
use pulpcore::settings::PluginSettings;
use serde::{Deserialize, Serialize};

/// What an operator may set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrySettings {
    /// Whether clients send names and passwords with each request instead of asking for tokens. Pulp's
    /// `TOKEN_AUTH_DISABLED`.
    pub token_auth_disabled: bool,
    /// The URL at which clients ask for tokens; empty for `/token/` of the host that they talk to. Pulp's `TOKEN_SERVER`.
    pub token_server: String,
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
