//! Namespaces: the first components of distributions' paths.

use pulpcore::api::collection::{NewRow, Resource};
use pulpcore::app::App;
use pulpcore::db::{WriteTx, bulk, now};
use pulpcore::error::{Error, Result};
use pulpcore::models::{Labels, distribution};
use pulpcore::plugin::Filters;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, QuerySelect};
use uuid::Uuid;

use crate::serializers::{ContainerNamespaceBody, check_namespace};

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "container_containernamespace")]
pub struct Model {
    /// The key, a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: TimeDateTimeWithTimeZone,
    /// When the row was last changed.
    pub pulp_last_updated: TimeDateTimeWithTimeZone,
    /// The domain that it lives in.
    pub pulp_domain_id: Uuid,
    /// Its name, unique in a domain.
    pub name: String,
    /// The labels that users attached.
    pub pulp_labels: Labels,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Resource for Entity {
    const LABEL: &'static str = "container";
    const MODEL: &'static str = "ContainerNamespace";
    const PATH: &'static str = "pulp_container/namespaces/";
    type Body = ContainerNamespaceBody;

    fn read(row: &Model) -> ContainerNamespaceBody {
        ContainerNamespaceBody { name: row.name.clone(), pulp_labels: row.pulp_labels.0.clone() }
    }

    fn make(new: NewRow, body: ContainerNamespaceBody) -> Model {
        Model {
            pulp_id: new.id,
            pulp_created: new.now,
            pulp_last_updated: new.now,
            pulp_domain_id: new.domain,
            name: body.name,
            pulp_labels: Labels(body.pulp_labels),
        }
    }

    async fn check(app: &App, body: &ContainerNamespaceBody) -> Result<()> {
        check_namespace(&body.name)?;
        let same = Entity::find().filter(Column::PulpDomainId.eq(app.domain)).filter(Column::Name.eq(&body.name));
        match same.count(app.db.read()).await? {
            0 => Ok(()),
            _ => Err(Error::invalid("name", "This field must be unique.")),
        }
    }

    fn filters() -> Filters {
        Filters::new().text(Column::Name).ordered(&[Column::Name, Column::PulpLabels])
    }
}

/// The namespace of a path, which is made if there is none.
///
/// # Errors
/// If the database fails.
pub async fn of_path(tx: &WriteTx, domain: Uuid, base_path: &str) -> Result<Uuid> {
    let name = base_path.split('/').next().unwrap_or_default();
    let key = || {
        let same = Entity::find().filter(Column::PulpDomainId.eq(domain)).filter(Column::Name.eq(name));
        same.select_only().column(Column::PulpId).into_tuple::<Uuid>().one(&**tx)
    };
    if let Some(id) = key().await? {
        return Ok(id);
    }
    let now = now();
    let row = ActiveModel {
        pulp_id: Set(Uuid::now_v7()),
        pulp_created: Set(now),
        pulp_last_updated: Set(now),
        pulp_domain_id: Set(domain),
        name: Set(name.to_owned()),
        pulp_labels: Set(Labels::default()),
    };
    // Somebody else may have made it since.
    let once = OnConflict::columns([Column::PulpDomainId, Column::Name]).do_nothing().to_owned();
    bulk::insert(&**tx, vec![row], &once).await?;
    key().await?.ok_or_else(|| Error::internal("a namespace that was just made is gone"))
}

/// Puts a distribution into the namespace that its path begins with. `key` and `namespace` are columns of its detail.
///
/// # Errors
/// If the database fails.
pub(super) async fn join<E: EntityTrait>(tx: &WriteTx, id: Uuid, key: E::Column, namespace: E::Column) -> Result<()> {
    let row = distribution::Entity::find_by_id(id).one(&**tx).await?;
    let row = row.ok_or_else(|| Error::internal("a distribution that was just written is gone"))?;
    let found = of_path(tx, row.pulp_domain_id, &row.base_path).await?;
    E::update_many().col_expr(namespace, Expr::value(found)).filter(key.eq(id)).exec(&**tx).await?;
    Ok(())
}
