//! What must be true of a version: modules come and go with their packages, no more versions of a package are kept than the
//! repository wants, and no two advisories have one name.
//!
//! All of it is set-based, except for advisories with one name: these are few, and read to be compared.

use std::collections::BTreeMap;

use pulpcore::db::one_of;
use pulpcore::error::Result;
use pulpcore::plugin::NewVersion;
use pulpcore::versions::find_or_make;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, OverStatement, Query, SelectStatement, WindowStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::advisory::{Outcome, resolve};
use crate::metadata::updateinfo::Advisory;
use crate::models::{RpmRepository, UpdateRecord, modulemd_packages, package, update_record};

/// Completes a version.
///
/// # Errors
/// [`pulpcore::error::Error::Conflict`] if two advisories contradict each other; if the database fails.
pub async fn complete(version: &mut NewVersion<'_>) -> Result<()> {
    follow_modules(version).await?;
    let row = RpmRepository::find_by_id(version.repository().pulp_id).one(&**version.tx()).await?;
    let keep = row.map_or(0, |row| row.retain_package_versions);
    if keep > 0 {
        version.remove_selected(older_than(version.content_ids(), keep)).await?;
    }
    settle_advisories(version).await
}

/// Packages of modules that came come with them; packages of modules that went go with them, unless another module that
/// stays holds them.
async fn follow_modules(version: &mut NewVersion<'_>) -> Result<()> {
    let went = packages_of(version.removed_ids());
    let stay = packages_of(version.content_ids());
    let gone = Query::select()
        .column(package::Column::ContentPtrId)
        .from(package::Entity)
        .and_where(package::Column::ContentPtrId.in_subquery(went))
        .and_where(package::Column::ContentPtrId.not_in_subquery(stay))
        .take();
    version.remove_selected(gone).await?;
    version.add_selected(packages_of(version.added_ids())).await
}

fn packages_of(modules: SelectStatement) -> SelectStatement {
    Query::select()
        .column(modulemd_packages::Column::PackageId)
        .from(modulemd_packages::Entity)
        .and_where(modulemd_packages::Column::ModulemdId.in_subquery(modules))
        .take()
}

/// Of some packages, those of which there are `keep` newer versions for the same architecture. What modules hold is left
/// alone.
pub fn older_than(units: SelectStatement, keep: i64) -> SelectStatement {
    ranked(units, keep, false)
}

/// The same, whether modules hold them or not.
pub fn older_than_all(units: SelectStatement, keep: i64) -> SelectStatement {
    ranked(units, keep, true)
}

fn ranked(units: SelectStatement, keep: i64, modular: bool) -> SelectStatement {
    use package::Column as C;
    let mut window = WindowStatement::new();
    window.partition_by_columns([C::Name, C::Arch]).order_by(C::Evr, Order::Desc);
    let mut ages = Query::select();
    ages.column(C::ContentPtrId)
        .expr_window_as(Expr::cust("DENSE_RANK()"), window, Alias::new("age"))
        .from(package::Entity)
        .and_where(C::ContentPtrId.in_subquery(units));
    if !modular {
        ages.and_where(C::IsModular.eq(false));
    }
    Query::select()
        .column(C::ContentPtrId)
        .from_subquery(ages, Alias::new("ages"))
        .and_where(Expr::col(Alias::new("age")).gt(keep))
        .take()
}

#[derive(Debug, FromQueryResult)]
struct Name {
    id: String,
}

/// Decides between advisories with one name, newcomers against what is there.
async fn settle_advisories(version: &mut NewVersion<'_>) -> Result<()> {
    use update_record::Column as C;
    let names = Query::select()
        .column(C::Id)
        .from(UpdateRecord)
        .and_where(C::ContentPtrId.in_subquery(version.content_ids()))
        // Only where there is a newcomer among them.
        .and_where(
            C::Id.in_subquery(
                Query::select()
                    .column(C::Id)
                    .from(UpdateRecord)
                    .and_where(C::ContentPtrId.in_subquery(version.added_ids()))
                    .take(),
            ),
        )
        .group_by_col(C::Id)
        .and_having(Expr::cust("COUNT(*) > 1"))
        .take();
    let backend = version.tx().get_database_backend();
    let names = Name::find_by_statement(backend.build(&names)).all(&**version.tx()).await?;
    for names in names.chunks(100) {
        let rivals = UpdateRecord::find()
            .filter(one_of(&**version.tx(), C::Id, names.iter().map(|name| name.id.as_str())))
            .filter(C::ContentPtrId.in_subquery(version.content_ids()))
            .order_by_asc(C::ContentPtrId)
            .all(&**version.tx())
            .await?;
        let added = added(version, &rivals).await?;
        let mut by_name: BTreeMap<String, Vec<update_record::Model>> = BTreeMap::new();
        for row in rivals {
            by_name.entry(row.id.clone()).or_default().push(row);
        }
        for (_, mut rivals) in by_name {
            // What is there goes first.
            rivals.sort_by_key(|row| added.contains(&row.content_ptr_id));
            settle(version, rivals).await?;
        }
    }
    Ok(())
}

/// Which of some advisories are new in the version.
async fn added(version: &NewVersion<'_>, rows: &[update_record::Model]) -> Result<Vec<Uuid>> {
    let found = UpdateRecord::find()
        .filter(one_of(&**version.tx(), update_record::Column::ContentPtrId, rows.iter().map(|row| row.content_ptr_id)))
        .filter(update_record::Column::ContentPtrId.in_subquery(version.added_ids()))
        .all(&**version.tx())
        .await?;
    Ok(found.into_iter().map(|row| row.content_ptr_id).collect())
}

/// Leaves one of some advisories with one name in the version.
async fn settle(version: &mut NewVersion<'_>, rivals: Vec<update_record::Model>) -> Result<()> {
    let all: Vec<Uuid> = rivals.iter().map(|row| row.content_ptr_id).collect();
    // The key of the winner, while it is one of those that are there.
    let mut winner: Option<(Option<Uuid>, Advisory)> = None;
    for rival in rivals {
        let id = rival.content_ptr_id;
        let newcomer = rival.advisory()?;
        winner = Some(match winner {
            None => (Some(id), newcomer),
            Some((known, there)) => match resolve(&there, &newcomer)? {
                Outcome::Keep => (known, there),
                Outcome::Replace => (Some(id), newcomer),
                Outcome::Merge(merged) => (None, *merged),
            },
        });
    }
    let Some((id, advisory)) = winner else { return Ok(()) };
    let id = match id {
        Some(id) => id,
        None => {
            let (domain, row) = (version.repository().pulp_domain_id, update_record::Model::of(&advisory)?);
            find_or_make::<UpdateRecord>(version.tx(), domain, row).await?.0
        }
    };
    let losers: Vec<Uuid> = all.into_iter().filter(|other| *other != id).collect();
    version.remove(&losers).await?;
    version.add(&[id]).await
}
