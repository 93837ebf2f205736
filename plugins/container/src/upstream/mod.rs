//! A repository of another registry, as a sync reads it (OCI Distribution Specification 1.1, "Pull" and "Content
//! Discovery"). Nothing of what comes is believed: digests are computed, names checked, lengths bounded.

mod challenge;
pub(crate) mod login;
pub(crate) mod patterns;
pub(crate) mod signatures;

use pulpcore::error::{Error, Result, Upstream as Problem};
use pulpcore::models::remote;
use pulpcore::storage::Algorithm;
use pulpcore::sync::download::{Download, Downloader, Request, fetch};
use serde::Deserialize;
use url::Url;

use crate::manifest::{LARGEST, media_type};
use crate::registry::digest::Digest;
use crate::registry::reference::{is_name, is_tag};

/// No page of tags or referrers is longer, in bytes.
const LONGEST_PAGE: usize = 8 << 20;
/// No list has more pages.
const MOST_PAGES: usize = 10_000;
/// No repository has more tags.
const MOST_TAGS: usize = 250_000;

/// What says the digest of a manifest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A repository of another registry.
pub(crate) struct Upstream<'a> {
    downloader: &'a dyn Downloader,
    root: Url,
    name: String,
    /// The name as the remote has it, without what a registry puts before it.
    own_name: String,
}

/// A manifest that came.
pub(crate) struct Fetched {
    pub(crate) digest: Digest,
    pub(crate) text: String,
    pub(crate) content_type: Option<String>,
}

#[derive(Deserialize)]
struct TagPage {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ReferrerPage {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    artifact_type: Option<String>,
}

/// A manifest that is about another one.
pub(crate) struct Referrer {
    pub(crate) digest: Digest,
    pub(crate) artifact_type: Option<String>,
}

impl<'a> Upstream<'a> {
    /// The repository that a remote names.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no repository has that name, or the URL is none of a registry.
    pub(crate) fn new(downloader: &'a dyn Downloader, remote: &remote::Model, upstream_name: &str) -> Result<Self> {
        let root = Url::parse(&remote.url).map_err(|_| Error::invalid("url", "Enter a valid URL."))?;
        let name = namespaced(&root, upstream_name);
        match is_name(&name) {
            true => Ok(Self { downloader, root, name, own_name: upstream_name.to_owned() }),
            false => Err(Error::invalid("upstream_name", format!("'{name}' is not the name of a repository."))),
        }
    }

    /// How many requests may be under way at once.
    pub(crate) fn concurrency(&self) -> usize {
        self.downloader.concurrency().max(1)
    }

    /// Where a blob is.
    pub(crate) fn blob(&self, digest: &str) -> String {
        self.url(&format!("blobs/{digest}"))
    }

    /// All tags, in the registry's order.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what the registry says, or if it has no end.
    pub(crate) async fn tags(&self) -> Result<Vec<String>> {
        let mut tags = Vec::new();
        let mut next = Some(self.url("tags/list"));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { return Ok(tags) };
            let (page, link) = self.page::<TagPage>(&url, &[]).await?;
            for tag in page.tags.unwrap_or_default() {
                if !is_tag(&tag) {
                    return Err(bad(&url, format!("'{}' is not a tag", tag.escape_debug())));
                }
                tags.push(tag);
            }
            if tags.len() > MOST_TAGS {
                return Err(bad(&url, format!("more than {MOST_TAGS} tags")));
            }
            next = link;
        }
        Err(bad(&self.url("tags/list"), "a list without an end".to_owned()))
    }

    /// The digest of the manifest behind a tag or a digest, if the registry says so without sending it.
    ///
    /// # Errors
    /// [`Error::Upstream`], unless the registry merely does not understand the question.
    pub(crate) async fn digest_of(&self, reference: &str) -> Result<Option<Digest>> {
        if let Ok(digest) = reference.parse() {
            return Ok(Some(digest));
        }
        let request = accepting(Request::head(self.url(&format!("manifests/{reference}"))));
        let asked = fetch(self.downloader, request, |download| async move { Ok(said(&download)) }).await;
        match asked {
            Err(Error::Upstream { problem: Problem::Status(400 | 404 | 405 | 501), .. }) => Ok(None),
            other => other,
        }
    }

    /// Asks whether there is a manifest of this tag or digest.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what the registry says, that there is none above all.
    pub(crate) async fn must_have(&self, reference: &str) -> Result<()> {
        let request = accepting(Request::head(self.url(&format!("manifests/{reference}"))));
        match fetch(self.downloader, request, |_| async { Ok(()) }).await {
            // It does not understand the question.
            Err(Error::Upstream { problem: Problem::Status(400 | 405 | 501), .. }) => {
                self.manifest(reference).await.map(drop)
            }
            other => other,
        }
    }

    /// A manifest, by its tag or its digest.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what the registry says, and for bytes that are not what was asked for.
    pub(crate) async fn manifest(&self, reference: &str) -> Result<Fetched> {
        let url = self.url(&format!("manifests/{reference}"));
        let wanted: Option<Digest> = reference.parse().ok();
        fetch(self.downloader, accepting(Request::get(&url)), |download| {
            let (url, wanted) = (url.clone(), wanted.clone().or_else(|| said(&download)));
            async move {
                let content_type = download.content_type().map(str::to_owned);
                let bytes = download.bytes(LARGEST).await?;
                let digest = Digest::of(wanted.as_ref().map_or(Algorithm::Sha256, Digest::algorithm), &bytes);
                if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
                    return Err(Error::upstream(
                        &url,
                        Problem::Digest {
                            digest: digest.algorithm().name(),
                            expected: wanted.hex().to_owned(),
                            actual: digest.hex().to_owned(),
                        },
                    ));
                }
                let text = String::from_utf8(bytes.into()).map_err(|_| bad(&url, "it is not UTF-8".to_owned()))?;
                Ok(Fetched { digest, text, content_type })
            }
        })
        .await
    }

    /// The manifests that are about another one. `None` if the registry has no such list.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what else the registry says.
    pub(crate) async fn referrers(&self, digest: &Digest) -> Result<Option<Vec<Referrer>>> {
        let mut found = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{digest}")));
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { break };
            let page = match self.page::<ReferrerPage>(&url, &[media_type::OCI_INDEX]).await {
                Err(Error::Upstream { problem: Problem::Status(400 | 404 | 405 | 501), .. }) => return Ok(None),
                other => other?,
            };
            for Entry { digest, artifact_type } in page.0.manifests {
                let digest = digest
                    .parse::<Digest>()
                    .map_err(|wrong| bad(&url, format!("'{}': {wrong}", digest.escape_debug())))?;
                found.push(Referrer { digest, artifact_type });
            }
            next = page.1;
        }
        Ok(Some(found))
    }

    /// The same of a registry that has no such list: an index lists them whose tag is made of the digest ("Referrers Tag
    /// Schema"). Clients keep it, so that what it lists may be gone.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what the registry says, unless it is that there is none.
    pub(crate) async fn tagged_referrers(&self, digest: &Digest) -> Result<Vec<Referrer>> {
        let hex = digest.hex();
        let tag = format!("{}-{}", digest.algorithm().name(), hex.get(..64).unwrap_or(hex));
        // Registries that count what is pulled do not count the question.
        let Some(index) = self.digest_of(&tag).await? else { return Ok(Vec::new()) };
        let Fetched { text, .. } = self.manifest(&index.to_string()).await?;
        let ReferrerPage { manifests } = serde_json::from_str(&text).map_err(|error| bad(&tag, error.to_string()))?;
        let referrers = manifests.into_iter().filter_map(|Entry { digest, artifact_type }| {
            Some(Referrer { digest: digest.parse().ok()?, artifact_type })
        });
        Ok(referrers.collect())
    }

    /// A page of a list, and where the next one is.
    async fn page<T: for<'de> Deserialize<'de> + Send>(
        &self,
        url: &str,
        accept: &[&str],
    ) -> Result<(T, Option<String>)> {
        let mut request = Request::get(url);
        if !accept.is_empty() {
            request = request.header("Accept", accept.join(", "));
        }
        fetch(self.downloader, request, |download| async move {
            let next = self.next(url, &download);
            let bytes = download.bytes(LONGEST_PAGE).await?;
            let page = serde_json::from_slice(&bytes).map_err(|error| bad(url, error.to_string()))?;
            Ok((page, next))
        })
        .await
    }

    /// What `Link` says (RFC 8288): only path and query of it, so that nothing leads to another host.
    fn next(&self, url: &str, download: &Download) -> Option<String> {
        let link = download.headers.get("link")?.to_str().ok()?;
        let (target, _) = link.trim().strip_prefix('<')?.split_once('>')?;
        let target = Url::parse(url).ok()?.join(target).ok()?;
        let mut next = self.root.clone();
        next.set_path(target.path());
        next.set_query(target.query());
        Some(next.into())
    }

    fn url(&self, rest: &str) -> String {
        let mut url = self.root.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.name));
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

/// Docker's own registry keeps repositories without a namespace in `library`.
fn namespaced(root: &Url, name: &str) -> String {
    let docker = root.host_str().is_some_and(|host| host.starts_with("registry") && host.ends_with("docker.io"));
    if docker && !name.contains('/') { format!("library/{name}") } else { name.to_owned() }
}

fn accepting(request: Request) -> Request {
    request.header("Accept", media_type::MANIFESTS.join(", "))
}

fn said(download: &Download) -> Option<Digest> {
    download.headers.get(CONTENT_DIGEST)?.to_str().ok()?.parse().ok()
}

fn bad(url: &str, what: String) -> Error {
    Error::upstream(url, Problem::Content(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_images_are_in_the_library() {
        let root = |url: &str| Url::parse(url).unwrap();
        assert_eq!(namespaced(&root("https://registry-1.docker.io"), "busybox"), "library/busybox");
        assert_eq!(namespaced(&root("https://registry-1.docker.io/"), "me/busybox"), "me/busybox");
        assert_eq!(namespaced(&root("https://registry.example.test"), "busybox"), "busybox");
    }
}
