//! Where a repository is: at the remote's URL, or at one of the mirrors that a list at this URL names.

use bytes::Bytes;
use pulpcore::error::{Error, Result, Upstream};
use pulpcore::sync::download::{Downloader, Request, fetch};
use url::Url;

use super::bad;
use crate::metadata::repomd::{self, REPOMD};

/// No list of mirrors is longer, in bytes.
const LONGEST_LIST: usize = 1 << 20;

/// No more mirrors of a list are tried.
const MOST_MIRRORS: usize = 20;

/// A repository of a remote.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its URL, with a slash at the end and without a query.
    base: String,
    /// What is added to each URL of its server: the token of SUSE's.
    token: Option<String>,
}

impl Place {
    /// Finds the repository, and what its `repomd.xml` says at this moment.
    ///
    /// # Errors
    /// [`Error::Upstream`] if there is none.
    pub(crate) async fn find(downloader: &dyn Downloader, url: &str, token: Option<&str>) -> Result<(Self, Bytes)> {
        let own = Self::new(url, token);
        let error = match own.repomd(downloader).await {
            Ok(repomd) => return Ok((own, repomd)),
            // There is something, but not below it.
            Err(error) if is_refusal(&error) => error,
            Err(error) => return Err(error),
        };
        let list = fetch(downloader, Request::get(url), |download| download.bytes(LONGEST_LIST)).await;
        let Ok(list) = list else { return Err(error) };
        for mirror in mirrors(&String::from_utf8_lossy(&list)).into_iter().take(MOST_MIRRORS) {
            // A stranger's server does not get it.
            let place = Self::new(&mirror, token.filter(|_| same_server(&mirror, url)));
            match place.repomd(downloader).await {
                Ok(repomd) => return Ok((place, repomd)),
                Err(error) => tracing::warn!(error = error.log(), "A mirror of the list cannot be used."),
            }
        }
        Err(error)
    }

    fn new(url: &str, token: Option<&str>) -> Self {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        Self { base: format!("{}/", path.trim_end_matches('/')), token: token.map(str::to_owned) }
    }

    /// Its `repomd.xml` at this moment.
    pub(crate) async fn repomd(&self, downloader: &dyn Downloader) -> Result<Bytes> {
        let most = usize::try_from(repomd::LARGEST).unwrap_or(usize::MAX);
        fetch(downloader, Request::get(self.url(REPOMD)?), |download| download.bytes(most)).await
    }

    /// The URL of a file: relative to the repository, or to what metadata says instead.
    ///
    /// # Errors
    /// [`Error::Upstream`] if that makes no URL.
    pub(crate) fn url(&self, path: &str) -> Result<String> {
        self.url_from(None, path)
    }

    /// The same of a file whose location is relative to another base, if there is one.
    pub(crate) fn url_from(&self, base: Option<&str>, path: &str) -> Result<String> {
        let base = base.filter(|base| !base.is_empty()).unwrap_or(&self.base);
        if base.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://")) {
            return Ok(format!("{}/{path}", base.trim_end_matches('/')));
        }
        let not_one = || bad(base, format!("'{path}' makes no URL."));
        let mut url = Url::parse(&format!("{}/", base.trim_end_matches('/'))).map_err(|_| not_one())?;
        if path.contains("://") {
            url = Url::parse(path).map_err(|_| not_one())?;
        } else {
            let mut segments = url.path_segments_mut().map_err(|()| not_one())?;
            segments.pop_if_empty();
            for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
                // Metadata may point beside the repository, but not out of its server.
                if segment == ".." {
                    segments.pop();
                } else {
                    segments.push(segment);
                }
            }
            drop(segments);
        }
        if let Some(token) = self.token.as_deref().filter(|_| same_server(url.as_str(), &self.base)) {
            url.set_query(Some(token));
        }
        Ok(url.into())
    }
}

/// Whether two URLs have the same scheme, host and port.
fn same_server(one: &str, other: &str) -> bool {
    let origin = |url| Url::parse(url).ok().map(|url| url.origin());
    origin(one).is_some_and(|one| Some(one) == origin(other))
}

/// Whether a server is there and does not have it.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Upstream { problem: Upstream::Status(400..=499), .. })
}

/// The repositories that a list names: one a line, or in the `url` elements of a metalink, which lead to `repomd.xml`.
fn mirrors(list: &str) -> Vec<String> {
    if list.contains("<metalink") {
        let urls = list.split("<url").skip(1).filter_map(|element| {
            let text = element.split_once('>')?.1.split('<').next()?.trim();
            Some(text.strip_suffix(REPOMD).unwrap_or(text).replace("&amp;", "&"))
        });
        return urls.filter(|url| is_web(url)).collect();
    }
    // `name = https://…`, as some lists are written; whatever else stands before an address makes it a comment.
    let line = |line: &str| {
        let (words, address) = line.split_at(line.find("http")?);
        let address = address.split_whitespace().next().filter(|address| is_web(address))?;
        is_plain(words).then(|| address.to_owned())
    };
    list.lines().filter_map(line).collect()
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn is_plain(words: &str) -> bool {
    words.chars().all(|letter| letter.is_alphanumeric() || letter.is_whitespace() || matches!(letter, '=' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_relative_to_the_repository() {
        let place = Place::new("http://a.test/repo/?x=1", Some("tok&en"));
        let url = |path| place.url(path).unwrap();
        assert_eq!(url("repodata/repomd.xml"), "http://a.test/repo/repodata/repomd.xml?tok&en");
        assert_eq!(url("./P/a b#.rpm"), "http://a.test/repo/P/a%20b%23.rpm?tok&en");
        assert_eq!(url("http://b.test/a.rpm"), "http://b.test/a.rpm", "the token is for its own server");
        let place = Place::new("http://a.test/repo", None);
        let url = |path| place.url(path).unwrap();
        assert_eq!(url("../other/a.rpm"), "http://a.test/other/a.rpm");
        assert_eq!(url("../../../../a.rpm"), "http://a.test/a.rpm");
        assert_eq!(place.url_from(Some("http://b.test/x"), "a.rpm").unwrap(), "http://b.test/x/a.rpm");
        assert_eq!(Place::new("file:///srv/r", None).url("50%/a").unwrap(), "file:///srv/r/50%/a");
        assert!(Place::new("nonsense", None).url("a").is_err());
    }

    #[test]
    fn lists_of_mirrors_and_metalinks_are_read() {
        let list = "# http://no.test/\nhttp://a.test/r/\n\nmirror = https://b.test/r\n;http://no.test\nftp://no.test\n";
        assert_eq!(mirrors(list), ["http://a.test/r/", "https://b.test/r"]);
        let metalink = r#"<metalink version="3.0"><files><file name="repomd.xml"><resources>
            <url protocol="rsync">rsync://no.test/r/repodata/repomd.xml</url>
            <url protocol="https" preference="100">https://c.test/r/repodata/repomd.xml</url></resources></file></files></metalink>"#;
        assert_eq!(mirrors(metalink), ["https://c.test/r/"]);
        assert_eq!(mirrors("<html><a href=\"http://no.test\">x</a></html>"), Vec::<String>::new());
    }
}
