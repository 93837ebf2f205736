//! The composite guard: whomever any guard of a list lets in.
//!
//! As in Pulp, an empty list lets everybody in. Composites may hold composites; each guard below them is asked at most
//! once about a request, and [`MOST_ASKED`] of them at most.

use std::collections::{BTreeSet, HashMap};

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::reader::Reader;
use crate::api::schema::markers::Uri;
use crate::api::shape;
use crate::app::App;
use crate::db::{WriteTx, one_of};
use crate::error::{Error, Result};
use crate::models::content_guard;
use crate::plugin::{Beside, ContentGuard, Detail, GuardRequest, MOST_ASKED, Noun, register};
use crate::refs::Link;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "core_compositecontentguard")]
pub(crate) struct Model {
    /// The guard's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) contentguard_ptr_id: Uuid,
}

/// Relations are spelled out where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Which guards a composite holds.
pub(crate) mod held {
    use sea_orm::entity::prelude::*;

    /// One row.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "core_compositecontentguard_guards")]
    pub(crate) struct Model {
        /// The composite.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) compositecontentguard_id: Uuid,
        /// A guard that it holds.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) contentguard_id: Uuid,
    }

    /// Relations are spelled out where they are used.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A composite guard.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CompositeContentGuard)]
pub(crate) struct Body {
    /// List of ContentGuards to ask for access-permission.
    #[serde(default, skip_serializing_if = "shape::unseen")]
    #[schema(value_type = Vec<Uri>)]
    guards: Vec<Link<content_guard::Entity>>,
}

impl Detail for Entity {
    type Master = content_guard::Entity;
    const TYPE: &'static str = "core.composite";
    const MODEL: &'static str = "CompositeContentGuard";
    const ENDPOINT: &'static str = "composite";
    type Body = Body;

    fn read(_row: &Model) -> Body {
        Body::default()
    }

    fn write(_row: &mut Model, _body: Body) {}
}

impl ContentGuard for Entity {
    type Compiled = Vec<Uuid>;

    async fn compile(app: &App, row: &Model) -> Result<Vec<Uuid>> {
        below(app, &[row.contentguard_ptr_id]).await
    }

    /// Whoever is let in by none of them is asked to log in if that might help; and if one of them could not be asked, nobody
    /// knows whether it would have let them in.
    async fn permit(app: &App, guards: &Vec<Uuid>, request: &GuardRequest<'_>) -> Result<()> {
        let mut refusal = None;
        for guard in guards {
            match app.guards.ask(app, *guard, request).await {
                Ok(()) => return Ok(()),
                Err(error) if refusal.as_ref().is_none_or(|known| weight(&error) > weight(known)) => {
                    refusal = Some(error);
                }
                Err(_) => {}
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

fn weight(refusal: &Error) -> u8 {
    match refusal {
        Error::PermissionDenied => 0,
        Error::Unauthenticated | Error::BadCredentials => 1,
        _ => 2,
    }
}

register!(Noun::content_guard::<Entity>().with_beside(Beside {
    read: |reader, ids| Box::pin(read(reader, ids)),
    check: |app, id, body| Box::pin(check(app, id, body)),
    write: |tx, id, body, _user| Box::pin(write(tx, id, body)),
}));

async fn read(reader: &Reader, ids: &[Uuid]) -> Result<Vec<String>> {
    let db = reader.app.db.read();
    let all = held::Entity::find()
        .filter(one_of(db, held::Column::CompositecontentguardId, ids.iter().copied()))
        .order_by_asc(held::Column::ContentguardId)
        .all(db)
        .await?;
    let hrefs = reader.hrefs::<content_guard::Entity>(all.iter().map(|row| row.contentguard_id)).await?;
    let mut guards = HashMap::<Uuid, Vec<&String>>::new();
    for row in &all {
        guards.entry(row.compositecontentguard_id).or_default().extend(hrefs.get(&row.contentguard_id));
    }
    Ok(ids.iter().map(|id| json!({ "guards": guards.get(id).map_or(&[][..], Vec::as_slice) }).to_string()).collect())
}

async fn check(app: &App, id: Option<Uuid>, body: &Map<String, Value>) -> Result<()> {
    let guards = given(body)?;
    if guards.len() > MOST_ASKED {
        return Err(Error::invalid("guards", format!("Ensure this field has no more than {MOST_ASKED} elements.")));
    }
    let known = content_guard::Entity::find()
        .filter(one_of(app.db.read(), content_guard::Column::PulpId, guards.iter().copied()))
        .count(app.db.read())
        .await?;
    if known < guards.len() as u64 {
        return Err(Error::missing("guards"));
    }
    // Two changes at once may still make a circle; asking them ends all the same.
    let mut found = guards.clone();
    let mut next: Vec<Uuid> = guards.into_iter().collect();
    while !next.is_empty() && found.len() <= MOST_ASKED {
        next = below(app, &next).await?;
        next.retain(|guard| found.insert(*guard));
    }
    if id.is_some_and(|id| found.contains(&id)) {
        return Err(Error::invalid("guards", "A guard may not be among those that it asks, itself or through others."));
    }
    if found.len() >= MOST_ASKED {
        return Err(Error::invalid("guards", format!("These guards would ask {MOST_ASKED} guards or more.")));
    }
    Ok(())
}

async fn write(tx: &WriteTx, id: Uuid, body: &Map<String, Value>) -> Result<()> {
    held::Entity::delete_many().filter(held::Column::CompositecontentguardId.eq(id)).exec(&**tx).await?;
    let rows: Vec<_> = given(body)?
        .into_iter()
        .map(|guard| held::ActiveModel {
            compositecontentguard_id: sea_orm::ActiveValue::Set(id),
            contentguard_id: sea_orm::ActiveValue::Set(guard),
        })
        .collect();
    if !rows.is_empty() {
        held::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    }
    Ok(())
}

/// The guards that a body names, each once.
fn given(body: &Map<String, Value>) -> Result<BTreeSet<Uuid>> {
    let Some(guards) = body.get("guards") else { return Ok(BTreeSet::new()) };
    let guards: Vec<Link<content_guard::Entity>> = serde_json::from_value(guards.clone())?;
    Ok(guards.into_iter().map(|guard| guard.id).collect())
}

/// The guards that any of these composites holds.
async fn below(app: &App, composites: &[Uuid]) -> Result<Vec<Uuid>> {
    let guards = held::Entity::find()
        .select_only()
        .column(held::Column::ContentguardId)
        .distinct()
        .filter(one_of(app.db.read(), held::Column::CompositecontentguardId, composites.iter().copied()))
        .order_by_asc(held::Column::ContentguardId)
        .into_tuple()
        .all(app.db.read())
        .await?;
    Ok(guards)
}
