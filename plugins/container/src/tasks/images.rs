//! What a sync takes: some tags at a time, the manifests behind them, and everything that these name.
//!
//! A manifest that is known by its digest is not downloaded again; what it names is looked up all the same, so that what
//! an earlier sync left undone is done now.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use pulpcore::db::rows;
use pulpcore::error::{Error, Result, Upstream as Problem};
use pulpcore::plugin::TaskCx;
use pulpcore::storage::{Expected, Storage};
use pulpcore::sync::{Declared, DeclaredArtifact, Session};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::synchronize::companion;
use crate::manifest::{ImageConfig, LARGEST_CONFIG, Manifest, media_type};
use crate::models::{self, Blob, ManifestSignature, Tag, blob, manifest, manifest_signature as signature, tag};
use crate::registry::digest::Digest;
use crate::sql::Sql;
use crate::upstream::signatures::Source;
use crate::upstream::{Fetched, Upstream};

/// How deep indexes may be nested.
const DEEPEST: usize = 8;
/// The manifests of one batch have no more bytes together: they are in memory.
const HEAVIEST: usize = 64 << 20;

/// What makes an image a signed one, among the types of its referrers.
const SIGNATURES: [&str; 3] = [
    media_type::COSIGN_SIGNATURE,
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.cncf.notary.signature",
];

/// Takes images into a session.
pub(super) struct Images<'a> {
    cx: &'a TaskCx,
    session: &'a Session,
    upstream: &'a Upstream<'a>,
    /// Whether layers stay where they are until somebody asks for them.
    deferred: bool,
    /// The manifests that have signatures by the names of tags, if only signed images are wanted.
    signed: Option<HashSet<String>>,
    /// Where detached signatures come from, if they are wanted and there are any.
    source: Option<Source>,
    /// Those of this batch's manifests that were looked for.
    detached: HashMap<String, Vec<signature::Model>>,
    /// Whether the registry lists referrers; unknown before it was asked.
    lists_referrers: Option<bool>,
    /// Whether somebody pulls one image, and nobody has listed the tags.
    pulled: bool,
    taken: HashSet<String>,
}

/// A manifest that is to be fetched.
struct Wanted {
    /// A tag or a digest.
    reference: String,
    /// What it is fetched for: a tag that may stand for something else by then, or its digest.
    why: String,
    /// Whether nothing goes on without it.
    needed: bool,
}

/// A manifest of a batch.
struct Found {
    text: String,
    manifest: Manifest,
    /// The row, if it was here before.
    row: Option<manifest::Model>,
}

impl<'a> Images<'a> {
    pub(super) fn new(cx: &'a TaskCx, session: &'a Session, upstream: &'a Upstream<'a>, deferred: bool) -> Self {
        Self {
            cx,
            session,
            upstream,
            deferred,
            signed: None,
            source: None,
            detached: HashMap::new(),
            lists_referrers: None,
            pulled: false,
            taken: HashSet::new(),
        }
    }

    /// From now on takes detached signatures along.
    pub(super) fn with_signatures(&mut self, source: Option<Source>) {
        self.source = source;
    }

    /// From now on takes only what has a signature: one of these tags belongs to it, or a referrer signs it.
    pub(super) fn only_signed(&mut self, companions: Vec<String>) {
        let signed = companions.iter().filter(|tag| !tag.contains('.') || tag.ends_with(".sig"));
        self.signed = Some(signed.filter_map(|tag| companion(tag)).collect());
    }

    /// From now on takes what somebody waits for: goes without signatures that cannot be had, and looks at the tags that
    /// may list referrers, because no list of tags has told which are there.
    pub(super) fn pulled(&mut self) {
        self.pulled = true;
    }

    /// Whether a manifest was taken.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.taken.contains(digest)
    }

    /// Takes what is behind some tags and digests; says how many of them there were. A tag that is not there is left out.
    pub(super) async fn take(&mut self, references: &[String]) -> Result<usize> {
        let mut found = BTreeMap::new();
        let heads = self.heads(references).await?;
        let known: Vec<String> = heads.iter().filter_map(|(_, digest)| digest.clone()).collect();
        self.recall(&known, &mut found).await?;
        let mut tags = Vec::new();
        let mut missing = Vec::new();
        for (reference, digest) in heads {
            match digest {
                Some(digest) if found.contains_key(&digest) => tags.push((reference, digest)),
                // By its digest, so that what comes is what was looked for, even if the tag moves meanwhile.
                Some(digest) => missing.push(Wanted::of(digest, reference)),
                None => missing.push(Wanted::of(reference.clone(), reference)),
            }
        }
        for (reference, fetched) in self.fetch(missing).await? {
            tags.push((reference, insert(&mut found, fetched)?));
        }
        let there = tags.len();
        self.drop_unsigned(&mut tags, &mut found).await?;
        self.complete(&mut found).await?;
        let digests: Vec<String> = found.keys().cloned().collect();
        self.look_for_signatures(&digests).await?;
        self.save(tags, found).await?;
        Ok(there)
    }

    /// The digests of what tags stand for, where the registry tells them.
    async fn heads(&self, references: &[String]) -> Result<Vec<(String, Option<String>)>> {
        let upstream = self.upstream;
        let heads = references.iter().cloned().map(|reference| async move {
            let digest = upstream.digest_of(&reference).await?;
            Ok::<_, Error>((reference, digest.map(|digest| digest.to_string())))
        });
        stream::iter(heads).buffered(upstream.concurrency()).try_collect().await
    }

    /// Manifests, each with what it is fetched for.
    async fn fetch(&self, wanted: Vec<Wanted>) -> Result<Vec<(String, Fetched)>> {
        let upstream = self.upstream;
        let downloads = wanted.into_iter().map(|Wanted { reference, why, needed }| async move {
            let mut fetched = upstream.manifest(&reference).await;
            if is_missing(&fetched) && reference != why {
                // The tag may stand for something else by now.
                fetched = upstream.manifest(&why).await;
            }
            match is_missing(&fetched) && !needed {
                // What goes while others are looked at is as good as not listed.
                true => Ok(None),
                false => Ok::<_, Error>(Some((why, fetched?))),
            }
        });
        let fetched: Vec<_> = stream::iter(downloads).buffered(upstream.concurrency()).try_collect().await?;
        Ok(fetched.into_iter().flatten().collect())
    }

    /// Looks for the detached signatures of manifests, unless they were looked for before.
    async fn look_for_signatures(&mut self, digests: &[String]) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let upstream = self.upstream;
        let unknown = digests.iter().filter(|digest| !self.detached.contains_key(*digest)).cloned();
        let unknown: Vec<String> = unknown.collect();
        let pulled = self.pulled;
        let asked = unknown.into_iter().map(|digest| async move {
            match upstream.signatures(source, &digest).await {
                Err(error) if pulled => {
                    tracing::warn!(digest, %error, "Signatures are left out.");
                    Ok((digest, Vec::new()))
                }
                signatures => Ok::<_, Error>((digest, signatures?)),
            }
        });
        let answers: Vec<_> = stream::iter(asked).buffered(upstream.concurrency()).try_collect().await?;
        self.detached.extend(answers);
        let weight: usize = self.detached.values().flatten().map(|signature| signature.data.len()).sum();
        match weight > HEAVIEST {
            true => {
                let problem = Problem::Content(format!("more than {HEAVIEST} bytes of signatures at once"));
                Err(Error::upstream(upstream.blob(""), problem))
            }
            false => Ok(()),
        }
    }

    /// Manifests that are here already.
    async fn recall(&self, digests: &[String], found: &mut BTreeMap<String, Found>) -> Result<()> {
        for digests in digests.chunks(100) {
            let rows = manifest::Entity::find()
                .filter(manifest::Column::PulpDomainId.eq(self.cx.domain()))
                .filter(manifest::Column::Digest.is_in(digests))
                .all(self.cx.db().read())
                .await?;
            for row in rows {
                // What was stored was read before.
                let manifest = Manifest::parse(row.data.as_bytes(), Some(&row.media_type)).map_err(Error::internal)?;
                found.insert(row.digest.clone(), Found { text: row.data.clone(), manifest, row: Some(row) });
            }
            check_weight(found)?;
        }
        Ok(())
    }

    /// Without the images that nobody signed, if only signed ones are wanted.
    async fn drop_unsigned(
        &mut self,
        tags: &mut Vec<(String, String)>,
        found: &mut BTreeMap<String, Found>,
    ) -> Result<()> {
        let Some(signed) = self.signed.clone() else { return Ok(()) };
        let mut all: Vec<String> = found.keys().cloned().collect();
        all.extend(found.values().flat_map(|found| found.manifest.children()).map(str::to_owned));
        all.sort_unstable();
        all.dedup();
        self.look_for_signatures(&all).await?;
        let mut kept = Vec::with_capacity(tags.len());
        for (reference, digest) in tags.drain(..) {
            let is_signed = companion(&reference).is_some()
                || signed.contains(&digest)
                || found.get(&digest).is_some_and(|found| self.has_detached(&digest, found))
                || self.has_signature(&digest).await?;
            if is_signed {
                kept.push((reference, digest));
            } else {
                tracing::info!(reference, digest, "An unsigned image is left out.");
            }
        }
        found.retain(|digest, _| kept.iter().any(|(_, kept)| kept == digest));
        *tags = kept;
        Ok(())
    }

    /// Whether a manifest has a detached signature. An index is signed as well if all that it names is.
    fn has_detached(&self, digest: &str, found: &Found) -> bool {
        let has = |digest: &str| self.detached.get(digest).is_some_and(|signatures| !signatures.is_empty());
        let mut children = found.manifest.children().peekable();
        has(digest) || children.peek().is_some() && children.all(has)
    }

    async fn has_signature(&self, digest: &str) -> Result<bool> {
        let Ok(digest) = digest.parse::<Digest>() else { return Ok(false) };
        let referrers = self.upstream.referrers(&digest).await?.unwrap_or_default();
        Ok(referrers.iter().any(|referrer| {
            let signs =
                |kind: &String| SIGNATURES.contains(&kind.as_str()) || kind.starts_with(media_type::SIGSTORE_BUNDLE);
            referrer.artifact_type.as_ref().is_some_and(signs)
        }))
    }

    /// Fetches the manifests that indexes name, and those that are about any of them.
    async fn complete(&mut self, found: &mut BTreeMap<String, Found>) -> Result<()> {
        let mut fresh: Vec<String> = found.keys().cloned().collect();
        for _ in 0..DEEPEST {
            // What an index names is needed; what is about something may be gone.
            let referrers = self.referrers(&fresh).await?;
            let mut wanted: BTreeMap<String, bool> = referrers.into_iter().map(|digest| (digest, false)).collect();
            let parents = fresh.iter().filter_map(|digest| found.get(digest));
            wanted
                .extend(parents.flat_map(|parent| parent.manifest.children()).map(|digest| (digest.to_owned(), true)));
            wanted.retain(|digest, _| !found.contains_key(digest));
            if wanted.is_empty() {
                return Ok(());
            }
            fresh = wanted.keys().cloned().collect();
            self.recall(&fresh, found).await?;
            let mut missing = wanted.into_iter().filter(|(digest, _)| !found.contains_key(digest)).collect::<Vec<_>>();
            // A few at a time, so that too many are found to be too many before they are all here.
            while !missing.is_empty() {
                let some = missing.drain(..missing.len().min(self.upstream.concurrency()));
                let some = some.map(|(digest, needed)| Wanted { reference: digest.clone(), why: digest, needed });
                for (_, fetched) in self.fetch(some.collect()).await? {
                    insert(found, fetched)?;
                }
            }
        }
        Err(Error::upstream(self.upstream.blob(""), Problem::Content(format!("indexes nest deeper than {DEEPEST}"))))
    }

    /// The digests of what is about some manifests, if the registry lists that. A sync finds what tags list among the tags.
    async fn referrers(&mut self, digests: &[String]) -> Result<Vec<String>> {
        let (upstream, pulled) = (self.upstream, self.pulled);
        let mut referrers = Vec::new();
        let mut digests: Vec<Digest> = digests.iter().filter_map(|digest| digest.parse().ok()).collect();
        if self.lists_referrers.is_none()
            && let Some(first) = digests.pop()
        {
            let answer = upstream.referrers(&first).await?;
            self.lists_referrers = Some(answer.is_some());
            match answer {
                Some(answer) => referrers.extend(answer),
                None => digests.push(first),
            }
        }
        let lists = self.lists_referrers == Some(true);
        if lists || pulled {
            let asked = digests.into_iter().map(|digest| async move {
                match lists {
                    true => Ok(upstream.referrers(&digest).await?.unwrap_or_default()),
                    false => upstream.tagged_referrers(&digest).await,
                }
            });
            let answers: Vec<_> = stream::iter(asked).buffered(upstream.concurrency()).try_collect().await?;
            referrers.extend(answers.into_iter().flatten());
        }
        Ok(referrers.into_iter().map(|referrer| referrer.digest.to_string()).collect())
    }

    /// Saves a batch: blobs, then manifests with what they refer to, then tags.
    async fn save(&mut self, tags: Vec<(String, String)>, found: BTreeMap<String, Found>) -> Result<()> {
        self.taken.extend(found.keys().cloned());
        let mut declared = HashSet::new();
        let mut blobs = Vec::new();
        for Found { manifest, .. } in found.values() {
            for (digest, size, is_config) in named(manifest) {
                if declared.insert(digest.to_owned()) {
                    blobs.push(Ok(self.blob(digest, size, self.deferred && !is_config)?));
                }
            }
        }
        self.session.save::<Blob>(stream::iter(blobs)).await?;

        let configs = self.configs(&found).await?;
        let unit = |(digest, found): (&String, &Found)| {
            let row = found.row.clone().unwrap_or_else(|| {
                manifest::Model::of(digest, found.text.clone(), &found.manifest, configs.get(digest))
            });
            Ok(Declared { unit: row, artifacts: Vec::new() })
        };
        let units: Vec<_> = found.iter().map(unit).collect();
        let mut keys: Vec<(Uuid, String)> = Vec::with_capacity(units.len());
        let saved = |units: Vec<pulpcore::sync::Saved<manifest::Model>>| {
            keys.extend(units.into_iter().map(|saved| (saved.id, saved.unit.digest)));
        };
        self.session.save_each::<models::Manifest>(stream::iter(units), saved).await?;
        let references: Vec<_> =
            keys.iter().filter_map(|(id, digest)| Some((*id, &found.get(digest)?.manifest))).collect();
        let tx = self.cx.db().write().await?;
        manifest::save_references(&tx, &references).await?;
        tx.commit().await?;

        let signatures = self.detached.drain().filter(|(digest, _)| found.contains_key(digest));
        let signatures = signatures.flat_map(|(_, signatures)| signatures);
        let signatures = signatures.map(|row| Ok(Declared { unit: row, artifacts: Vec::new() }));
        self.session.save::<ManifestSignature>(stream::iter(signatures.collect::<Vec<_>>())).await?;

        let tags = tags.into_iter().filter(|(name, _)| !is_digest(name)).map(|(name, tagged_digest)| {
            Ok(Declared { unit: tag::Model { name, tagged_digest, ..tag::Model::default() }, artifacts: Vec::new() })
        });
        self.session.save::<Tag>(stream::iter(tags.collect::<Vec<_>>())).await
    }

    fn blob(&self, digest: &str, size: u64, deferred: bool) -> Result<Declared<blob::Model>> {
        let parsed: Digest = digest
            .parse()
            .map_err(|bad| Error::upstream(self.upstream.blob(digest), Problem::Content(format!("{bad}"))))?;
        let artifact = DeclaredArtifact {
            relative_path: digest.to_owned(),
            url: self.upstream.blob(digest),
            expected: Expected { size: Some(size), digests: parsed.expected(), max_size: None },
            deferred,
        };
        let unit = blob::Model { digest: digest.to_owned(), ..blob::Model::default() };
        Ok(Declared { unit, artifacts: vec![artifact] })
    }

    /// The configurations of images that are new, by the digests of their manifests. Their blobs are here by now.
    async fn configs(&self, found: &BTreeMap<String, Found>) -> Result<HashMap<String, ImageConfig>> {
        let mut wanted: HashMap<&str, Vec<&String>> = HashMap::new();
        for (digest, Found { manifest, row, .. }) in found {
            if let Some(config) = manifest.config.as_ref().filter(|_| row.is_none())
                && media_type::IMAGE_CONFIGS.contains(&config.media_type().to_string().as_str())
                && config.size() <= LARGEST_CONFIG
            {
                wanted.entry(config.digest().as_ref()).or_default().push(digest);
            }
        }
        let digests: Vec<&str> = wanted.keys().copied().collect();
        let mut configs = HashMap::new();
        for digests in digests.chunks(100) {
            for StoredBlob { digest, sha256 } in self.stored(digests).await? {
                let bytes = self.cx.storage().read(&Storage::artifact_path(&sha256), None).await?.bytes().await?;
                let config = ImageConfig::parse(&bytes);
                for manifest in wanted.remove(digest.as_str()).unwrap_or_default() {
                    configs.insert(manifest.clone(), config.clone());
                }
            }
        }
        Ok(configs)
    }
}

/// A blob whose bytes are here.
#[derive(FromQueryResult)]
struct StoredBlob {
    digest: String,
    sha256: String,
}

impl Images<'_> {
    async fn stored(&self, digests: &[&str]) -> Result<Vec<StoredBlob>> {
        let mut sql = Sql::default();
        let (domain, digests) = (sql.bind(self.cx.domain()), sql.list(digests.iter().copied()));
        let text = format!(
            "SELECT b.digest AS digest, a.sha256 AS sha256 FROM container_blob b \
             JOIN core_contentartifact c ON c.content_id = b.content_ptr_id \
             JOIN core_artifact a ON a.pulp_id = c.artifact_id \
             WHERE b.pulp_domain_id = {domain} AND b.digest IN ({digests})"
        );
        rows(self.cx.db().read(), &text, sql.values).await
    }
}

impl Wanted {
    /// What a tag or a digest stands for. A tag may be gone by now.
    fn of(reference: String, why: String) -> Self {
        let needed = is_digest(&why);
        Self { reference, why, needed }
    }
}

fn is_missing(fetched: &Result<Fetched>) -> bool {
    matches!(fetched, Err(Error::Upstream { problem: Problem::Status(404), .. }))
}

/// Whether a reference is a digest; the others are tags.
fn is_digest(reference: &str) -> bool {
    reference.contains(':')
}

/// The blobs that a registry must have for a manifest: digest, size, and whether it is the configuration.
fn named(manifest: &Manifest) -> impl Iterator<Item = (&str, u64, bool)> {
    let config = manifest.config.iter().map(|config| (config.digest().as_ref(), config.size(), true));
    config.chain(manifest.own_layers().map(|layer| (layer.digest().as_ref(), layer.size(), false)))
}

/// Reads what came, and says under which digest it is.
fn insert(found: &mut BTreeMap<String, Found>, fetched: Fetched) -> Result<String> {
    let Fetched { digest, text, content_type } = fetched;
    let digest = digest.to_string();
    let manifest = Manifest::parse(text.as_bytes(), content_type.as_deref())
        .map_err(|bad| Error::upstream(&digest, Problem::Content(bad.to_string())))?;
    found.insert(digest.clone(), Found { text, manifest, row: None });
    check_weight(found)?;
    Ok(digest)
}

fn check_weight(found: &BTreeMap<String, Found>) -> Result<()> {
    let weight: usize = found.values().map(|found| found.text.len()).sum();
    match (weight > HEAVIEST, found.keys().next()) {
        (true, Some(first)) => {
            Err(Error::upstream(first, Problem::Content(format!("more than {HEAVIEST} bytes of manifests at once"))))
        }
        _ => Ok(()),
    }
}
