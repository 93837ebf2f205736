//! Mirroring to the byte: a version is published with the remote's own metadata, where the remote has it.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures::stream;
use pulpcore::db::one_of;
use pulpcore::error::{Error, Result, Upstream};
use pulpcore::models::{content_artifact, repository_version};
use pulpcore::plugin::{Publisher, TaskCx};
use pulpcore::sync::Session;
use pulpcore::sync::download::{Request, fetch};
use pulpcore::versions;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::metadata::Metadata;
use super::place::Place;
use super::taking::Locations;
use crate::metadata::repomd::{KEY, REPOMD, SIGNATURE};
use crate::models::{Package, RpmPublication, package, publication, repository};

/// Files beside `repomd.xml` that are mirrored if they are there: its signature, and the key of that.
///
/// # Errors
/// [`Error::Upstream`] if the remote fails otherwise than by not having them.
pub(crate) async fn signatures(
    session: &Session,
    place: &Place,
    proven: Option<Bytes>,
) -> Result<Vec<(&'static str, Bytes)>> {
    let mut found = Vec::new();
    let absent = match proven {
        Some(signature) => {
            found.push((SIGNATURE, signature));
            &[KEY][..]
        }
        None => &[SIGNATURE, KEY],
    };
    for path in absent.iter().copied() {
        let request = Request::get(place.url(path)?);
        match fetch(session.downloader(), request, |download| download.bytes(1 << 20)).await {
            Ok(bytes) => found.push((path, bytes)),
            Err(Error::Upstream { problem: Upstream::Status(400..=499), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// How many files are looked up at a time.
const PAGE: u64 = 2000;

/// Publishes a version with the remote's own metadata, at the paths that it names. The task returns the version, as in Pulp.
///
/// # Errors
/// If the database or the storage fails.
pub(crate) async fn publish(
    cx: &TaskCx,
    version: repository_version::Model,
    repository: &repository::Model,
    metadata: Metadata,
    locations: Locations,
    extras: Vec<(&'static str, Bytes)>,
) -> Result<()> {
    let signed = extras.iter().any(|(path, _)| *path == SIGNATURE);
    let mut publisher = Publisher::new(cx, version.clone());
    publisher.add(REPOMD, stream::iter([Ok(metadata.bytes.clone())])).await?;
    for (path, bytes) in extras {
        publisher.add(path, stream::iter([Ok(bytes)])).await?;
    }
    let mut listed = HashSet::new();
    for record in &metadata.repomd.records {
        if let Some(file) = metadata.files.get(&record.kind).filter(|_| listed.insert(&record.location_href)) {
            publisher.add(&record.location_href, file.read().await?.body).await?;
        }
    }
    list_packages(cx, &version, &locations, &mut publisher).await?;
    let flag = |name: &str| {
        let value = repository.repo_config.get(name);
        value.is_some_and(|value| value == 1 || value == "1" || value == true)
    };
    let row = publication::Model {
        checksum_type: "unknown".to_owned(),
        compression_type: None,
        layout: None,
        repo_config: serde_json::json!({
            "repo_gpgcheck": i32::from(signed && flag("repo_gpgcheck")),
            "gpgcheck": i32::from(flag("gpgcheck")),
        }),
        ..publication::Model::default()
    };
    publisher.complete::<RpmPublication>(row).await?;
    versions::returns(cx, &version).await
}

/// Lists a version's packages where the metadata says that they are.
async fn list_packages(
    cx: &TaskCx,
    version: &repository_version::Model,
    locations: &Locations,
    publisher: &mut Publisher<'_>,
) -> Result<()> {
    let mut after = Uuid::nil();
    loop {
        let page: Vec<(Uuid, String)> = Package::find()
            .select_only()
            .columns([package::Column::ContentPtrId, package::Column::PkgId])
            .filter(package::Column::ContentPtrId.gt(after))
            .filter(package::Column::ContentPtrId.in_subquery(version.content_ids()))
            .order_by_asc(package::Column::ContentPtrId)
            .limit(PAGE)
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let digests: HashMap<Uuid, String> = page.into_iter().collect();
        let db = cx.db().read();
        let files: Vec<(Uuid, Uuid)> = content_artifact::Entity::find()
            .select_only()
            .columns([content_artifact::Column::PulpId, content_artifact::Column::ContentId])
            .filter(one_of(db, content_artifact::Column::ContentId, digests.keys().copied()))
            .into_tuple()
            .all(db)
            .await?;
        for (file, unit) in files {
            for path in digests.get(&unit).and_then(|digest| locations.get(digest)).into_iter().flatten() {
                publisher.list(path.clone(), file);
            }
        }
    }
}
