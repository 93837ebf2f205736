//! Distributions: what is served of a publication.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use pulpcore::error::Result;
use pulpcore::models::distribution;
use pulpcore::plugin::{Asked, ContentCx, Detail, Distribution};
use sea_orm::entity::prelude::*;

use crate::publish::config;
use crate::serializers::RpmDistributionBody;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rpm_rpmdistribution")]
pub struct Model {
    /// The distribution's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub distribution_ptr_id: Uuid,
    /// Whether it offers a `config.repo` for its clients.
    pub generate_repo_config: bool,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Detail for Entity {
    type Master = distribution::Entity;
    const TYPE: &'static str = "rpm.rpm";
    const MODEL: &'static str = "RpmDistribution";
    const ENDPOINT: &'static str = "rpm";
    type Body = RpmDistributionBody;

    fn read(row: &Model) -> RpmDistributionBody {
        RpmDistributionBody { generate_repo_config: row.generate_repo_config }
    }

    fn write(row: &mut Model, body: RpmDistributionBody) {
        row.generate_repo_config = body.generate_repo_config;
    }
}

/// Metadata that keeps its name while it changes (Pulp's `NOCACHE_LIST`).
const CHANGING: &[&str] = &["repomd.xml", "repomd.xml.asc", "repomd.xml.key"];

impl Distribution for Entity {
    const PUBLICATIONS: &'static [&'static str] = &["rpm.rpm"];
    // As in Pulp: a version without a publication has no metadata and is not served.
    const SERVES_VERSIONS: bool = false;

    fn asked(path: &str) -> Asked {
        if path == config::NAME { Asked::First } else { Asked::Never }
    }

    async fn serve(cx: &ContentCx, row: &Model, path: &str) -> Result<Option<Response>> {
        if path != config::NAME || !row.generate_repo_config {
            return Ok(None);
        }
        let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
        Ok(config::of(&cx.app, &cx.distribution).await?.map(|text| (headers, text).into_response()))
    }

    fn cache_control(path: &str) -> Option<&'static str> {
        let name = path.rsplit('/').next().unwrap_or_default();
        CHANGING.contains(&name).then_some("no-cache")
    }
}
