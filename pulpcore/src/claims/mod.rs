//! The registry of URL space: who answers where.
//!
//! Everything that is mounted claims the space under its path: the REST API under its roots, the content service, health
//! checks, metrics, and each live API of a plugin. Claims do not overlap, with two exceptions: the documents of the REST
//! API lie within its root, and the content prefix may hold claims (a prefix of `/` holds all of them); then the deeper
//! claim is served, and a distribution whose URL would fall into one, or contain one, is refused.
//!
//! The claims are those of the build and of the settings, not of a process's roles: every process agrees on them. A live
//! API that is switched off keeps its space, and the places at which clients look for a plugin that the build lacks
//! ([`WellKnown`]) are kept as long as nobody else claims them.

mod space;
mod strays;

use std::fmt;

pub(crate) use self::space::Space;
pub(crate) use self::strays::warn;
use crate::api::catalog::roots;
use crate::error::{Error, Result};
use crate::plugin::{LiveApi, WellKnown};
use crate::registry::{self, Registry};
use crate::settings::{Role, Settings};

/// A piece of the URL space, with who answers there and why.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// As it was written: `/v2/`.
    pub(crate) path: String,
    pub(crate) holder: Holder,
    space: Space,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder {
    Api,
    /// A part of the REST API that is worth naming.
    Documents,
    Content,
    Health,
    Metrics,
    Live {
        api: &'static LiveApi,
        on: bool,
    },
    /// Nobody: the plugin is not part of this build.
    Missing(&'static WellKnown),
}

/// All claims of this process.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    /// The deepest first.
    all: Vec<Claim>,
    content: Space,
}

impl Claims {
    /// The claims of this build under these settings.
    ///
    /// # Errors
    /// [`Error::Config`] with every overlap, by name.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let registry = registry::get();
        Self::among(settings, registry.live(), &registry.missing_plugins())
    }

    fn among(settings: &Settings, live: &[&'static LiveApi], missing: &[&'static WellKnown]) -> Result<Self> {
        let mut all = Vec::new();
        for root in roots(settings) {
            all.push(Claim::new(format!("{root}docs/"), Holder::Documents));
            all.push(Claim::new(root, Holder::Api));
        }
        all.push(Claim::new(&settings.content_path_prefix, Holder::Content));
        all.push(Claim::new("/health/", Holder::Health));
        if settings.metrics {
            all.push(Claim::new("/metrics", Holder::Metrics));
        }
        for &api in live {
            let on = settings.is_live(api.label);
            all.extend(api.claims.iter().map(|path| Claim::new(*path, Holder::Live { api, on })));
        }
        let problems = overlaps(&all);
        if !problems.is_empty() {
            return Err(Error::Config(format!(
                "these parts of the URL space overlap (see the settings api_root and content_path_prefix): {}",
                problems.join("; ")
            )));
        }
        for &plugin in missing {
            for path in plugin.claims {
                let kept = Claim::new(*path, Holder::Missing(plugin));
                // It is nobody's: whoever claims the space has it.
                if all.iter().all(|claim| kept.may_stand_beside(claim)) {
                    all.push(kept);
                }
            }
        }
        all.sort_by(|a, b| b.space.depth().cmp(&a.space.depth()).then_with(|| a.path.cmp(&b.path)));
        Ok(Self { all, content: Space::of(&settings.content_path_prefix) })
    }

    /// Every claim, the deepest first.
    pub(crate) fn all(&self) -> &[Claim] {
        &self.all
    }

    /// Whose a path is, by its place in [`Claims::all`]. The path is as it was sent.
    pub(crate) fn at(&self, path: &str) -> Option<usize> {
        let decoded = space::decoded(path);
        self.all.iter().position(|claim| claim.space.holds_path(&decoded))
    }

    /// The claim that the URL of a distribution would fall into, or contain.
    pub(crate) fn against(&self, base_path: &str) -> Option<&Claim> {
        let urls = self.content.below(base_path);
        self.all
            .iter()
            .filter(|claim| !matches!(claim.holder, Holder::Content))
            .find(|claim| urls.iter().any(|url| url.overlaps(&claim.space)))
    }

    /// Whether others have claims within the content prefix.
    pub(crate) fn are_within_content(&self) -> bool {
        self.within_content().next().is_some()
    }

    /// The claims within the content prefix, as paths below it.
    fn within_content(&self) -> impl Iterator<Item = &[String]> {
        let inner = self.all.iter().filter(|claim| !matches!(claim.holder, Holder::Content));
        inner.filter_map(|claim| self.content.rest(&claim.space))
    }
}

impl Claim {
    fn new(path: impl Into<String>, holder: Holder) -> Self {
        let path = path.into();
        Self { space: Space::of(&path), path, holder }
    }

    fn may_stand_beside(&self, other: &Self) -> bool {
        use Holder::{Api, Content, Documents};
        match (self.holder, other.holder) {
            (Api | Documents, Api | Documents) => true,
            (Content, _) => !other.space.holds(&self.space),
            (_, Content) => !self.space.holds(&other.space),
            _ => !self.space.overlaps(&other.space),
        }
    }
}

impl Holder {
    /// Whose it is: `core`, or the label of a plugin.
    pub(crate) fn owner(&self) -> &'static str {
        match self {
            Self::Live { api, .. } => api.label,
            Self::Missing(plugin) => plugin.label,
            _ => "core",
        }
    }

    /// What it is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Api => "the REST API",
            Self::Documents => "the documents of the REST API",
            Self::Content => "the content service",
            Self::Health => "the health checks",
            Self::Metrics => "the metrics",
            Self::Live { api, .. } => api.name,
            Self::Missing(plugin) => plugin.name,
        }
    }

    /// Why the space is claimed.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Api => "Every management request goes here; the setting api_root moves one of the roots.".to_owned(),
            Self::Documents => "The description of the REST API, for people and for programs.".to_owned(),
            Self::Content => "Distributions begin here; the setting content_path_prefix moves it.".to_owned(),
            Self::Health => "Whoever supervises the process asks here.".to_owned(),
            Self::Metrics => "Whoever measures the process asks here; the setting metrics turns it off.".to_owned(),
            Self::Live { api, on: true } => format!("The plugin '{}' speaks a protocol of its own here.", api.label),
            Self::Live { api, on: false } => {
                format!("The plugin '{label}' is switched off here by the setting live.{label}.", label = api.label)
            }
            Self::Missing(plugin) => {
                format!("Clients look here for the plugin '{}', which this build lacks.", plugin.label)
            }
        }
    }

    /// `on`, `off` (by a setting) or `missing` (from this build).
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Live { on: false, .. } => "off",
            Self::Missing(_) => "missing",
            _ => "on",
        }
    }

    /// The roles that answer there, in the order of their names; health and metrics are answered by all.
    pub(crate) fn roles(&self) -> Vec<Role> {
        match self {
            Self::Api | Self::Documents => vec![Role::Api],
            Self::Content => vec![Role::Content],
            Self::Health | Self::Metrics => vec![Role::Api, Role::Content, Role::Worker],
            Self::Live { api, on: true } => crate::live::roles(api),
            Self::Live { on: false, .. } | Self::Missing(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { .. } | Self::Missing(_) => write!(f, "'{}' of '{}'", self.name(), self.owner()),
            _ => f.write_str(self.name()),
        }
    }
}

/// `/v2/ of 'registry' of 'label'`.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.path, self.holder)
    }
}

fn overlaps(claims: &[Claim]) -> Vec<String> {
    let mut problems = Vec::new();
    for (nth, claim) in claims.iter().enumerate() {
        let others = claims[nth + 1..].iter().filter(|other| !claim.may_stand_beside(other));
        problems.extend(others.map(|other| format!("{claim} and {other}")));
    }
    problems
}

/// What is wrong with the claims and the routes of the live APIs, whatever the settings are.
pub(crate) fn check(registry: &Registry, problems: &mut Vec<String>) {
    check_all(registry.live(), problems);
}

fn check_all(live: &[&'static LiveApi], problems: &mut Vec<String>) {
    let mut claims = Vec::new();
    for &api in live {
        for path in api.claims {
            let plain = |segment: &str| {
                !matches!(segment, "" | "." | "..")
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
            };
            let inside = path.strip_prefix('/').and_then(|path| path.strip_suffix('/'));
            match inside {
                Some(inside) if inside.split('/').all(plain) => {
                    claims.push(Claim::new(*path, Holder::Live { api, on: true }));
                }
                _ => problems.push(format!(
                    "the URL claim '{path}' of '{}' must begin and end with a slash and hold plain segments",
                    api.label
                )),
            }
        }
        crate::live::check(api, problems);
    }
    problems.extend(overlaps(&claims).into_iter().map(|overlap| format!("the URL claims overlap: {overlap}")));
}

#[cfg(test)]
mod tests;
