//! `config.repo`: what a client needs in `/etc/yum.repos.d/` to use a distribution.
//!
//! ```
//! use pulp_rpm_lite::publish::config;
//!
//! let text = config::text("demo", "https://pulp.example.test/pulp/content/demo/", &serde_json::json!({"gpgcheck": 1}));
//! assert_eq!(text.lines().next(), Some("[demo]"));
//! assert!(text.contains("baseurl=https://pulp.example.test/pulp/content/demo/\n") && text.contains("gpgcheck=1\n"));
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::{distribution, publication, repository_version};
use sea_orm::entity::prelude::*;
use sea_orm::{JoinType, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::models::{RpmPublication, publication as published};

/// The name of the file.
pub const NAME: &str = "config.repo";

/// The file of a distribution; none if nothing is published there.
///
/// # Errors
/// If the database fails.
pub async fn of(app: &App, distribution: &distribution::Model) -> Result<Option<String>> {
    let Some(row) = publication_of(app, distribution).await? else { return Ok(None) };
    let settings = &app.settings;
    let prefix = format!("{}{}", settings.content_origin(), settings.content_path_prefix);
    let base_url = format!("{prefix}{}/", distribution.base_path);
    Ok(Some(text(&distribution.name, &base_url, &row.repo_config)))
}

/// What a distribution serves: its publication, or its repository's latest.
async fn publication_of(app: &App, distribution: &distribution::Model) -> Result<Option<published::Model>> {
    let db = app.db.read();
    let id = match (distribution.publication_id, distribution.repository_id) {
        (Some(id), _) => Some(id),
        (None, Some(repository)) => {
            publication::Entity::find()
                .select_only()
                .column(publication::Column::PulpId)
                .join(
                    JoinType::InnerJoin,
                    publication::Entity::belongs_to(repository_version::Entity)
                        .from(publication::Column::RepositoryVersionId)
                        .to(repository_version::Column::PulpId)
                        .into(),
                )
                .filter(repository_version::Column::RepositoryId.eq(repository))
                .filter(publication::Column::Complete.eq(true))
                .order_by_desc(repository_version::Column::Number)
                .order_by_desc(publication::Column::PulpCreated)
                .into_tuple()
                .one(db)
                .await?
        }
        (None, None) => None,
    };
    match id {
        Some(id) => Ok(RpmPublication::find_by_id(id).one(db).await?),
        None => Ok(None),
    }
}

/// The text: what is known, then what the publication was told to say, then what nobody said.
pub fn text(name: &str, base_url: &str, repo_config: &Value) -> String {
    let id: String = name.chars().filter(|one| one.is_alphanumeric() || matches!(one, '_' | '-' | '.' | ':')).collect();
    let mut text = format!("[{id}]\nname={}\nbaseurl={base_url}\n", line(name));
    // In the order of their names, whatever the database made of it.
    let config: BTreeMap<&String, &Value> = repo_config.as_object().into_iter().flatten().collect();
    let mut push = |key: &str, value: &str| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}={}", line(key), line(value));
    };
    for (key, value) in config.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "baseurl")) {
        match value {
            Value::String(value) => push(key, value),
            Value::Bool(value) => push(key, if *value { "1" } else { "0" }),
            Value::Null => push(key, ""),
            value => push(key, &value.to_string()),
        }
    }
    for (key, value) in [("repo_gpgcheck", "0"), ("gpgcheck", "0"), ("enabled", "1")] {
        if !config.keys().any(|said| *said == key) {
            push(key, value);
        }
    }
    text
}

/// A value has one line: the next would be another setting.
fn line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn what_the_publication_says_stands_and_the_rest_is_as_in_pulp() {
        let config =
            json!({"name": "x", "baseurl": "x", "gpgcheck": 1, "enabled": false, "metadata_expire": "1h\nx=y"});
        assert_eq!(
            text("My repo/1", "http://a/b/", &config),
            "[Myrepo1]\nname=My repo/1\nbaseurl=http://a/b/\nenabled=0\ngpgcheck=1\nmetadata_expire=1h x=y\n\
             repo_gpgcheck=0\n"
        );
        assert!(text("a", "b", &json!(null)).ends_with("repo_gpgcheck=0\ngpgcheck=0\nenabled=1\n"));
    }
}
