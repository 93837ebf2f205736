//! Rules for where things lie.

use super::{Finding, Rule, Tree};

pub(super) const RULES: &[Rule] = &[top_level, plugins_read_alike];

/// All that the top level holds, beside files and folders whose names begin with a dot.
const TOP_LEVEL: [&str; 14] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "docs",
    "migrations",
    "plugins",
    "pulpcore",
    "rustfmt.toml",
    "tests",
    "xtask",
];

/// What every plugin's folder holds. Where two are named, one of them is enough; a folder ends in a slash.
const PLUGIN: [&[&str]; 6] = [
    &["README.md"],
    &["src/lib.rs"],
    &["src/migrations/"],
    &["src/models.rs", "src/models/"],
    &["src/serializers.rs"],
    &["src/viewsets.rs"],
];

/// What that of a plugin with content holds besides: its units are made in the background.
const WITH_CONTENT: [&[&str]; 1] = [&["src/tasks/"]];

fn top_level(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let name = file.path.split('/').next().unwrap_or_default();
        if !name.starts_with('.') && !TOP_LEVEL.contains(&name) {
            findings.push(file.at(0, format!("`{name}` is new at the top level, which is fixed: find it a room")));
        }
    }
    findings
}

/// Who has read one plugin finds his way in all of them.
fn plugins_read_alike(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plugin in tree.plugins() {
        let folder = format!("plugins/{plugin}/");
        let source = format!("{folder}src/");
        let sources = tree.files.iter().filter(|file| file.path.starts_with(&source)).count();
        // A crate that was only just begun declares nothing yet.
        if sources < 2 {
            continue;
        }
        let viewsets = tree.get(&format!("{source}viewsets.rs"));
        let of_content = viewsets.is_none_or(|file| file.code.contains("Noun::content::<"));
        for choice in PLUGIN.iter().chain(WITH_CONTENT.iter().filter(|_| of_content)) {
            let there = choice.iter().any(|name| {
                let path = format!("{folder}{name}");
                tree.files
                    .iter()
                    .any(|file| if name.ends_with('/') { file.path.starts_with(&path) } else { file.path == path })
            });
            if !there {
                let what = format!("lacks {}: every plugin reads in the same order", choice.join(" or "));
                findings.push(Finding { path: folder.clone(), line: 0, what });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{places, tree};
    use super::*;

    #[test]
    fn the_top_level_is_fixed() {
        let files = [("Cargo.toml", ""), (".ci/run", ""), ("docs/a.md", ""), ("scripts/a.sh", ""), ("NOTES.md", "")];
        assert_eq!(places(top_level, &files), ["scripts/a.sh:0", "NOTES.md:0"]);
    }

    #[test]
    fn a_plugin_that_lacks_a_file_is_told_which() {
        let files = [
            ("plugins/file/Cargo.toml", ""),
            ("plugins/file/README.md", ""),
            ("plugins/file/src/lib.rs", ""),
            ("plugins/file/src/models/content.rs", ""),
            ("plugins/file/src/serializers.rs", ""),
            ("plugins/file/src/tasks/sync.rs", ""),
            ("plugins/file/src/migrations/mod.rs", ""),
        ];
        let findings = plugins_read_alike(&tree(&files));
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["plugins/file/: lacks src/viewsets.rs: every plugin reads in the same order"]);
    }

    #[test]
    fn a_plugin_without_content_needs_no_tasks() {
        let files = [
            ("plugins/guard/Cargo.toml", ""),
            ("plugins/guard/README.md", ""),
            ("plugins/guard/src/lib.rs", ""),
            ("plugins/guard/src/migrations/mod.rs", ""),
            ("plugins/guard/src/models.rs", ""),
            ("plugins/guard/src/serializers.rs", ""),
            ("plugins/guard/src/viewsets.rs", "register!(Noun::content_guard::<Guard>());"),
        ];
        assert!(places(plugins_read_alike, &files).is_empty());
    }

    #[test]
    fn a_plugin_that_was_only_just_begun_is_left_alone() {
        assert!(
            places(plugins_read_alike, &[("plugins/file/Cargo.toml", ""), ("plugins/file/src/lib.rs", "")]).is_empty()
        );
    }
}
