//! Walks over packages and modules, page by page: what they provide, and what they require.

use std::collections::HashSet;

use pulpcore::error::Result;
use pulpcore::models::repository_version;
use pulpcore::plugin::TaskCx;
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::modules;
use super::needs::Offer;
use crate::json::Raw;
use crate::models::package::{Column as C, Entity};
use crate::package::{Dependency, File};
use crate::sql::page;

/// What a package or a module is, besides what it offers.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) evr: String,
    pub(super) arch: String,
}

/// Shows what units provide, and which of the wanted paths they have. Source packages provide nothing: nobody installs them
/// for what is in them.
///
/// # Errors
/// Those of `see`; if the database fails.
pub(super) async fn each_offer(
    cx: &TaskCx,
    units: &SelectStatement,
    wanted: &HashSet<String>,
    mut see: impl FnMut(Found, &Offer) -> Result<()>,
) -> Result<()> {
    modules::walk(cx, units, &mut see).await?;
    let mut after = Uuid::nil();
    loop {
        let mut select = page::<Entity>(C::ContentPtrId, units, after).columns([C::Name, C::Evr, C::Arch, C::Provides]);
        // The files of packages are long: they are read only if somebody asks for one.
        select = match wanted.is_empty() {
            true => select.expr_as(Expr::cust("'[]'"), "files"),
            false => select.column(C::Files),
        };
        let page: Vec<(Uuid, String, String, String, Raw, Raw)> =
            select.filter(C::Arch.is_not_in(["src", "nosrc"])).into_tuple().all(cx.db().read()).await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        for (id, name, evr, arch, provides, files) in page {
            let mut provides: Vec<Dependency> = provides.read()?;
            provides.push(modules::package_key(id));
            let paths = files.read::<Vec<File>>()?.into_iter().map(|file| file.folder + &file.name);
            let paths = paths.filter(|path| wanted.contains(path)).collect();
            see(Found { id, name, evr, arch }, &Offer { provides, paths })?;
        }
    }
}

/// Shows what units require, with their architectures. Of what modules hold only what `source` holds counts.
///
/// # Errors
/// Those of `see`; if the database fails.
pub(super) async fn each_requirement(
    cx: &TaskCx,
    units: &SelectStatement,
    source: Option<&repository_version::Model>,
    mut see: impl FnMut(Uuid, &str, &[Dependency]) -> Result<()>,
) -> Result<()> {
    modules::each_requirement(cx, units, source, &mut see).await?;
    let mut after = Uuid::nil();
    loop {
        let page: Vec<(Uuid, String, bool, Raw)> = page::<Entity>(C::ContentPtrId, units, after)
            .columns([C::Arch, C::IsModular, C::Requires])
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        let modular: Vec<Uuid> = page.iter().filter(|(_, _, modular, _)| *modular).map(|(id, ..)| *id).collect();
        let mut modules = match source {
            Some(source) if !modular.is_empty() => modules::of_packages(cx, &modular, source).await?,
            _ => Default::default(),
        };
        for (id, arch, _, requires) in page {
            let mut requires: Vec<Dependency> = requires.read()?;
            requires.extend(modules.remove(&id));
            see(id, &arch, &requires)?;
        }
    }
}
