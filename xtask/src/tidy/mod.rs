//! `cargo xtask tidy`: the house rules that no compiler knows, each with its reason.
//!
//! A rule is a function from the tree to findings, so that it can be tested on a tree of two files. `sources` holds
//! the rules for text, `manifests` those for `Cargo.toml`, `layout` those for where things lie.

mod code;
mod layout;
mod manifests;
mod sources;

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{sh, workspace};

/// Nothing to choose yet.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Prints every finding with its reason.
///
/// # Errors
///
/// When there is one.
pub(crate) fn run(_: &Args) -> Result<()> {
    let findings = findings(&Tree::of_this_workspace()?);
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} against the house rules", findings.len());
    }
    Ok(())
}

/// What breaks a rule, and why the rule is there.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from one; zero when it is about the file as a whole.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// The text files that belong to the project.
struct Tree {
    files: Vec<File>,
}

struct File {
    /// Relative to the workspace, with slashes.
    path: String,
    text: String,
    /// The text with comments and the insides of literals blanked, line by line; empty unless it is Rust.
    code: String,
}

impl Tree {
    /// What git knows or would add: neither what it ignores nor what is not text.
    fn of_this_workspace() -> Result<Self> {
        let root = workspace::root();
        let mut git = Command::new("git");
        // On a CI machine the checkout often belongs to another user, which git distrusts; listing names runs nothing.
        git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root);
        let names = String::from_utf8(sh::read(&mut git)?).context("a file's name is not UTF-8")?;
        let mut files = Vec::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            // Gone from disk but not yet from git's index, or not text: nothing to read either way.
            if let Ok(text) = std::fs::read_to_string(root.join(name)) {
                files.push(File::new(name, text));
            }
        }
        Ok(Self { files })
    }

    fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is("rs"))
    }

    /// The names of the folders under `plugins` that are crates, each once.
    fn plugins(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| {
            let name = file.path.strip_prefix("plugins/")?.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then_some(name)
        })
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let code = if path.ends_with(".rs") { code::only(&text) } else { String::new() };
        Self { path: path.to_owned(), text, code }
    }

    fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, last)| last == extension)
    }

    /// Whether the file lies in a folder of this name, at any depth.
    fn is_under(&self, folder: &str) -> bool {
        self.path.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(|name| name == folder))
    }

    fn at(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// The lines of a text, counted from one.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        sources::RULES.iter().chain(manifests::RULES).chain(layout::RULES).flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings.dedup();
    findings
}

/// Looks at the whole tree and gives what breaks it.
type Rule = fn(&Tree) -> Vec<Finding>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of these files.
    pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(path, text)| File::new(path, (*text).to_owned())).collect() }
    }

    /// The places of the findings: `path:line`.
    pub(super) fn places(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule(&tree(files)).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn this_house_is_tidy() {
        let findings = findings(&Tree::of_this_workspace().expect("git lists the files"));
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", lines.join("\n"));
    }

    #[test]
    fn a_finding_says_where() {
        let file = File::new("a/b.rs", String::new());
        assert_eq!(file.at(3, "is odd").to_string(), "a/b.rs:3: is odd");
        assert_eq!(file.at(0, "is odd").to_string(), "a/b.rs: is odd");
    }

    #[test]
    fn plugins_are_the_crates_of_their_folder() {
        let tree = tree(&[("plugins/lib.rs", ""), ("plugins/file/Cargo.toml", ""), ("plugins/file/src/lib.rs", "")]);
        assert_eq!(tree.plugins().collect::<Vec<_>>(), ["file"]);
    }
}
