//! Which names exist, and what was meant by one that does not.

use figment::value::{Dict, Value};

/// Names of Pulp's settings that have no counterpart of the same name, with what to do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("databases", "use database_url"),
    ("default_admin_password", "use admin_password"),
    ("log_level", "use log_filter"),
    ("logging", "use log_format and log_filter"),
    ("redis_url", "no Redis is needed"),
    ("redis_host", "no Redis is needed"),
    ("redis_port", "no Redis is needed"),
    ("cache_enabled", "no Redis is needed"),
    ("secret_key", "keys are made at the first start"),
    ("storages", "use the section storage"),
    ("default_file_storage", "use storage.kind"),
    ("aws_access_key_id", "use storage.access_key_id"),
    ("aws_secret_access_key", "use storage.secret_access_key"),
    ("aws_storage_bucket_name", "use storage.bucket"),
    ("aws_s3_endpoint_url", "use storage.endpoint"),
    ("aws_s3_region_name", "use storage.region"),
    ("aws_s3_addressing_style", "use storage.virtual_host_style"),
    ("azure_account_name", "use storage.account"),
    ("azure_account_key", "use storage.account_key"),
    ("azure_container", "use storage.bucket"),
    ("azure_url_expiration_secs", "use storage.url_lifetime"),
    ("gs_bucket_name", "use storage.bucket"),
    ("analytics", "nothing is ever sent"),
];

/// Variables that begin with `PULP_` and belong to others: to us before the settings are read, to our tests, to
/// Pulp's command line client, to Kubernetes.
pub(super) fn belongs_to_others(name: &str, value: &str) -> bool {
    matches!(name, "PULP_SETTINGS" | "PULP_HOME")
        || name.starts_with("PULP_TEST_")
        || name.starts_with("PULP_CLI_")
        || is_kubernetes_link(name, value)
}

/// Kubernetes tells every pod about every service of its namespace. For one named `pulp` or `pulp-content` that means
/// `PULP_SERVICE_HOST`, `PULP_CONTENT_PORT=tcp://…`, `PULP_PORT_24817_TCP_ADDR` and the like (Kubernetes
/// documentation, "Service", "Discovering services", "Environment variables").
fn is_kubernetes_link(name: &str, value: &str) -> bool {
    let is_port = |rest: &str| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split_once("_PORT_").is_some_and(|(_, rest)| is_port(rest))
}

/// Where names were found, and how names are spelt there.
pub(super) struct Place<'a> {
    /// Completes "in …".
    pub(super) name: &'a str,
    /// How a path of keys is written there, quotes included.
    pub(super) spell: fn(&[&str]) -> String,
}

/// As in a TOML file or on the command line: `'plugins.file.key'`.
pub(super) fn dotted(path: &[&str]) -> String {
    format!("'{}'", path.join("."))
}

/// As in the environment: `PULP_PLUGINS__FILE__KEY`.
pub(super) fn variable(path: &[&str]) -> String {
    format!("PULP_{}", path.join("__").to_uppercase())
}

/// The value at a path of keys.
pub(super) fn find<'a>(shape: &'a Dict, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    match (shape.get(*first)?, rest) {
        (value, []) => Some(value),
        (Value::Dict(_, inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// A sentence for every name in `given` that `shape` does not have, and for every section that is not one.
pub(super) fn check(given: &Dict, shape: &Dict, place: &Place<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    walk(given, shape, &mut Vec::new(), place, &mut problems);
    problems
}

fn walk<'a>(given: &'a Dict, shape: &Dict, path: &mut Vec<&'a str>, place: &Place<'_>, problems: &mut Vec<String>) {
    for (key, value) in given {
        path.push(key);
        let spelt = (place.spell)(path);
        match (shape.get(key), value) {
            (None, _) => {
                let what = if path[..path.len() - 1] == ["plugins"] { "section" } else { "setting" };
                problems.push(format!("unknown {what} {spelt} in {}{}", place.name, hint(path, shape, place)));
            }
            // A table without keys of its own, inside a plugin's section, takes any.
            (Some(Value::Dict(_, inner)), Value::Dict(..)) if inner.is_empty() && path.len() > 2 => {}
            (Some(Value::Dict(_, inner)), Value::Dict(_, given)) => walk(given, inner, path, place, problems),
            (Some(Value::Dict(..)), _) => {
                problems.push(format!("{spelt} in {} is a section: name a setting within it", place.name));
            }
            (Some(_), _) => {}
        }
        path.pop();
    }
}

/// What was probably meant by the last name of an unknown path.
fn hint(path: &[&str], siblings: &Dict, place: &Place<'_>) -> String {
    let Some((name, parents)) = path.split_last() else { return String::new() };
    let name = name.to_lowercase();
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| parents.is_empty() && *elsewhere == name) {
        return format!("; {instead}");
    }
    match closest(&name, siblings.keys().map(String::as_str)) {
        Some(meant) => format!("; did you mean {}?", (place.spell)(&[parents, &[meant]].concat())),
        None => String::new(),
    }
}

/// "; did you mean '…'?", or nothing if no candidate is close.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    closest(&name.to_lowercase(), candidates).map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"))
}

fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this share of letters in common, a suggestion confuses more than it helps.
    const CLOSE: f64 = 0.6;
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_says_about_a_service_named_pulp_is_not_ours() {
        for (name, value) in [
            ("PULP_SERVICE_HOST", "10.0.0.1"),
            ("PULP_SERVICE_PORT", "80"),
            ("PULP_SERVICE_PORT_HTTP", "80"),
            ("PULP_PORT", "tcp://10.0.0.1:80"),
            ("PULP_CONTENT_PORT_24816_TCP", "tcp://10.0.0.1:24816"),
            ("PULP_CONTENT_PORT_24816_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(belongs_to_others(name, value), "{name}");
        }
        assert!(!belongs_to_others("PULP_DATABASE_PORT", "5432"));
        assert!(!belongs_to_others("PULP_PORT_NUMBER", "5432"));
    }

    #[test]
    fn a_suggestion_is_close_or_not_made() {
        assert_eq!(did_you_mean("Wrokers", ["workers", "bind"].into_iter()), "; did you mean 'workers'?");
        assert_eq!(did_you_mean("colour", ["workers", "bind"].into_iter()), "");
    }
}
