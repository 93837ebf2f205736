//! The workspace as cargo sees it: where it lies, which plugins it holds, what each crate depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::sh;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies one folder below the workspace")
}

/// The databases that a binary can be built for, as cargo features of the root package.
pub(crate) const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// The root package's features that stand for a plugin, sorted: those that bring in a crate of `plugins/`.
pub(crate) fn plugin_features() -> Result<Vec<String>> {
    let metadata = sh::read(sh::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_slice(&metadata).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let manifest = root().join("Cargo.toml");
    let assembly = packages
        .iter()
        .find(|package| package["manifest_path"].as_str().map(PathBuf::from).as_ref() == Some(&manifest))
        .context("the workspace has no root package")?;
    Ok(plugin_features_of(assembly, &root().join("plugins")))
}

fn plugin_features_of(assembly: &Value, plugins: &Path) -> Vec<String> {
    let brought_in: Vec<String> = assembly["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["path"].as_str().is_some_and(|path| Path::new(path).starts_with(plugins)))
        .filter_map(|dependency| Some(format!("dep:{}", dependency["name"].as_str()?)))
        .collect();
    let mut features: Vec<String> = assembly["features"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, enables)| {
            let mut enables = enables.as_array().into_iter().flatten().filter_map(Value::as_str);
            enables.any(|enabled| brought_in.iter().any(|dependency| dependency == enabled))
        })
        .map(|(feature, _)| feature.clone())
        .collect();
    features.sort();
    features
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plugin_is_a_feature_that_brings_in_a_crate_of_the_plugins_folder() {
        let assembly = json!({
            "dependencies": [
                {"name": "pulpcore", "path": "/x/pulpcore"},
                {"name": "pulp-rpm", "path": "/x/plugins/rpm"},
                {"name": "pulp-file", "path": "/x/plugins/file"},
                {"name": "opentelemetry", "path": null},
            ],
            "features": {
                "default": ["rpm", "sqlite"],
                "rpm": ["dep:pulp-rpm"],
                "file": ["dep:pulp-file"],
                "sqlite": ["pulpcore/sqlite"],
                "otel": ["dep:opentelemetry"],
            },
        });
        assert_eq!(plugin_features_of(&assembly, Path::new("/x/plugins")), ["file", "rpm"]);
    }

    #[test]
    fn this_workspace_has_the_file_plugin() {
        assert!(plugin_features().expect("cargo metadata works").contains(&"file".to_owned()));
    }
}
