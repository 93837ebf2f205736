//! Sync: what a remote's metadata describes becomes a version.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use pulpcore::api::bodies::yes;
use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{content_artifact, remote, repository_version};
use pulpcore::plugin::{Content, Locks, Publisher, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::sync::download::{Request, fetch};
use pulpcore::sync::{self, Session};
use pulpcore::versions;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::metadata::comps::{self, Comps};
use crate::metadata::modules::{self, Document};
use crate::metadata::packages::Packages;
use crate::metadata::updateinfo::Advisories;
use crate::models::package::KEPT_CHANGELOGS;
use crate::models::repository::{self, SyncDetails};
use crate::models::{
    Modulemd, ModulemdDefaults, ModulemdObsolete, Package, PackageCategory, PackageEnvironment, PackageGroup,
    PackageLangpacks, RepoMetadataFile, RpmPublication, RpmRemote, RpmRepository, UpdateRecord, modulemd_packages,
    publication, update_record,
};
use crate::nevra::Nevra;
use crate::package;
use crate::serializers::actions::{SkipType, SyncPolicy};
use crate::sync::metadata::Metadata;
use crate::sync::place::{Place, REPOMD};
use crate::sync::reading::{Waiting, apart, decompressed, records, text};
use crate::sync::selection::{Rules, Selection};
use crate::sync::units::{self, CompsUnits, declared};
use crate::sync::{bad, may_be_a_change};

/// Makes a repository hold what a remote's metadata describes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = rpm::Sync)]
pub struct Synchronize {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<RpmRepository>,
    /// The remote to sync from, instead of the repository's own.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<RpmRemote>>,
    /// How the repository follows the remote.
    #[serde(default)]
    #[schema(required = false)]
    pub sync_policy: SyncPolicy,
    /// What is left out.
    #[serde(default)]
    #[schema(required = false)]
    pub skip_types: Vec<SkipType>,
    /// Whether nothing is done if nothing changed since the last sync.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub optimize: bool,
}

/// How often a repository may change while it is read.
const ATTEMPTS: usize = 3;

impl Task for Synchronize {
    const TYPE: &'static str = "rpm/syncs";
    const NAME: &'static str = "pulp_rpm.app.tasks.synchronizing.synchronize";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let repository = self.repository.find(app.db.read(), "repository").await?;
        sync::settle_remote(app, &repository, &mut self.remote).await?;
        let row = RpmRepository::find_by_id(self.repository.id).one(app.db.read()).await?.unwrap_or_default();
        let refuse = |setting: &str, policies: &str| {
            let message = format!("Cannot use '{setting}' in combination with a {policies} sync policy.");
            Err(Error::invalid_bare(message))
        };
        if self.sync_policy.mirrors() && row.retain_package_versions > 0 {
            return refuse("retain_package_versions", "'mirror_complete' or 'mirror_content_only'");
        }
        if self.sync_policy == SyncPolicy::MirrorComplete && row.autopublish {
            return refuse("autopublish", "'mirror_complete'");
        }
        if self.sync_policy == SyncPolicy::MirrorComplete && !self.skip_types.is_empty() {
            return refuse("skip_types", "'mirror_complete'");
        }
        Ok(())
    }

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(&self.repository);
        self.remote.iter().fold(locks, Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let named = self.remote.as_ref().ok_or_else(|| Error::internal("a prepared task has its remote"))?;
        let remote = named.find(cx.db().read(), "remote").await?;
        let own = RpmRemote::find_by_id(named.id).one(cx.db().read()).await?;
        let own = own.ok_or_else(|| Error::internal("a remote of this kind has its row"))?;
        let repository = RpmRepository::find_by_id(self.repository.id).one(cx.db().read()).await?.unwrap_or_default();
        let session = Session::open(&cx, self.repository.id, &remote)?;
        let token = own.sles_auth_token.as_deref();
        let (place, repomd) = Place::find(session.downloader(), &remote.url, token).await?;
        let mut metadata = Metadata::open(&place, repomd)?;

        let mut details = self.details(&cx, &remote, &repository).await?;
        details.revision = metadata.repomd.revision.clone();
        details.repomd_checksum = metadata.checksum();
        let last = repository.last_sync_details.clone();
        if self.optimize && last.is_some_and(|last| covers(&last, &details)) {
            return cx.progress("Skipping Sync (no change from previous sync)", "sync.was_skipped").done(1).await;
        }

        let keep_versions = usize::try_from(repository.retain_package_versions).unwrap_or_default();
        let take = Take { task: &self, cx: &cx, session: &session, remote: &remote, place: &place, keep_versions };
        let mut attempt = 1;
        let taken = loop {
            let error = match take.all(&mut metadata).await {
                Ok(taken) => break taken,
                Err(error) if may_be_a_change(&error) && attempt < ATTEMPTS => error,
                Err(error) => return Err(error),
            };
            // It is one if `repomd.xml` is another one now.
            let now = place.repomd(session.downloader()).await?;
            if now == metadata.bytes {
                return Err(error);
            }
            tracing::info!(error = error.log(), attempt, "The repository was changed while it was synced.");
            session.forget().await?;
            metadata = Metadata::open(&place, now)?;
            attempt += 1;
        };
        details.revision = metadata.repomd.revision.clone();
        details.repomd_checksum = metadata.checksum();

        let extras = match self.sync_policy {
            SyncPolicy::MirrorComplete => signatures(&session, &place).await?,
            _ => Vec::new(),
        };
        let version = session.commit(self.sync_policy.mirrors()).await?;
        if let Some(version) = &version {
            details.most_recent_version = version.number;
        }
        self.remember(&cx, details).await?;
        if self.sync_policy == SyncPolicy::MirrorComplete {
            let version = match version {
                Some(version) => version,
                None => versions::latest(cx.db().read(), self.repository.id).await?,
            };
            return mirror(&cx, version, &repository, metadata, taken, extras).await;
        }
        Ok(())
    }
}

register!(TaskKind::of::<Synchronize>());

impl Synchronize {
    /// What this sync sees, as far as it is known before it begins.
    async fn details(
        &self,
        cx: &TaskCx,
        remote: &remote::Model,
        repository: &repository::Model,
    ) -> Result<SyncDetails> {
        let latest = versions::latest(cx.db().read(), self.repository.id).await?;
        Ok(SyncDetails {
            remote_pk: remote.pulp_id,
            url: remote.url.clone(),
            download_policy: remote.policy.clone(),
            sync_policy: self.sync_policy.as_str().to_owned(),
            skip_types: self.skip_types.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect(),
            most_recent_version: latest.number,
            retain_package_versions: repository.retain_package_versions,
            revision: None,
            repomd_checksum: String::new(),
        })
    }

    /// Writes down what it saw and made.
    async fn remember(&self, cx: &TaskCx, details: SyncDetails) -> Result<()> {
        let tx = cx.db().write().await?;
        RpmRepository::update_many()
            .col_expr(repository::Column::LastSyncDetails, Expr::value(sea_orm::Value::from(details)))
            .filter(repository::Column::RepositoryPtrId.eq(self.repository.id))
            .exec(&*tx)
            .await?;
        tx.commit().await
    }
}

/// Whether a sync that would see and make `now` has nothing to do after one that saw and made `last`.
fn covers(last: &SyncDetails, now: &SyncDetails) -> bool {
    let bytes = last.download_policy == "immediate" || now.download_policy != "immediate";
    let rest = SyncDetails { download_policy: last.download_policy.clone(), ..now.clone() };
    bytes && rest == *last
}

/// What is needed to take units.
struct Take<'a> {
    task: &'a Synchronize,
    cx: &'a TaskCx,
    session: &'a Session,
    remote: &'a remote::Model,
    place: &'a Place,
    keep_versions: usize,
}

/// Where packages were found, by their digests; only noted to mirror the metadata.
type Locations = HashMap<String, Vec<String>>;

/// The keys of units by their names, which are noted while they are saved.
type Keys = Arc<Mutex<HashMap<String, Vec<Uuid>>>>;

impl Take<'_> {
    /// Takes everything that the metadata describes.
    async fn all(&self, metadata: &mut Metadata) -> Result<Locations> {
        let mirrored = self.task.sync_policy == SyncPolicy::MirrorComplete;
        if mirrored {
            metadata.must_be_mirrorable(self.place)?;
        }
        let progress = self.cx.progress("Downloading Metadata Files", "sync.downloading.metadata");
        metadata.download(self.cx, self.session.downloader(), self.place, mirrored, &progress).await?;
        progress.finish().await?;

        let documents = self.modules(metadata).await?;
        let modular = documents.iter().flat_map(artifacts).map(canonical).collect();
        let rules = Rules {
            skip_sources: self.task.skip_types.contains(&SkipType::Srpm),
            keep_versions: self.keep_versions,
            modular,
            mirrored,
        };
        let keys = Keys::default();
        let locations = self.packages(metadata, rules, &keys).await?;
        self.comps(metadata).await?;
        self.advisories(metadata).await?;
        self.save_modules(documents, &keys).await?;
        let others: Vec<_> = metadata.others().map(|record| units::other(self.place, record)).collect();
        self.session.save::<RepoMetadataFile>(stream::iter(others)).await?;
        Ok(locations)
    }

    /// A file of the metadata and its URL, if there is one.
    async fn file(&self, metadata: &Metadata, kind: &str) -> Result<Option<(Waiting, String)>> {
        let Some((record, file)) = metadata.repomd.record(kind).zip(metadata.files.get(kind)) else { return Ok(None) };
        let url = self.place.url_from(record.location_base.as_deref(), &record.location_href)?;
        Ok(Some((Waiting::open(file).await?, url)))
    }

    /// The documents of `modules`: which packages are modular must be known before packages are saved.
    async fn modules(&self, metadata: &Metadata) -> Result<Vec<Document>> {
        let Some((file, url)) = self.file(metadata, "modules").await? else { return Ok(Vec::new()) };
        let text = text(file, url.clone(), modules::LARGEST).await?;
        apart(move || modules::documents(&text).map(|one| one.map_err(|error| bad(&url, error))).collect()).await
    }

    /// Takes packages, in two walks over the metadata. Notes the keys of those that modules hold.
    async fn packages(&self, metadata: &Metadata, rules: Rules, keys: &Keys) -> Result<Locations> {
        let missing = || Error::internal("metadata was opened with packages");
        let (primary, url) = self.file(metadata, "primary").await?.ok_or_else(missing)?;
        let (seen, at) = (rules.clone(), url.clone());
        let mut selection = apart(move || {
            let mut selection = Selection::default();
            let source = decompressed(primary, &at)?;
            let packages = Packages::open(source, None::<std::io::Empty>, None::<std::io::Empty>);
            for package in packages.map_err(|error| bad(&at, error))? {
                selection.see(&package.map_err(|error| bad(&at, error))?, &seen, &at)?;
            }
            selection.close(&seen);
            Ok(selection)
        })
        .await?;

        let skipped = self.cx.progress("Skipping Packages", "sync.skipped.packages");
        skipped.set_total(selection.skipped);
        skipped.increment(selection.skipped).await?;
        skipped.finish().await?;
        let progress = self.cx.progress("Parsed Packages", "sync.parsing.packages");
        progress.set_total(selection.total);

        let (primary, _) = self.file(metadata, "primary").await?.ok_or_else(missing)?;
        let filelists = self.file(metadata, "filelists").await?;
        let other = self.file(metadata, "other").await?;
        let at = url.clone();
        let found = records(move |give: &mut dyn FnMut(package::Package) -> bool| {
            let open = |file: Option<(Waiting, String)>| file.map(|(file, url)| decompressed(file, &url)).transpose();
            let packages = Packages::open(decompressed(primary, &at)?, open(filelists)?, open(other)?);
            for package in packages.map_err(|error| bad(&at, error))? {
                let mut package = package.map_err(|error| bad(&at, error))?;
                if selection.takes(&package) {
                    package.condense(KEPT_CHANGELOGS);
                    if !give(package) {
                        break;
                    }
                }
            }
            Ok(())
        });
        let deferred = self.remote.policy != "immediate";
        let mut locations = Locations::new();
        let (modular, place) = (Arc::new(rules.modular), self.place);
        let mirrored = rules.mirrored;
        let units = found.map(|package| {
            let package = package?;
            if mirrored {
                locations.entry(package.pkg_id.clone()).or_default().push(package.location_href.clone());
            }
            let name = crate::models::package::nevra(
                &package.name,
                &package.epoch,
                &package.version,
                &package.release,
                &package.arch,
            );
            units::package(place, &package, modular.contains(&name), deferred)
        });
        let counted = units.and_then(|unit| {
            let counted = progress.increment(1);
            async move { counted.await.map(|()| unit) }
        });
        let (noted, modular) = (Arc::clone(keys), Arc::clone(&modular));
        let saved = |saved: Vec<pulpcore::sync::Saved<crate::models::package::Model>>| {
            let mut keys = noted.lock().unwrap_or_else(PoisonError::into_inner);
            for saved in saved {
                let name = saved.unit.nevra();
                if modular.contains(&name) {
                    keys.entry(name).or_default().push(saved.id);
                }
            }
        };
        self.session.save_each::<Package>(counted, saved).await?;
        progress.finish().await?;
        Ok(locations)
    }

    async fn comps(&self, metadata: &Metadata) -> Result<()> {
        let Some((file, url)) = self.file(metadata, "group").await? else { return Ok(()) };
        let text = text(file, url.clone(), comps::LARGEST).await?;
        let comps = apart(move || Comps::read(text.as_bytes()).map_err(|error| bad(&url, error))).await?;
        let units = CompsUnits::of(&comps)?;
        self.cx.progress("Parsed Comps", "sync.parsing.comps").done(count(units.len())).await?;
        self.save::<PackageLangpacks>(units.langpacks).await?;
        self.save::<PackageCategory>(units.categories).await?;
        self.save::<PackageEnvironment>(units.environments).await?;
        self.save::<PackageGroup>(units.groups).await
    }

    async fn advisories(&self, metadata: &Metadata) -> Result<()> {
        let Some((file, url)) = self.file(metadata, "updateinfo").await? else { return Ok(()) };
        let progress = self.cx.progress("Parsed Advisories", "sync.parsing.advisories");
        let found = records(move |give: &mut dyn FnMut(_) -> bool| {
            let source = decompressed(file, &url)?;
            for advisory in Advisories::open(source).map_err(|error| bad(&url, error))? {
                if !give(update_record::Model::of(&advisory.map_err(|error| bad(&url, error))?)?) {
                    break;
                }
            }
            Ok(())
        });
        let counted = found.and_then(|unit| {
            let counted = progress.increment(1);
            async move { counted.await.map(|()| declared(unit)) }
        });
        self.session.save::<UpdateRecord>(counted).await?;
        progress.finish().await
    }

    /// Saves modules, and writes down which of the packages that were just saved they hold.
    async fn save_modules(&self, documents: Vec<Document>, keys: &Keys) -> Result<()> {
        let (mut modules, mut defaults, mut obsoletes) = (Vec::new(), Vec::new(), Vec::new());
        for document in &documents {
            match document {
                Document::Modulemd(module) => modules.push(units::module(module)?),
                Document::Defaults(one) => defaults.push(units::defaults(one)?),
                Document::Obsolete(one) => obsoletes.push(units::obsolete(one)),
            }
        }
        if documents.is_empty() {
            return Ok(());
        }
        for (message, code, number) in [
            ("Parsed Modulemd", "sync.parsing.modulemds", modules.len()),
            ("Parsed Modulemd-defaults", "sync.parsing.modulemd_defaults", defaults.len()),
            ("Parsed Modulemd Obsolete", "sync.parsing.modulemd_obsoletes", obsoletes.len()),
        ] {
            self.cx.progress(message, code).done(count(number)).await?;
        }
        self.save::<ModulemdDefaults>(defaults).await?;
        self.save::<ModulemdObsolete>(obsoletes).await?;
        let held = Mutex::new(Vec::new());
        let note = |saved: Vec<pulpcore::sync::Saved<crate::models::modulemd::Model>>| {
            let keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            for saved in saved {
                let artifacts: Vec<String> = saved.unit.artifacts.read().unwrap_or_default();
                let packages = artifacts.iter().filter_map(|name| keys.get(&canonical(name))).flatten();
                held.extend(packages.map(|package| (saved.id, *package)));
            }
        };
        let units = modules.into_iter().map(|unit| Ok(declared(unit)));
        self.session.save_each::<Modulemd>(stream::iter(units), note).await?;
        let held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
        let tx = self.cx.db().write().await?;
        modulemd_packages::link(&tx, held).await?;
        tx.commit().await
    }

    async fn save<C: Content>(&self, units: Vec<C::Model>) -> Result<()> {
        self.session.save::<C>(stream::iter(units.into_iter().map(|unit| Ok(declared(unit))))).await
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The packages that a document names.
fn artifacts(document: &Document) -> impl Iterator<Item = &String> {
    let module = if let Document::Modulemd(module) = document { Some(module) } else { None };
    module.into_iter().flat_map(|module| &module.artifacts)
}

/// A package's name in the one way of writing it.
fn canonical(name: impl AsRef<str>) -> String {
    let name = name.as_ref();
    Nevra::parse(name).map_or_else(|| name.to_owned(), |nevra| nevra.to_string())
}

/// Files beside `repomd.xml` that are mirrored if they are there: its signature, and the key of that.
async fn signatures(session: &Session, place: &Place) -> Result<Vec<(String, Bytes)>> {
    let mut found = Vec::new();
    for suffix in [".asc", ".key"] {
        let path = format!("{REPOMD}{suffix}");
        let request = Request::get(place.url(&path)?);
        match fetch(session.downloader(), request, |download| download.bytes(1 << 20)).await {
            Ok(bytes) => found.push((path, bytes)),
            Err(Error::Upstream { problem: pulpcore::error::Upstream::Status(400..=499), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// How many files are looked up at a time.
const PAGE: u64 = 2000;

/// Publishes a version with the remote's own metadata, at the paths that it names. The task returns the version, as in Pulp.
async fn mirror(
    cx: &TaskCx,
    version: repository_version::Model,
    repository: &repository::Model,
    metadata: Metadata,
    locations: Locations,
    extras: Vec<(String, Bytes)>,
) -> Result<()> {
    let signed = extras.iter().any(|(path, _)| path.ends_with(".asc"));
    let mut publisher = Publisher::new(cx, version.clone());
    publisher.add(REPOMD, stream::iter([Ok(metadata.bytes.clone())])).await?;
    for (path, bytes) in extras {
        publisher.add(&path, stream::iter([Ok(bytes)])).await?;
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
    use sea_orm::{QueryOrder, QuerySelect};
    let mut after = Uuid::nil();
    loop {
        let page: Vec<(Uuid, String)> = Package::find()
            .select_only()
            .columns([crate::models::package::Column::ContentPtrId, crate::models::package::Column::PkgId])
            .filter(crate::models::package::Column::ContentPtrId.gt(after))
            .filter(crate::models::package::Column::ContentPtrId.in_subquery(version.content_ids()))
            .order_by_asc(crate::models::package::Column::ContentPtrId)
            .limit(PAGE)
            .into_tuple()
            .all(cx.db().read())
            .await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let digests: HashMap<Uuid, String> = page.into_iter().collect();
        let keys: Vec<Uuid> = digests.keys().copied().collect();
        for keys in keys.chunks(pulpcore::db::rows_per_statement(1)) {
            let files: Vec<(Uuid, Uuid)> = content_artifact::Entity::find()
                .select_only()
                .columns([content_artifact::Column::PulpId, content_artifact::Column::ContentId])
                .filter(content_artifact::Column::ContentId.is_in(keys.iter().copied()))
                .into_tuple()
                .all(cx.db().read())
                .await?;
            for (file, unit) in files {
                for path in digests.get(&unit).and_then(|digest| locations.get(digest)).into_iter().flatten() {
                    publisher.list(path.clone(), file);
                }
            }
        }
    }
}
