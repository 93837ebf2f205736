//! The metadata beside the packages: advisories, modules, groups, and files that are passed on as they are.

use async_stream::try_stream;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use pulpcore::db::one_of;
use pulpcore::error::Result;
use pulpcore::models::{artifact, content_artifact, repository_version};
use pulpcore::plugin::{Publisher, TaskCx};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use super::writing::{self, Written};
use crate::compression::Compression;
use crate::metadata::comps::{Category, Comps, Environment, Group};
use crate::metadata::repository::Options;
use crate::metadata::updateinfo;
use crate::models::{
    Modulemd, ModulemdDefaults, ModulemdObsolete, PackageCategory, PackageEnvironment, PackageGroup, PackageLangpacks,
    RepoMetadataFile, UpdateRecord, modulemd, modulemd_defaults, modulemd_obsolete, package_category,
    package_environment, package_group, package_langpacks, repo_metadata_file, update_record,
};

/// How many units are read from the database at a time: an advisory may name a thousand packages.
const PAGE: usize = 100;

/// Kinds of files that nothing is made of any more; versions of old may hold them.
const WITHOUT_USE: [&str; 2] = ["prestodelta", "deltainfo"];

/// Writes what there is, in the order in which Pulp lists it.
pub(super) async fn write(
    cx: &TaskCx,
    publisher: &Publisher<'_>,
    version: &repository_version::Model,
    options: Options,
    files: &mut Vec<Written>,
) -> Result<()> {
    let plain = Options { compression: Compression::None, ..options };
    if let Some(text) = advisories(cx, version).await? {
        files.push(writing::file(publisher, ("updateinfo", "updateinfo.xml"), options, text).await?);
    }
    if let Some(text) = modules(cx, version).await? {
        files.push(writing::file(publisher, ("modules", "modules.yaml"), plain, text).await?);
    }
    let comps = comps(cx, version).await?;
    if !comps.is_empty() {
        let text = stream::iter([Ok(Bytes::from(comps.to_string()))]);
        files.push(writing::file(publisher, ("group", "comps.xml"), plain, text).await?);
    }
    for (row, artifact) in passed_on(cx, version).await? {
        let body = cx.storage().read(&artifact.file, None).await?.body;
        files.push(writing::file(publisher, (row.data_type.as_str(), name(&row).as_str()), plain, body).await?);
    }
    Ok(())
}

/// The keys of a version's units of one kind, in the order of a column. The column holds digits and letters of one case: of
/// others, databases have orders of their own.
async fn keys<E: EntityTrait>(
    cx: &TaskCx,
    version: &repository_version::Model,
    key: E::Column,
    order: E::Column,
) -> Result<Vec<Uuid>> {
    let select = E::find().select_only().column(key).filter(key.in_subquery(version.content_ids()));
    Ok(select.order_by_asc(order).order_by_asc(key).into_tuple().all(cx.db().read()).await?)
}

/// The units with these keys, a page after the other; their order within a page is `order`'s.
fn pages<E, K>(
    cx: TaskCx,
    keys: Vec<Uuid>,
    key: E::Column,
    order: impl Fn(&E::Model) -> K + Send,
) -> impl Stream<Item = Result<Vec<E::Model>>> + Send
where
    E: EntityTrait,
    E::Model: Send + Sync,
    K: Ord,
{
    try_stream! {
        let db = cx.db().read();
        for page in keys.chunks(PAGE) {
            let mut rows = E::find().filter(one_of(db, key, page.iter().copied())).all(db).await?;
            rows.sort_by_cached_key(&order);
            yield rows;
        }
    }
}

/// The text of `updateinfo`; none if there are no advisories.
async fn advisories(
    cx: &TaskCx,
    version: &repository_version::Model,
) -> Result<Option<impl Stream<Item = Result<Bytes>> + Send + use<>>> {
    use update_record::Column as C;

    let keys = keys::<UpdateRecord>(cx, version, C::ContentPtrId, C::Digest).await?;
    if keys.is_empty() {
        return Ok(None);
    }
    let pages = pages::<UpdateRecord, _>(cx.clone(), keys, C::ContentPtrId, |row| row.digest.clone());
    let fixed = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    let pages = pages.map(|page| page.and_then(records));
    Ok(Some(fixed(updateinfo::BEGIN).chain(pages).chain(fixed(updateinfo::END))))
}

fn records(rows: Vec<update_record::Model>) -> Result<Bytes> {
    let mut text = String::new();
    for row in rows {
        updateinfo::push(&mut text, &row.advisory()?);
    }
    Ok(Bytes::from(text))
}

/// The text of `modules`: the documents as they came; none if there are none.
async fn modules(
    cx: &TaskCx,
    version: &repository_version::Model,
) -> Result<Option<impl Stream<Item = Result<Bytes>> + Send + use<>>> {
    use modulemd::Column as M;
    use modulemd_defaults::Column as D;
    use modulemd_obsolete::Column as O;

    let modules = keys::<Modulemd>(cx, version, M::ContentPtrId, M::Digest).await?;
    let defaults = keys::<ModulemdDefaults>(cx, version, D::ContentPtrId, D::Digest).await?;
    let in_version = O::ContentPtrId.in_subquery(version.content_ids());
    let mut obsoletes = ModulemdObsolete::find().filter(in_version).all(cx.db().read()).await?;
    if modules.is_empty() && defaults.is_empty() && obsoletes.is_empty() {
        return Ok(None);
    }
    obsoletes.sort_unstable_by(|left, right| left.snippet.cmp(&right.snippet));
    let modules = pages::<Modulemd, _>(cx.clone(), modules, M::ContentPtrId, |row| row.digest.clone());
    let defaults = pages::<ModulemdDefaults, _>(cx.clone(), defaults, D::ContentPtrId, |row| row.digest.clone());
    let modules = modules.map(|page| Ok(lines(page?.into_iter().map(|row| row.snippet))));
    let defaults = defaults.map(|page| Ok(lines(page?.into_iter().map(|row| row.snippet))));
    let obsoletes = lines(obsoletes.into_iter().map(|row| row.snippet));
    Ok(Some(modules.chain(defaults).chain(stream::iter([Ok(obsoletes)]))))
}

fn lines(snippets: impl Iterator<Item = String>) -> Bytes {
    let mut text = String::new();
    for snippet in snippets {
        text.push_str(&snippet);
        text.push('\n');
    }
    Bytes::from(text)
}

/// Groups, categories, environments and language packs, in the order of their names.
async fn comps(cx: &TaskCx, version: &repository_version::Model) -> Result<Comps> {
    let db = cx.db().read();
    let groups = package_group::Column::ContentPtrId.in_subquery(version.content_ids());
    let categories = package_category::Column::ContentPtrId.in_subquery(version.content_ids());
    let environments = package_environment::Column::ContentPtrId.in_subquery(version.content_ids());
    let langpacks = package_langpacks::Column::ContentPtrId.in_subquery(version.content_ids());
    let mut comps = Comps::default();
    for row in PackageGroup::find().filter(groups).all(db).await? {
        comps.groups.push(group(row)?);
    }
    for row in PackageCategory::find().filter(categories).all(db).await? {
        comps.categories.push(category(row)?);
    }
    for row in PackageEnvironment::find().filter(environments).all(db).await? {
        comps.environments.push(environment(row)?);
    }
    for row in PackageLangpacks::find().filter(langpacks).all(db).await? {
        comps.langpacks.extend(row.matches.read::<std::collections::BTreeMap<String, String>>()?);
    }
    comps.groups.sort_by(|left, right| left.id.cmp(&right.id));
    comps.categories.sort_by(|left, right| left.id.cmp(&right.id));
    comps.environments.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(comps)
}

fn group(row: package_group::Model) -> Result<Group> {
    Ok(Group {
        id: row.id,
        default: row.default,
        user_visible: row.user_visible,
        display_order: row.display_order,
        name: row.name,
        description: row.description,
        packages: row.packages.read()?,
        biarch_only: row.biarch_only,
        desc_by_lang: row.desc_by_lang.read()?,
        name_by_lang: row.name_by_lang.read()?,
    })
}

fn category(row: package_category::Model) -> Result<Category> {
    Ok(Category {
        id: row.id,
        name: row.name,
        description: row.description,
        display_order: row.display_order,
        group_ids: row.group_ids.read()?,
        desc_by_lang: row.desc_by_lang.read()?,
        name_by_lang: row.name_by_lang.read()?,
    })
}

fn environment(row: package_environment::Model) -> Result<Environment> {
    Ok(Environment {
        id: row.id,
        name: row.name,
        description: row.description,
        display_order: row.display_order,
        group_ids: row.group_ids.read()?,
        option_ids: row.option_ids.read()?,
        desc_by_lang: row.desc_by_lang.read()?,
        name_by_lang: row.name_by_lang.read()?,
    })
}

/// Files of metadata that are passed on, with their bytes, in the order of their kinds.
async fn passed_on(
    cx: &TaskCx,
    version: &repository_version::Model,
) -> Result<Vec<(repo_metadata_file::Model, artifact::Model)>> {
    use repo_metadata_file::Column as C;

    let db = cx.db().read();
    let mut rows = RepoMetadataFile::find()
        .filter(C::ContentPtrId.in_subquery(version.content_ids()))
        .filter(C::DataType.is_not_in(WITHOUT_USE))
        .all(db)
        .await?;
    rows.sort_unstable_by(|left, right| (&left.data_type, &left.checksum).cmp(&(&right.data_type, &right.checksum)));
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // A repository holds one of each kind, and there are a few kinds.
        let file = content_artifact::Entity::find()
            .filter(content_artifact::Column::ContentId.eq(row.content_ptr_id))
            .filter(content_artifact::Column::ArtifactId.is_not_null())
            .one(db)
            .await?;
        if let Some(id) = file.and_then(|file| file.artifact_id)
            && let Some(artifact) = artifact::Entity::find_by_id(id).one(db).await?
        {
            found.push((row, artifact));
        }
    }
    Ok(found)
}

/// What a file is called without its folder and its checksum.
fn name(row: &repo_metadata_file::Model) -> String {
    let name = row.relative_path.rsplit('/').next().unwrap_or_default();
    let rest = match name.split_once('-') {
        Some((before, rest)) if before.eq_ignore_ascii_case(&row.checksum) => rest,
        _ => name,
    };
    if rest.is_empty() { row.data_type.clone() } else { rest.to_owned() }
}
