//! Rules for `Cargo.toml`: one place for versions and lints, and few dependencies for plugins.
//!
//! The manifests are read line by line: they are the project's own, and the form that these rules ask for is one
//! dependency a line.

use super::{File, Finding, Rule, Tree, numbered};

pub(super) const RULES: &[Rule] =
    &[workspace_lints, workspace_versions, plugins_depend_on_little, core_depends_on_no_plugin];

/// What every plugin may use: pulpcore, how its nouns are written, and the words in which core's interfaces are written
/// (bytes, streams, URLs, keys). Beside it, a plugin uses the crates of its format, which core does not use.
const FOR_PLUGINS: [&str; 11] = [
    "pulpcore",
    "async-stream",
    "bytes",
    "futures",
    "sea-orm",
    "sea-orm-migration",
    "serde",
    "serde_json",
    "url",
    "utoipa",
    "uuid",
];

/// What a plugin with a live API may use in addition: it speaks a protocol of its own, with the crates with which core speaks
/// its protocols (HTTP, signatures, times), and waits for what clients and upstreams do.
const FOR_LIVE_APIS: [&str; 10] =
    ["async-trait", "aws-lc-rs", "axum", "base64", "hex", "moka", "thiserror", "time", "tokio", "tracing"];

/// What a plugin may use in addition whose content is files of a format of its own (`src/metadata/`): digests, YAML and Base64
/// stand in them, and they are parsed and written on threads that wait.
const FOR_FORMATS: [&str; 11] = [
    "async-trait",
    "aws-lc-rs",
    "axum",
    "base64",
    "hex",
    "md-5",
    "serde_yaml_ng",
    "thiserror",
    "time",
    "tokio",
    "tracing",
];

/// What a plugin's tests may use in addition.
const FOR_PLUGIN_TESTS: [&str; 4] = ["rcgen", "tempfile", "tokio", "tokio-util"];

fn workspace_lints(tree: &Tree) -> Vec<Finding> {
    let own = |manifest: &&File| !keys(manifest).any(|key| key.table == "lints" && key.text == "workspace = true");
    let say = |manifest: &File| {
        manifest
            .at(0, "lacks `[lints] workspace = true`: a crate with lints of its own is a house with laws of its own")
    };
    manifests(tree).filter(own).map(say).collect()
}

fn workspace_versions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in members(tree) {
        for key in keys(manifest) {
            let of_the_package = key.table == "package" && key.name() == "version";
            let shared = key.text.contains("workspace = true");
            if (of_the_package || key.is_dependency()) && !shared {
                let what = format!("`{}` does not come from the workspace: versions stand in one place", key.name());
                findings.push(manifest.at(key.line, what));
            }
        }
    }
    findings
}

fn plugins_depend_on_little(tree: &Tree) -> Vec<Finding> {
    let Some(core) = tree.get("pulpcore/Cargo.toml") else { return Vec::new() };
    let of_core: Vec<String> = dependencies(core).map(|key| key.name().to_owned()).collect();
    let plugins = plugin_crates(tree);
    let mut findings = Vec::new();
    for manifest in plugins.iter().map(|(manifest, _)| *manifest) {
        for key in dependencies(manifest) {
            let name = key.name();
            let welcome = FOR_PLUGINS.contains(&name)
                || key.is_for_tests() && FOR_PLUGIN_TESTS.contains(&name)
                || has_live_api(tree, manifest) && FOR_LIVE_APIS.contains(&name)
                || has_a_format(tree, manifest) && FOR_FORMATS.contains(&name);
            if plugins.iter().any(|(_, plugin)| plugin == name) {
                let what = format!("depends on the plugin `{name}`: a plugin sees pulpcore, never another plugin");
                findings.push(manifest.at(key.line, what));
            } else if !welcome && of_core.iter().any(|used| used == name) {
                let what = format!("depends on `{name}`, which is core's to use: take what core offers in its place");
                findings.push(manifest.at(key.line, what));
            }
        }
    }
    findings
}

fn core_depends_on_no_plugin(tree: &Tree) -> Vec<Finding> {
    let plugins = plugin_crates(tree);
    let mut findings = Vec::new();
    for manifest in ["pulpcore/Cargo.toml", "migrations/Cargo.toml"].into_iter().filter_map(|path| tree.get(path)) {
        for key in dependencies(manifest).filter(|key| plugins.iter().any(|(_, plugin)| plugin == key.name())) {
            let what = format!("depends on the plugin `{}`: core knows plugins through the registry only", key.name());
            findings.push(manifest.at(key.line, what));
        }
    }
    findings
}

fn manifests(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"))
}

fn members(tree: &Tree) -> impl Iterator<Item = &File> {
    manifests(tree).filter(|file| file.path != "Cargo.toml")
}

/// The plugins' manifests and the names of their crates.
/// Whether the crate registers a live API.
fn has_live_api(tree: &Tree, manifest: &File) -> bool {
    let sources = manifest.path.replace("Cargo.toml", "src/");
    tree.rust().any(|file| file.path.starts_with(&sources) && file.text.contains("register!(LiveApi"))
}

/// Whether the crate reads and writes a format of its own.
fn has_a_format(tree: &Tree, manifest: &File) -> bool {
    let metadata = manifest.path.replace("Cargo.toml", "src/metadata/");
    tree.rust().any(|file| file.path.starts_with(&metadata))
}

fn plugin_crates(tree: &Tree) -> Vec<(&File, String)> {
    let manifests = tree.plugins().filter_map(|plugin| tree.get(&format!("plugins/{plugin}/Cargo.toml")));
    let named = |manifest| {
        let name = keys(manifest).find(|key| key.table == "package" && key.name() == "name")?;
        Some((manifest, name.text.split('"').nth(1)?.to_owned()))
    };
    manifests.filter_map(named).collect()
}

/// One `key = value` of a manifest.
struct Key<'a> {
    table: &'a str,
    text: &'a str,
    line: usize,
}

impl Key<'_> {
    /// The key up to its first dot: `serde` for `serde.workspace = true` and for `[dependencies.serde]`.
    fn name(&self) -> &str {
        let of_the_table = self.table.rsplit_once("dependencies.").map(|(_, name)| name);
        of_the_table.unwrap_or_else(|| self.text.split(['.', '=', ' ']).next().unwrap_or_default())
    }

    fn is_dependency(&self) -> bool {
        self.table.ends_with("dependencies") || self.table.contains("dependencies.")
    }

    fn is_for_tests(&self) -> bool {
        self.table.contains("dev-dependencies")
    }
}

fn dependencies(manifest: &File) -> impl Iterator<Item = Key<'_>> {
    keys(manifest).filter(Key::is_dependency)
}

/// Every line that begins a key; the following lines of a list that goes on are indented and left out.
fn keys(manifest: &File) -> impl Iterator<Item = Key<'_>> {
    let mut table = "";
    numbered(&manifest.text).filter_map(move |(line, text)| {
        if let Some(header) = text.strip_prefix('[') {
            table = header.trim_end_matches(']');
            return None;
        }
        let begins = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"'));
        begins.then_some(Key { table, text, line })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::places;
    use super::*;

    #[test]
    fn a_crate_takes_its_lints_from_the_workspace() {
        let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n";
        let files =
            [("Cargo.toml", good), ("b/Cargo.toml", "[package]\nname = \"b\"\n[lints.rust]\nworkspace = true\n")];
        assert_eq!(places(workspace_lints, &files), ["b/Cargo.toml:0"]);
    }

    #[test]
    fn versions_stand_in_the_workspace_only() {
        let member = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n[features]\nx = []\n[dependencies]\n\
                      serde.workspace = true\nurl = \"2\"\nrpm = { workspace = true, optional = true }\n\
                      [dev-dependencies]\ntoml = { version = \"1\" }\n[dependencies.hex]\nversion = \"1\"\n";
        let root = "[workspace.dependencies]\nserde = \"1\"\n";
        let found = places(workspace_versions, &[("Cargo.toml", root), ("a/Cargo.toml", member)]);
        assert_eq!(found, ["a/Cargo.toml:3", "a/Cargo.toml:8", "a/Cargo.toml:11", "a/Cargo.toml:13"]);
    }

    #[test]
    fn a_plugin_uses_core_and_its_format_and_nothing_of_cores_plumbing() {
        let core = "[dependencies]\naxum.workspace = true\ntokio.workspace = true\nserde.workspace = true\n";
        let rpm = "[package]\nname = \"pulp-rpm\"\n";
        let file = "[package]\nname = \"pulp-file\"\n[dependencies]\npulpcore.workspace = true\n\
                    serde.workspace = true\nquick-xml.workspace = true\naxum.workspace = true\n\
                    tokio.workspace = true\n[dev-dependencies]\ntokio.workspace = true\npulp-rpm.workspace = true\n";
        let files = [("pulpcore/Cargo.toml", core), ("plugins/rpm/Cargo.toml", rpm), ("plugins/file/Cargo.toml", file)];
        let found = places(plugins_depend_on_little, &files);
        assert_eq!(found, ["plugins/file/Cargo.toml:7", "plugins/file/Cargo.toml:8", "plugins/file/Cargo.toml:11"]);
    }

    #[test]
    fn core_depends_on_no_plugin_at_all() {
        let files = [
            ("plugins/file/Cargo.toml", "[package]\nname = \"pulp-file\"\n"),
            ("pulpcore/Cargo.toml", "[dev-dependencies]\npulp-file.workspace = true\n"),
            ("Cargo.toml", "[dependencies]\npulp-file = { workspace = true, optional = true }\n"),
        ];
        assert_eq!(places(core_depends_on_no_plugin, &files), ["pulpcore/Cargo.toml:2"]);
    }
}
