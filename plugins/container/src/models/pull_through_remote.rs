//! Remotes for pull-through: a whole registry, of which repositories are fetched as they are asked for.

use std::sync::Arc;

use pulpcore::models::{Strings, remote};
use pulpcore::plugin::{Detail, Remote};
use pulpcore::sync::download::{Downloader, RemoteConfig};
use sea_orm::entity::prelude::*;

use crate::serializers::ContainerPullThroughRemoteBody;
use crate::upstream::login::Login;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containerpullthroughremote")]
pub struct Model {
    /// The remote's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub remote_ptr_id: Uuid,
    /// Which of its repositories may be fetched (`*` and `?` stand for others); all if there are none.
    pub includes: Option<Strings>,
    /// Which of those may not.
    pub excludes: Option<Strings>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = remote::Entity;
    const TYPE: &'static str = "container.pull-through";
    const MODEL: &'static str = "ContainerPullThroughRemote";
    const ENDPOINT: &'static str = "pull-through";
    type Body = ContainerPullThroughRemoteBody;

    fn read(row: &Model) -> ContainerPullThroughRemoteBody {
        ContainerPullThroughRemoteBody {
            includes: row.includes.clone().map(|Strings(includes)| includes),
            excludes: row.excludes.clone().map(|Strings(excludes)| excludes),
        }
    }

    fn write(row: &mut Model, body: ContainerPullThroughRemoteBody) {
        row.includes = body.includes.map(Strings);
        row.excludes = body.excludes.map(Strings);
    }
}

impl Remote for Entity {
    const POLICIES: &'static [&'static str] = &["on_demand"];

    fn downloader(plain: Arc<dyn Downloader>, config: &RemoteConfig) -> Arc<dyn Downloader> {
        Arc::new(Login::new(plain, config))
    }
}
