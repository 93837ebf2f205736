//! Remotes: the URL of a repository, or of a list of its mirrors.

use pulpcore::error::Result;
use pulpcore::models::remote;
use pulpcore::plugin::{Detail, Remote};
use sea_orm::entity::prelude::*;

use crate::serializers::RpmRemoteBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_rpmremote")]
pub struct Model {
    /// The remote's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub remote_ptr_id: Uuid,
    /// What SUSE's servers want to see in the query of each URL.
    pub sles_auth_token: Option<String>,
    /// Public keys in ASCII armour, one of which must have signed the metadata.
    pub metadata_public_key: Option<String>,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = remote::Entity;
    const TYPE: &'static str = "rpm.rpm";
    const MODEL: &'static str = "RpmRemote";
    const ENDPOINT: &'static str = "rpm";
    type Body = RpmRemoteBody;

    fn read(row: &Model) -> RpmRemoteBody {
        RpmRemoteBody {
            sles_auth_token: row.sles_auth_token.clone(),
            metadata_public_key: row.metadata_public_key.clone(),
        }
    }

    fn write(row: &mut Model, body: RpmRemoteBody) {
        row.sles_auth_token = body.sles_auth_token;
        row.metadata_public_key = body.metadata_public_key;
    }

    fn check(body: &RpmRemoteBody) -> Result<()> {
        body.check()
    }
}

impl Remote for Entity {}
