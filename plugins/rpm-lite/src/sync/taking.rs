//! Taking what metadata describes: every kind of unit, saved into the sync's draft. What one kind must know of another (which
//! packages are modular, which keys they got) is carried from here to there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use pulpcore::error::{Error, Result};
use pulpcore::models::remote;
use pulpcore::plugin::{Content, TaskCx};
use pulpcore::sync::{Saved, Session};
use uuid::Uuid;

use super::bad;
use super::metadata::Metadata;
use super::place::Place;
use super::reading::{Waiting, apart, decompressed, records, text};
use super::selection::{Rules, Selection};
use super::units::{self, CompsUnits, declared};
use crate::compression::Limits;
use crate::metadata::comps::{self, Comps};
use crate::metadata::modules::{self, Document};
use crate::metadata::packages::Packages;
use crate::metadata::updateinfo::Advisories;
use crate::models::package::{self as package_row, KEPT_CHANGELOGS};
use crate::models::{
    Modulemd, ModulemdDefaults, ModulemdObsolete, Package, PackageCategory, PackageEnvironment, PackageGroup,
    PackageLangpacks, RepoMetadataFile, UpdateRecord, modulemd, modulemd_packages, update_record,
};
use crate::nevra::Nevra;
use crate::package;
use crate::serializers::actions::{SkipType, SyncPolicy};
use crate::tasks::Synchronize;

/// What is needed to take units.
pub(crate) struct Take<'a> {
    pub(crate) task: &'a Synchronize,
    pub(crate) cx: &'a TaskCx,
    pub(crate) session: &'a Session,
    pub(crate) remote: &'a remote::Model,
    pub(crate) place: &'a Place,
    pub(crate) keep_versions: usize,
    pub(crate) limits: Limits,
}

/// Where packages were found, by their digests; only noted to mirror the metadata.
pub(crate) type Locations = HashMap<String, Vec<String>>;

/// The keys of units by their names, which are noted while they are saved.
type Keys = Arc<Mutex<HashMap<String, Vec<Uuid>>>>;

impl Take<'_> {
    /// Takes everything that the metadata describes. What was found where is told.
    ///
    /// # Errors
    /// [`pulpcore::error::Error::Upstream`] if it cannot be used; if the database or the storage fails.
    pub(crate) async fn all(&self, metadata: &mut Metadata) -> Result<Locations> {
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
        let text = text(file, url.clone(), modules::LARGEST, self.limits).await?;
        apart(move || modules::documents(&text).map(|one| one.map_err(|error| bad(&url, error))).collect()).await
    }

    /// Takes packages, in two walks over the metadata. Notes the keys of those that modules hold.
    async fn packages(&self, metadata: &Metadata, rules: Rules, keys: &Keys) -> Result<Locations> {
        let missing = || Error::internal("metadata was opened with packages");
        let (primary, url) = self.file(metadata, "primary").await?.ok_or_else(missing)?;
        let (seen, at, limits) = (rules.clone(), url.clone(), self.limits);
        let mut selection = apart(move || {
            let mut selection = Selection::default();
            let source = decompressed(primary, &at, limits)?;
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
        skipped.done(selection.skipped).await?;
        let progress = self.cx.progress("Parsed Packages", "sync.parsing.packages");
        progress.set_total(selection.total);

        let (primary, _) = self.file(metadata, "primary").await?.ok_or_else(missing)?;
        let filelists = self.file(metadata, "filelists").await?;
        let other = self.file(metadata, "other").await?;
        let at = url.clone();
        let found = records(move |give: &mut dyn FnMut(package::Package) -> bool| {
            let open =
                |file: Option<(Waiting, String)>| file.map(|(file, url)| decompressed(file, &url, limits)).transpose();
            let packages = Packages::open(decompressed(primary, &at, limits)?, open(filelists)?, open(other)?);
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
            let name =
                package_row::nevra(&package.name, &package.epoch, &package.version, &package.release, &package.arch);
            units::package(place, &package, modular.contains(&name), deferred)
        });
        let counted = units.and_then(|unit| {
            let counted = progress.increment(1);
            async move { counted.await.map(|()| unit) }
        });
        let (noted, modular) = (Arc::clone(keys), Arc::clone(&modular));
        let saved = |saved: Vec<Saved<package_row::Model>>| {
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
        let text = text(file, url.clone(), comps::LARGEST, self.limits).await?;
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
        let limits = self.limits;
        let found = records(move |give: &mut dyn FnMut(_) -> bool| {
            let source = decompressed(file, &url, limits)?;
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
        let note = |saved: Vec<Saved<modulemd::Model>>| {
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
