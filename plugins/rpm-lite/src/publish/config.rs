//! `config.repo`: what a client needs in `/etc/yum.repos.d/` to use a distribution.
//!
//! ```
//! use pulp_rpm_lite::publish::config;
//!
//! let url = "https://pulp.example.test/pulp/content/demo/";
//! let text = config::text("demo", url, &serde_json::json!({"gpgcheck": 1}), false);
//! assert_eq!(text.lines().next(), Some("[demo]"));
//! assert!(text.contains("baseurl=https://pulp.example.test/pulp/content/demo/\n") && text.contains("gpgcheck=1\n"));
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use pulpcore::app::App;
use pulpcore::error::Result;
use pulpcore::models::{distribution, publication, published_metadata, repository_version};
use sea_orm::entity::prelude::*;
use sea_orm::{JoinType, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::metadata::repomd::{KEY, SIGNATURE};
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
    let is_signed = is_signed(app, row.publication_ptr_id).await?;
    Ok(Some(text(&distribution.name, &base_url, &row.repo_config, is_signed)))
}

/// Whether a publication has a signature and the key that proves it.
async fn is_signed(app: &App, publication: Uuid) -> Result<bool> {
    let files = published_metadata::Entity::find()
        .filter(published_metadata::Column::PublicationId.eq(publication))
        .filter(published_metadata::Column::RelativePath.is_in([SIGNATURE, KEY]));
    Ok(files.count(app.db.read()).await? == 2)
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

/// The text: what is known, then what the publication was told to say, then what nobody said. Clients of what is signed are to
/// check that, with the key that lies beside it.
pub fn text(name: &str, base_url: &str, repo_config: &Value, is_signed: bool) -> String {
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
    let key_url = is_signed.then(|| format!("{base_url}{KEY}"));
    let unsaid = [
        ("repo_gpgcheck", Some(if is_signed { "1" } else { "0" })),
        ("gpgcheck", Some("0")),
        ("enabled", Some("1")),
        ("gpgkey", key_url.as_deref()),
    ];
    for (key, value) in unsaid {
        if let Some(value) = value.filter(|_| !config.keys().any(|said| *said == key)) {
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
            text("My repo/1", "http://a/b/", &config, false),
            "[Myrepo1]\nname=My repo/1\nbaseurl=http://a/b/\nenabled=0\ngpgcheck=1\nmetadata_expire=1h x=y\n\
             repo_gpgcheck=0\n"
        );
        assert!(text("a", "b", &json!(null), false).ends_with("repo_gpgcheck=0\ngpgcheck=0\nenabled=1\n"));
    }

    #[test]
    fn what_is_signed_is_to_be_checked_unless_the_publication_says_otherwise() {
        let signed = |config| text("a", "http://a/b/", &config, true);
        let key = "gpgkey=http://a/b/repodata/repomd.xml.key\n";
        assert!(signed(json!({})).ends_with(&format!("repo_gpgcheck=1\ngpgcheck=0\nenabled=1\n{key}")));
        let said = signed(json!({"repo_gpgcheck": 0, "gpgkey": "http://c/d.key"}));
        assert!(said.contains("repo_gpgcheck=0\n") && said.contains("gpgkey=http://c/d.key\n") && !said.contains(key));
    }
}
