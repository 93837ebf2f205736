//! Links of units to units: the digests of a page of rows, resolved by one query each kind.

use std::collections::HashMap;

use pulpcore::api::reader::Reader;
use pulpcore::db::{rows, rows_per_statement};
use pulpcore::error::Result;
use pulpcore::models::remote;
use pulpcore::plugin::Detail;
use sea_orm::FromQueryResult;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::blob_manifest::CONFIG;
use super::{Blob, ContainerDistribution, Manifest};
use crate::sql::Sql;

/// Core's fields for units that clients upload, and the file: those of units that have neither.
pub(super) const WITHOUT_FILE: &[&str] = &[
    "artifact",
    "repository",
    "overwrite",
    "file",
    "upload",
    "file_url",
    "downloader_config",
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
];

/// The same for units that have a file.
pub(super) const WITHOUT_UPLOAD: &[&str] = WITHOUT_FILE.split_at(1).1;

type Object = Map<String, Value>;

/// What a row refers to: the key of either.
#[derive(Debug, FromQueryResult)]
struct Link {
    owner: Uuid,
    target: Uuid,
    position: i64,
}

/// The links of many rows: each query has `{owners}` where the list of owners goes, and `$1` is the domain.
async fn links(reader: &Reader, sql: &str, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<Link>>> {
    let mut found: HashMap<Uuid, Vec<Link>> = HashMap::new();
    for keys in keys.chunks(rows_per_statement(1)) {
        let mut bound = Sql::default();
        bound.bind(reader.app.domain);
        let sql = sql.replace("{owners}", &bound.list(keys.iter().copied()));
        for link in rows::<Link>(reader.app.db.read(), &sql, bound.values).await? {
            found.entry(link.owner).or_default().push(link);
        }
    }
    Ok(found)
}

/// The addresses that some links lead to, each once.
fn hrefs<'a, D: Detail>(reader: &Reader, links: impl Iterator<Item = &'a Link>) -> Vec<String> {
    let mut hrefs = Vec::new();
    for link in links {
        let href = reader.href_of::<D>(link.target);
        if !hrefs.contains(&href) {
            hrefs.push(href);
        }
    }
    hrefs
}

/// `listed_manifests`, `config_blob` and `blobs`.
pub(super) async fn of_manifests(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Object>> {
    let listed = "SELECT r.list_id AS owner, m.content_ptr_id AS target, r.position AS position \
                  FROM container_manifestlistmanifest r \
                  JOIN container_manifest m ON m.pulp_domain_id = $1 AND m.digest = r.digest \
                  WHERE r.list_id IN ({owners}) ORDER BY r.list_id, r.position";
    let blobs = "SELECT r.manifest_id AS owner, b.content_ptr_id AS target, r.position AS position \
                 FROM container_blobmanifest r \
                 JOIN container_blob b ON b.pulp_domain_id = $1 AND b.digest = r.digest \
                 WHERE r.manifest_id IN ({owners}) ORDER BY r.manifest_id, r.position";
    let (listed, blobs) = (links(reader, listed, keys).await?, links(reader, blobs, keys).await?);
    let fields = |key: &Uuid| {
        let listed = listed.get(key).into_iter().flatten();
        let (config, layers): (Vec<_>, Vec<_>) =
            blobs.get(key).into_iter().flatten().partition(|link| link.position == CONFIG);
        object(json!({
            "listed_manifests": hrefs::<Manifest>(reader, listed),
            "config_blob": config.first().map(|link| reader.href_of::<Blob>(link.target)),
            "blobs": hrefs::<Blob>(reader, layers.into_iter()),
        }))
    };
    Ok(keys.iter().map(fields).collect())
}

/// `tagged_manifest`.
pub(super) async fn of_tags(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Object>> {
    let sql = "SELECT t.content_ptr_id AS owner, m.content_ptr_id AS target, CAST(0 AS BIGINT) AS position \
               FROM container_tag t JOIN container_manifest m ON m.pulp_domain_id = $1 AND m.digest = t.tagged_digest \
               WHERE t.content_ptr_id IN ({owners})";
    one_manifest(reader, sql, keys, "tagged_manifest").await
}

/// `signed_manifest`.
pub(super) async fn of_signatures(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Object>> {
    let sql = "SELECT s.content_ptr_id AS owner, m.content_ptr_id AS target, CAST(0 AS BIGINT) AS position \
               FROM container_manifestsignature s \
               JOIN container_manifest m ON m.pulp_domain_id = $1 AND m.digest = s.signed_digest \
               WHERE s.content_ptr_id IN ({owners})";
    one_manifest(reader, sql, keys, "signed_manifest").await
}

async fn one_manifest(reader: &Reader, sql: &str, keys: &[Uuid], field: &str) -> Result<Vec<Object>> {
    let found = links(reader, sql, keys).await?;
    let href = |key: &Uuid| found.get(key)?.first().map(|link| reader.href_of::<Manifest>(link.target));
    Ok(keys.iter().map(|key| object(json!({ (field): href(key) }))).collect())
}

/// A distribution, and what its fields are made of.
#[derive(Debug, FromQueryResult)]
struct Distributed {
    id: Uuid,
    base_path: String,
    remote_id: Option<Uuid>,
    namespace_id: Option<Uuid>,
}

async fn distributed(reader: &Reader, table: &str, keys: &[Uuid]) -> Result<HashMap<Uuid, Distributed>> {
    let mut found = HashMap::new();
    for keys in keys.chunks(rows_per_statement(1)) {
        let mut bound = Sql::default();
        let keys = bound.list(keys.iter().copied());
        let sql = format!(
            "SELECT d.pulp_id AS id, d.base_path AS base_path, d.remote_id AS remote_id, c.namespace_id AS namespace_id \
             FROM core_distribution d JOIN {table} c ON c.distribution_ptr_id = d.pulp_id WHERE d.pulp_id IN ({keys})"
        );
        let rows: Vec<Distributed> = rows(reader.app.db.read(), &sql, bound.values).await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

/// `registry_path`, `remote` and `namespace`.
pub(super) async fn of_distributions(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Object>> {
    let found = distributed(reader, "container_containerdistribution", keys).await?;
    let remotes = reader.hrefs::<remote::Entity>(found.values().filter_map(|row| row.remote_id)).await?;
    let origin = reader.app.settings.content_origin();
    let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned();
    let fields = |key: &Uuid| {
        let row = found.get(key);
        object(json!({
            "registry_path": row.map(|row| format!("{host}/{}", row.base_path)),
            "remote": row.and_then(|row| remotes.get(&row.remote_id?)),
            "namespace": row.and_then(|row| namespace(reader, row)),
        }))
    };
    Ok(keys.iter().map(fields).collect())
}

/// `distributions` and `namespace`.
pub(super) async fn of_pull_through_distributions(reader: &Reader, keys: &[Uuid]) -> Result<Vec<Object>> {
    let sql = "SELECT c.pull_through_distribution_id AS owner, c.distribution_ptr_id AS target, \
                 CAST(0 AS BIGINT) AS position \
               FROM container_containerdistribution c \
               JOIN core_distribution d ON d.pulp_id = c.distribution_ptr_id AND d.pulp_domain_id = $1 \
               WHERE c.pull_through_distribution_id IN ({owners}) ORDER BY c.distribution_ptr_id";
    let made = links(reader, sql, keys).await?;
    let found = distributed(reader, "container_containerpullthroughdistribution", keys).await?;
    let fields = |key: &Uuid| {
        object(json!({
            "distributions": hrefs::<ContainerDistribution>(reader, made.get(key).into_iter().flatten()),
            "namespace": found.get(key).and_then(|row| namespace(reader, row)),
        }))
    };
    Ok(keys.iter().map(fields).collect())
}

fn namespace(reader: &Reader, row: &Distributed) -> Option<String> {
    Some(format!("{}pulp_container/namespaces/{}/", reader.root, row.namespace_id?))
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
