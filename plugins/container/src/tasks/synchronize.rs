//! Sync: tags of another registry's repository, and everything that they stand for, become a version.

use pulpcore::app::App;
use pulpcore::error::{Error, Result};
use pulpcore::models::{remote, repository};
use pulpcore::plugin::{Locks, Ref, Task, TaskCx, TaskKind, register};
use pulpcore::sync::{self, Session};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::images::Images;
use crate::models::remote::Model as Row;
use crate::models::{ContainerRemote, ContainerRepository};
use crate::registry::digest::Digest;
use crate::upstream::Upstream;
use crate::upstream::patterns::{fits, wanted};

/// Makes a repository hold what a remote has.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = container::Sync)]
pub struct Synchronize {
    /// The repository.
    #[schema(value_type = String, format = "uri")]
    pub repository: Ref<ContainerRepository>,
    /// The remote to sync from, instead of the repository's own.
    #[serde(default)]
    #[schema(value_type = String, format = "uri", required = false)]
    pub remote: Option<Ref<ContainerRemote>>,
    /// Whether what the remote does not have is removed.
    #[serde(default)]
    #[schema(default = false)]
    pub mirror: bool,
    /// Whether only signed images are synced.
    #[serde(default)]
    #[schema(default = false)]
    pub signed_only: bool,
}

/// How many images are looked into at once.
const BATCH: usize = 50;

impl Task for Synchronize {
    const TYPE: &'static str = "container/syncs";
    const NAME: &'static str = "pulp_container.app.tasks.synchronize.synchronize";

    async fn prepare(&mut self, app: &App) -> Result<()> {
        let row = repository::Entity::find_by_id(self.repository.id).one(app.db.read()).await?;
        let row = row.ok_or_else(|| Error::missing("repository"))?;
        sync::settle_remote(app, &row, &mut self.remote).await
    }

    fn locks(&self) -> Locks {
        let locks = Locks::default().exclusive(&self.repository);
        self.remote.iter().fold(locks, Locks::shared)
    }

    async fn run(self, cx: TaskCx) -> Result<()> {
        let remote = self.remote.as_ref().ok_or_else(|| Error::internal("a prepared task has its remote"))?;
        let id = remote.id;
        let remote = remote::Entity::find_by_id(id).one(cx.db().read()).await?;
        let row = ContainerRemote::find_by_id(id).one(cx.db().read()).await?;
        let (remote, row) = remote.zip(row).ok_or_else(|| Error::missing("remote"))?;
        let session = Session::open(&cx, self.repository.id, &remote)?;
        self.take(&cx, &session, &remote, row).await?;
        session.commit(self.mirror).await?;
        Ok(())
    }
}

register!(TaskKind::of::<Synchronize>());

impl Synchronize {
    /// Takes what the remote has into the session.
    async fn take(&self, cx: &TaskCx, session: &Session, remote: &remote::Model, row: Row) -> Result<()> {
        let upstream = Upstream::new(session.downloader(), remote, &row.upstream_name)?;
        let listing = cx.progress("Downloading tag list", "sync.downloading.tag_list");
        let tags = upstream.tags().await?;
        listing.done(1).await?;
        let includes = row.includes.unwrap_or_default().0;
        let excludes = row.excludes.unwrap_or_default().0;
        let plan = Plan::of(tags, &includes, &excludes)?;

        let mut images = Images::new(cx, session, &upstream, remote.policy != "immediate");
        images.with_signatures(upstream.source_of_signatures(row.sigstore.as_deref()).await?);
        if self.signed_only {
            images.only_signed(plan.companions.clone());
        }
        let progress = cx.progress("Processing Manifests", "sync.processing.manifest");
        for references in plan.references.chunks(BATCH) {
            images.take(references).await?;
            progress.increment(i64::try_from(references.len()).unwrap_or(i64::MAX)).await?;
        }
        let companions = plan.companions_of(|digest| images.has(digest));
        for references in companions.chunks(BATCH) {
            images.take(references).await?;
            progress.increment(i64::try_from(references.len()).unwrap_or(i64::MAX)).await?;
        }
        progress.finish().await
    }
}

/// What is to be synced.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Tags and digests.
    references: Vec<String>,
    /// Tags that belong to an image by their names, as cosign and the referrers tag schema have it: `sha256-….sig`.
    companions: Vec<String>,
    /// Whether companions are synced with the images that they belong to, and are not among the references.
    apart: bool,
}

impl Plan {
    fn of(tags: Vec<String>, includes: &[String], excludes: &[String]) -> Result<Self> {
        let companions: Vec<String> = tags.iter().filter(|tag| wanted(tag, &[], excludes)).cloned().collect();
        let companions = companions.into_iter().filter(|tag| companion(tag).is_some()).collect();
        if includes.is_empty() && excludes.is_empty() {
            return Ok(Self { references: tags, companions, apart: false });
        }
        let digests = includes.iter().filter(|include| include.contains(':'));
        let digests = digests.map(|text| match text.parse::<Digest>() {
            Ok(digest) => Ok(digest.to_string()),
            Err(bad) => Err(Error::invalid("includes", format!("'{text}': {bad}"))),
        });
        let digests = digests.collect::<Result<Vec<_>>>()?;
        let patterns: Vec<String> = includes.iter().filter(|include| !include.contains(':')).cloned().collect();
        // Digests alone name everything that is wanted.
        let only_digests = patterns.is_empty() && !includes.is_empty();
        let tags = tags
            .into_iter()
            .filter(|tag| !only_digests && companion(tag).is_none() && wanted(tag, &patterns, excludes));
        Ok(Self { references: tags.chain(digests).collect(), companions, apart: true })
    }

    /// The companions of what was synced.
    fn companions_of(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        let of_synced = |tag: &&String| companion(tag).is_some_and(|digest| has(&digest));
        self.companions.iter().filter(|_| self.apart).filter(of_synced).cloned().collect()
    }
}

/// The digest of the manifest that a tag belongs to by its name.
pub(super) fn companion(tag: &str) -> Option<String> {
    if !fits("sha256-*", tag) {
        return None;
    }
    let stem = tag.split_once('.').map_or(tag, |(stem, _)| stem);
    let digest = stem.replacen('-', ":", 1);
    digest.parse::<Digest>().ok().map(|digest| digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn signature(letter: &str) -> String {
        format!("sha256-{}.sig", letter.repeat(64))
    }

    #[test]
    fn without_patterns_all_tags_are_synced() {
        let tags = vec!["latest".to_owned(), signature("a")];
        let plan = Plan::of(tags.clone(), &[], &[]).unwrap();
        assert_eq!((plan.references.clone(), plan.companions_of(|_| true)), (tags, Vec::new()));
    }

    #[test]
    fn with_patterns_companions_follow_the_images_that_they_belong_to() {
        let tags = vec!["1.0".to_owned(), "2.0".to_owned(), signature("a"), signature("b")];
        let plan = Plan::of(tags, &texts(&["1.*"]), &[]).unwrap();
        assert_eq!(plan.references, ["1.0"]);
        let synced = format!("sha256:{}", "a".repeat(64));
        assert_eq!(plan.companions_of(|digest| digest == synced), [signature("a")]);
    }

    #[test]
    fn digests_are_included_beside_tags_or_alone() {
        let digest = format!("sha256:{}", "c".repeat(64));
        let plan =
            |includes: &[&str]| Plan::of(texts(&["1.0", "2.0"]), &texts(includes), &[]).map(|plan| plan.references);
        assert_eq!(plan(&[&digest]).unwrap(), std::slice::from_ref(&digest));
        assert_eq!(plan(&["2.*", &digest]).unwrap(), ["2.0".to_owned(), digest.clone()]);
        assert!(plan(&["sha256:abc"]).unwrap_err().to_string().contains("includes"));
    }
}
