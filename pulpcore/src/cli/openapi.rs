//! `openapi`.

use clap::Args;

use super::{Places, say};
use crate::api::catalog::Catalog;
use crate::api::openapi::{self, Variant};
use crate::error::Result;
use crate::registry;

/// The flags of `openapi`, as in the query of `docs/api.json`.
#[derive(Args, Debug)]
pub(super) struct Openapi {
    /// Only these components, with commas between: core, and the plugins' labels
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    component: Vec<String>,
    /// Ordinary paths with keys in them, in place of hrefs
    #[arg(long)]
    pk_path: bool,
    /// Short operation ids, for generators of client bindings
    #[arg(long)]
    bindings: bool,
    /// YAML in place of JSON
    #[arg(long)]
    yaml: bool,
}

impl Openapi {
    pub(super) fn run(self, places: &Places, chosen: &[&str]) -> Result<()> {
        let settings = places.load()?.settings;
        registry::get().check(chosen)?;
        let variant = Variant {
            components: self.component.into_iter().collect(),
            pk_path: self.pk_path,
            bindings: self.bindings,
            yaml: self.yaml,
            ..openapi::variant_of(&settings)
        };
        let text = openapi::text(&Catalog::collect()?, &variant, &format!("{}/", settings.content_origin()))?;
        say(text.trim_end())
    }
}
