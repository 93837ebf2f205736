//! Scopes: what a token is asked for, and what it grants. `repository:library/hello:pull,push`.
//!
//! The grammar is that of Docker's token specification, "Token Scope Documentation".

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most scopes that one token is asked for.
const MOST: usize = 100;

/// What may be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Reading.
    Pull,
    /// Adding, and moving tags.
    Push,
    /// Removing.
    Delete,
}

impl Action {
    /// All of them: what `*` stands for.
    pub const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// A resource, and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The kind of resource: `repository`, or `registry` of the list of all repositories.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What may be done. `registry` has one action, `*`.
    pub actions: BTreeSet<String>,
}

impl Scope {
    /// The scope of some actions on a repository.
    pub fn repository(name: &str, actions: &[Action]) -> Self {
        let actions = actions.iter().map(|action| action.name().to_owned()).collect();
        Self { kind: REPOSITORY.to_owned(), name: name.to_owned(), actions }
    }

    /// The scope of the list of all repositories.
    pub fn catalog() -> Self {
        let actions = [EVERYTHING.to_owned()].into();
        Self { kind: REGISTRY.to_owned(), name: CATALOG.to_owned(), actions }
    }

    /// Reads one scope; none if it is not understood, which grants nothing.
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        // A name can have a colon: that of a port.
        let (name, actions) = rest.rsplit_once(':')?;
        // Of old, a kind may have a class: `repository(plugin)`.
        let kind = kind.split('(').next().unwrap_or_default();
        let actions = actions.split(',').map(str::trim).filter(|action| !action.is_empty());
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions: actions.map(str::to_owned).collect() })
    }

    /// Reads the scopes of a query: each parameter may hold several, parted by spaces.
    pub fn parse_all<'a>(parameters: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let texts = parameters.into_iter().flat_map(|parameter| parameter.split(' '));
        texts.filter_map(Self::parse).take(MOST).collect()
    }

    /// The repository that it is about.
    pub fn repository_name(&self) -> Option<&str> {
        (self.kind == REPOSITORY).then_some(self.name.as_str())
    }

    /// Whether it is about the list of all repositories.
    pub fn is_catalog(&self) -> bool {
        self.kind == REGISTRY && self.name == CATALOG
    }

    /// The actions on a repository that it names.
    pub fn asks(&self) -> Vec<Action> {
        let named = |action: &Action| self.actions.contains(action.name()) || self.actions.contains(EVERYTHING);
        Action::ALL.into_iter().filter(named).collect()
    }
}

const REPOSITORY: &str = "repository";
const REGISTRY: &str = "registry";
const CATALOG: &str = "catalog";
const EVERYTHING: &str = "*";

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As everybody writes them, pulling comes before pushing.
        let mut actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        actions.sort_by_key(|action| Action::ALL.iter().position(|known| known.name() == *action));
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        let text = "repository:a/b:pull,push";
        let scope = Scope::parse_all([text]).remove(0);
        assert_eq!((scope.to_string().as_str(), scope.repository_name()), (text, Some("a/b")));
        assert_eq!(scope.asks(), [Action::Pull, Action::Push]);
        assert_eq!(Scope::repository("a/b", &[Action::Push, Action::Pull]), scope);
        assert_eq!(Scope::catalog().to_string(), "registry:catalog:*");
    }

    #[test]
    fn a_query_holds_several_and_what_is_none_grants_nothing() {
        let scopes = Scope::parse_all(["repository:a:pull repository:host:80/b:*", "", "nonsense", "repository(x):c:"]);
        let shown: Vec<_> = scopes.iter().map(|scope| (scope.name.as_str(), scope.asks().len())).collect();
        assert_eq!(shown, [("a", 1), ("host:80/b", 3), ("c", 0)]);
        assert_eq!(Scope::parse_all(["repository:a:pull "; 500]).len(), MOST);
    }
}
