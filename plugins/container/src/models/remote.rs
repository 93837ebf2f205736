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
        row.includes = joined(body.includes, body.include_tags);
        row.excludes = joined(body.excludes, body.exclude_tags);
        row.sigstore = body.sigstore;
    }

    fn check(body: &ContainerRemoteBody) -> Result<()> {
        check_sigstore(body.sigstore.as_deref())
    }
}

impl Remote for Entity {
    fn downloader(plain: Arc<dyn Downloader>, config: &RemoteConfig) -> Arc<dyn Downloader> {
        Arc::new(Login::new(plain, config))
    }
}

/// A list, with what was given under its older name.
fn joined(list: Option<Vec<String>>, older: Option<Vec<String>>) -> Option<Strings> {
    match (list, older) {
        (None, None) => None,
        (list, older) => Some(Strings(list.into_iter().chain(older).flatten().collect())),
    }
}
