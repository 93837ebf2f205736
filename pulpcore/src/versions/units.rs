//! Units one at a time: for what clients push and upload. A sync saves them in batches.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, IdenStatic, IntoActiveModel, Iterable, ModelTrait,
    QueryFilter, QuerySelect, Value as DbValue,
};
use uuid::Uuid;

use crate::db::{Writing, bulk, now};
use crate::error::{Error, Result};
use crate::models::{Labels, content};
use crate::plugin::{Content, key};

/// Finds the unit that a row describes, by its natural key, or makes it: its key, and whether it is new. A unit that is
/// found counts as used just now, which spares it from orphan cleanup.
///
/// Whoever makes the same unit at the same moment gets the same key.
///
/// # Errors
/// If the database fails.
///
/// ```
/// use pulpcore::db::WriteTx;
/// use pulpcore::error::Result;
/// use pulpcore::plugin::Content;
/// use pulpcore::versions::find_or_make;
/// use uuid::Uuid;
///
/// async fn key_of<C: Content>(tx: &WriteTx, domain: Uuid, row: C::Model) -> Result<Uuid> {
///     let (key, _new) = find_or_make::<C>(tx, domain, row).await?;
///     Ok(key)
/// }
/// ```
pub async fn find_or_make<E: Content>(tx: &Writing, domain: Uuid, mut row: E::Model) -> Result<(Uuid, bool)> {
    if let Some(column) = E::Column::iter().find(|column| column.as_str() == "pulp_domain_id") {
        row.set(column, domain.into());
    }
    if let Some(found) = find_unit::<E>(tx, &row).await? {
        content::Entity::update_many()
            .col_expr(content::Column::TimestampOfInterest, Expr::value(now()))
            .filter(content::Column::PulpId.eq(found))
            .exec(tx)
            .await?;
        return Ok((found, false));
    }
    let id = Uuid::now_v7();
    let now = now();
    content::ActiveModel {
        pulp_id: ActiveValue::Set(id),
        pulp_created: ActiveValue::Set(now),
        pulp_last_updated: ActiveValue::Set(now),
        pulp_domain_id: ActiveValue::Set(domain),
        pulp_type: ActiveValue::Set(E::TYPE.to_owned()),
        timestamp_of_interest: ActiveValue::Set(now),
        pulp_labels: ActiveValue::Set(Labels::default()),
    }
    .insert(tx)
    .await?;
    let mut columns = row.clone().into_active_model().reset_all();
    columns.set(key::<E>(), DbValue::from(id));
    let conflict = OnConflict::columns(E::NATURAL_KEY.iter().copied()).do_nothing().to_owned();
    if bulk::insert(tx, vec![columns], &conflict).await? == 1 {
        return Ok((id, true));
    }
    content::Entity::delete_by_id(id).exec(tx).await?;
    let winner = find_unit::<E>(tx, &row).await?;
    winner.map(|winner| (winner, false)).ok_or_else(|| Error::internal("a unit that was in the way is gone"))
}

/// The key of the unit with a row's natural key.
async fn find_unit<E: Content>(tx: &Writing, row: &E::Model) -> Result<Option<Uuid>> {
    let mut same = E::find().select_only().column(key::<E>());
    for column in E::NATURAL_KEY {
        same = same.filter(column.eq(row.get(*column)));
    }
    Ok(same.into_tuple().one(tx).await?)
}
