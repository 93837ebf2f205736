//! Repositories.

use sea_orm::sea_query::{Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DbErr, FromQueryResult, IntoActiveModel, QueryResult,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::writable::{self, Writable, check_name, referenced};
use super::{upload, version};
use crate::api::bodies::LabelMap;
use crate::api::endpoint::Endpoint;
use crate::api::family::{self, Row, View, label_endpoints, list_endpoint, read_endpoint};
use crate::api::filters::{Filters, IntoCondition, col, target_id};
use crate::api::list::label_select;
use crate::api::reader::Reader;
use crate::api::shape;
use crate::app::App;
use crate::content::checkpoints;
use crate::db::{WriteTx, now};
use crate::error::{Error, Result};
use crate::models::{Labels, remote, repository, repository_content as membership, repository_version};
use crate::plugin::{Family, Hooks, Noun};
use crate::refs::Link;
use crate::versions;

/// Core's fields of a repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Body {
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, format = "uri")]
    versions_href: String,
    #[serde(default)]
    pulp_labels: LabelMap,
    #[serde(default, deserialize_with = "shape::unread")]
    #[schema(read_only, required = false, nullable = false, format = "uri")]
    latest_version_href: Option<String>,
    /// A unique name for this repository.
    #[schema(min_length = 1)]
    name: String,
    /// An optional description.
    #[serde(default)]
    #[schema(min_length = 1)]
    description: Option<String>,
    /// Retain X versions of the repository. Default is null which retains all versions.
    #[serde(default)]
    #[schema(minimum = 1)]
    retain_repo_versions: Option<i64>,
    /// Retain X checkpoint publications for the repository. Default is null which retains all checkpoints.
    #[serde(default)]
    #[schema(minimum = 1)]
    retain_checkpoints: Option<i64>,
    /// An optional remote to use by default when syncing.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uri")]
    remote: Option<Link<remote::Entity>>,
}

/// A repository and the number of its latest version.
pub(crate) struct Seen {
    row: repository::Model,
    latest: Option<i64>,
}

impl FromQueryResult for Seen {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self { row: repository::Model::from_query_result(row, prefix)?, latest: row.try_get(prefix, LATEST)? })
    }
}

impl Row for Seen {
    fn id(&self) -> Uuid {
        self.row.id()
    }
    fn pulp_type(&self) -> &str {
        self.row.pulp_type()
    }
    fn times(&self) -> (OffsetDateTime, OffsetDateTime) {
        self.row.times()
    }
    fn labels(&self) -> Option<&Labels> {
        self.row.labels()
    }
}

const LATEST: &str = "latest_version";

impl View for repository::Entity {
    type Body = Body;
    type Seen = Seen;

    fn widen(select: &mut SelectStatement) {
        let latest = Query::select()
            .expr(Func::max(Expr::col(repository_version::Column::Number)))
            .from(repository_version::Entity)
            .and_where(col(repository_version::Column::RepositoryId).eq(col(repository::Column::PulpId)))
            .take();
        select.expr_as(SimpleExpr::SubQuery(None, Box::new(latest.into())), LATEST);
    }

    fn filters() -> Filters {
        use repository::Column as C;
        let lookups = &["", "ne", "lt", "lte", "gt", "gte", "range", "isnull"];
        let filters = Filters::new()
            .text(C::Name)
            .number(C::RetainRepoVersions, lookups)
            .number(C::RetainCheckpoints, lookups)
            .reference::<remote::Entity, _>("remote", C::RemoteId)
            .custom("with_content", |text, _| holding("with_content", text, false))
            .custom("latest_with_content", |text, _| holding("latest_with_content", text, true))
            .ordered(&[
                C::PulpId,
                C::PulpCreated,
                C::PulpLastUpdated,
                C::PulpType,
                C::Name,
                C::PulpLabels,
                C::Description,
                C::NextVersion,
                C::RetainRepoVersions,
                C::RetainCheckpoints,
                C::UserHidden,
            ])
            .ordered_as("pk", C::PulpId);
        label_select(filters, C::PulpLabels)
    }

    async fn read(reader: &Reader, rows: &[Seen]) -> Result<Vec<Body>> {
        let remotes = reader.hrefs::<remote::Entity>(rows.iter().filter_map(|seen| seen.row.remote_id)).await?;
        let body = |Seen { row, latest }: &Seen| {
            let href = reader.href(Family::Repository, &row.pulp_type, row.pulp_id).unwrap_or_default();
            Body {
                versions_href: format!("{href}versions/"),
                pulp_labels: row.pulp_labels.0.clone(),
                latest_version_href: latest.map(|number| format!("{href}versions/{number}/")),
                name: row.name.clone(),
                description: row.description.clone(),
                retain_repo_versions: row.retain_repo_versions,
                retain_checkpoints: row.retain_checkpoints,
                remote: row.remote_id.and_then(|id| Some(Link::to(id, remotes.get(&id)?))),
            }
        };
        Ok(rows.iter().map(body).collect())
    }
}

impl Writable for repository::Entity {
    async fn check(app: &App, noun: &Noun, id: Option<Uuid>, body: &Body) -> Result<()> {
        check_name::<Self>(app, id, &body.name).await?;
        if let Some(remote) = &body.remote {
            let pulp_type = referenced::<remote::Entity>(app, "remote", remote.id).await?;
            if let Hooks::Repository(hooks) = &noun.hooks
                && !hooks.remotes.contains(&pulp_type.as_str())
            {
                let message = format!("Type for Remote '{pulp_type}' does not match Repository '{}'.", noun.type_name);
                return Err(Error::invalid("remote", message));
            }
        }
        Ok(())
    }

    async fn insert(tx: &WriteTx, app: &App, noun: &Noun, id: Uuid, body: Body) -> Result<()> {
        let now = now();
        repository::ActiveModel {
            pulp_id: Set(id),
            pulp_created: Set(now),
            pulp_last_updated: Set(now),
            pulp_domain_id: Set(app.domain),
            pulp_type: Set(noun.type_name.to_owned()),
            name: Set(body.name),
            description: Set(body.description),
            pulp_labels: Set(Labels(body.pulp_labels)),
            next_version: Set(1),
            retain_repo_versions: Set(body.retain_repo_versions),
            retain_checkpoints: Set(body.retain_checkpoints),
            remote_id: Set(body.remote.map(|remote| remote.id)),
            user_hidden: Set(false),
        }
        .insert(&**tx)
        .await?;
        versions::version_zero(tx, id).await
    }

    async fn update(
        tx: &WriteTx,
        _app: &App,
        row: repository::Model,
        body: Body,
        _given: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        let mut row = row.into_active_model();
        row.name = Set(body.name);
        row.description = Set(body.description);
        row.pulp_labels = Set(Labels(body.pulp_labels));
        row.retain_repo_versions = Set(body.retain_repo_versions);
        row.retain_checkpoints = Set(body.retain_checkpoints);
        row.remote_id = Set(body.remote.map(|remote| remote.id));
        row.pulp_last_updated = Set(now());
        let row = row.update(&**tx).await?;
        checkpoints::retain(tx, row.pulp_id, row.retain_checkpoints).await?;
        versions::retain(tx, &row).await
    }
}

/// All operations of a kind of repository.
pub(crate) fn endpoints(noun: &'static Noun) -> Vec<Endpoint> {
    let mut endpoints = vec![
        list_endpoint::<repository::Entity>(noun),
        writable::create_endpoint::<repository::Entity>(noun),
        read_endpoint::<repository::Entity>(noun),
        writable::delete_endpoint::<repository::Entity>(noun),
        upload::modify_endpoint(noun),
    ];
    endpoints.extend(writable::update_endpoints::<repository::Entity>(noun));
    endpoints.extend(label_endpoints::<repository::Entity>(noun, 201));
    endpoints.extend(version::endpoints(noun));
    endpoints
}

/// The list over all types.
pub(crate) fn generic_list() -> Endpoint {
    family::generic_list_endpoint::<repository::Entity>(shape::core_response::<Body>("RepositoryResponse"))
}

/// Repositories that hold a unit, in any version or in the latest.
fn holding(name: &str, text: &str, latest_only: bool) -> Result<Condition> {
    let mut members: SelectStatement = Query::select()
        .column(membership::Column::RepositoryId)
        .from(membership::Entity)
        .and_where(membership::Column::ContentId.eq(target_id(name, text)?))
        .take();
    if latest_only {
        members.and_where(membership::Column::VersionRemoved.is_null());
    }
    Ok(col(repository::Column::PulpId).in_subquery(members).into_condition())
}
