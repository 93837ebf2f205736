//! Where the things are that tasks made: hrefs and PRNs for a page of tasks, looked up together.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::api::reader::{Reader, key_of};
use crate::db::one_of;
use crate::error::Result;
use crate::models::{
    artifact, content, content_guard, created_resource, distribution, domain, publication, remote, repository, task,
    upload,
};
use crate::plugin::Family;
use crate::refs::{VERSION_MODEL, prn};
use crate::registry;

/// The hrefs of what is still there, by key.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<Uuid, String>);

impl Links {
    /// The href and the PRN of a thing; `None` if it is gone.
    pub(super) fn of(&self, resource: &created_resource::Model) -> Option<(String, String)> {
        let id = Uuid::parse_str(&resource.object_id).ok()?;
        Some((self.0.get(&id)?.clone(), prn(&resource.model, id)))
    }
}

/// Looks up all of these: one query a kind of thing.
pub(super) async fn links(
    reader: &Reader,
    created: impl IntoIterator<Item = &created_resource::Model>,
) -> Result<Links> {
    let mut by_model = BTreeMap::<&str, Vec<Uuid>>::new();
    for resource in created {
        by_model.entry(&resource.model).or_default().extend(Uuid::parse_str(&resource.object_id).ok());
    }
    let mut links = Links::default();
    for (model, ids) in by_model {
        links.0.extend(match model {
            VERSION_MODEL => reader.version_hrefs(ids).await?.into_iter().map(|(id, (href, _))| (id, href)).collect(),
            "core.artifact" => own::<artifact::Entity>(reader, "artifacts", &ids).await?,
            "core.domain" => own::<domain::Entity>(reader, "domains", &ids).await?,
            "core.task" => own::<task::Entity>(reader, "tasks", &ids).await?,
            "core.upload" => own::<upload::Entity>(reader, "uploads", &ids).await?,
            // What a plugin made that this build lacks has no address here.
            _ => match registry::get().noun_of_model(model).map(|noun| noun.family) {
                Some(Family::Content) => reader.hrefs::<content::Entity>(ids).await?,
                Some(Family::Repository) => reader.hrefs::<repository::Entity>(ids).await?,
                Some(Family::Remote) => reader.hrefs::<remote::Entity>(ids).await?,
                Some(Family::Publication) => reader.hrefs::<publication::Entity>(ids).await?,
                Some(Family::Distribution) => reader.hrefs::<distribution::Entity>(ids).await?,
                Some(Family::ContentGuard) => reader.hrefs::<content_guard::Entity>(ids).await?,
                None => HashMap::new(),
            },
        });
    }
    Ok(links)
}

/// The hrefs of core's own things.
async fn own<E: EntityTrait>(reader: &Reader, collection: &str, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    #[derive(FromQueryResult)]
    struct Found {
        pulp_id: Uuid,
    }
    let db = reader.app.db.read();
    let found = E::find()
        .select_only()
        .column(key_of::<E>())
        .filter(one_of(db, key_of::<E>(), ids.iter().copied()))
        .into_model::<Found>()
        .all(db)
        .await?;
    let href = |row: Found| (row.pulp_id, format!("{}{collection}/{}/", reader.root, row.pulp_id));
    Ok(found.into_iter().map(href).collect())
}
