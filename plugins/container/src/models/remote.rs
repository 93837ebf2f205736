//! Remotes: a repository of another registry.

use std::sync::Arc;

use pulpcore::error::Result;
use pulpcore::models::{Strings, remote};
use pulpcore::plugin::{Detail, Remote};
use pulpcore::sync::download::{Downloader, RemoteConfig};
use sea_orm::entity::prelude::*;

use crate::serializers::{ContainerRemoteBody, check_sigstore};
use crate::upstream::login::Login;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerremote")]
pub struct Model {
    /// The remote's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub remote_ptr_id: Uuid,
    /// The repository's name there: `library/busybox`.
    pub upstream_name: String,
    /// Which tags are synced (`*` and `?` stand for others), and which digests; all tags if there are none.
    pub includes: Option<Strings>,
    /// Which of those are not.
    pub excludes: Option<Strings>,
    /// Where detached signatures are.
    pub sigstore: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = remote::Entity;
    const TYPE: &'static str = "container.container";
    const MODEL: &'static str = "ContainerRemote";
    const ENDPOINT: &'static str = "container";
    type Body = ContainerRemoteBody;

    fn read(row: &Model) -> ContainerRemoteBody {
        ContainerRemoteBody {
            upstream_name: row.upstream_name.clone(),
            includes: row.includes.clone().map(|Strings(includes)| includes),
            excludes: row.excludes.clone().map(|Strings(excludes)| excludes),
            include_tags: None,
            exclude_tags: None,
            sigstore: row.sigstore.clone(),
        }
    }

    fn write(row: &mut Model, body: ContainerRemoteBody) {
        row.upstream_name = body.upstream_name;
        row.includes = joined(row.includes.take(), body.includes, body.include_tags);
        row.excludes = joined(row.excludes.take(), body.excludes, body.exclude_tags);
        row.sigstore = body.sigstore;
    }

    fn check(body: &ContainerRemoteBody) -> Result<()> {
        check_sigstore(body.sigstore.as_deref())
    }
}

impl Remote for Entity {
    const WRITTEN_ELSEWHERE: &'static [&'static str] = &["include_tags", "exclude_tags"];

    fn downloader(plain: Arc<dyn Downloader>, config: &RemoteConfig) -> Arc<dyn Downloader> {
        Arc::new(Login::new(plain, config))
    }
}

/// A list, with what was given under its older name: beside a list that was given as well, else instead of what was there.
fn joined(before: Option<Strings>, list: Option<Vec<String>>, older: Option<Vec<String>>) -> Option<Strings> {
    let list = list.map(Strings);
    match older.filter(|older| !older.is_empty()) {
        None => list,
        // A change of other fields brings the list as it was.
        Some(older) if list == before => Some(Strings(older)),
        Some(older) => Some(Strings(list.into_iter().flat_map(|Strings(list)| list).chain(older).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_under_the_older_name_is_added_to_what_is_given_and_replaces_what_was_there() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let of = |before: Option<&[&str]>, list: Option<&[&str]>, older: &[&str]| {
            joined(before.map(texts).map(Strings), list.map(texts), Some(texts(older))).map(|Strings(list)| list)
        };
        assert_eq!(of(None, None, &["a"]), Some(texts(&["a"])));
        assert_eq!(of(None, Some(&["a"]), &["b"]), Some(texts(&["a", "b"])));
        assert_eq!(of(Some(&["a"]), Some(&["a"]), &["b"]), Some(texts(&["b"])));
        assert_eq!(of(Some(&["a"]), Some(&["a"]), &[]), Some(texts(&["a"])));
        assert_eq!(of(None, None, &[]), None);
    }
}
