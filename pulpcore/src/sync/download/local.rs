//! `file://`: remotes in folders that the operator opened.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, HeaderValue};
use futures::StreamExt;
use percent_encoding::percent_decode_str;
use rustix::fs::OFlags;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::body::{Broken, measured};
use super::{ByteRange, Download, DownloadSettings, Downloader, Failure, RemoteConfig, Request, Retry, reason};
use crate::error::{Error, Upstream};

/// Each read from a file asks for so many bytes at most.
const CHUNK: usize = 256 * 1024;

/// Reads `file://` URLs below [`DownloadSettings::allowed_import_paths`], and nothing else: what a symbolic link or `..`
/// leads out of them to is refused as if it had been asked for directly.
///
/// A file that is not there is [`Upstream::Status`] 404 and one that may not be read 403, so that callers need not know
/// which kind of remote they have.
#[derive(Debug)]
pub struct LocalDownloader {
    allowed: Vec<PathBuf>,
    concurrency: usize,
    retry: Retry,
}

impl LocalDownloader {
    /// A reader of local files for one remote.
    pub fn new(config: &RemoteConfig, settings: &DownloadSettings) -> Self {
        let retry = Retry { max_retries: config.max_retries.unwrap_or(3), pause: settings.retry_pause };
        Self { allowed: settings.allowed_import_paths.clone(), concurrency: config.concurrency(), retry }
    }
}

#[async_trait]
impl Downloader for LocalDownloader {
    async fn get(&self, request: Request) -> Result<Download, Failure> {
        let Request { url, range, .. } = request;
        let allowed = self.allowed.clone();
        let opened = tokio::task::spawn_blocking({
            let url = url.clone();
            move || open(&url, &allowed, range)
        });
        let (file, length) =
            opened.await.map_err(Error::internal)?.map_err(|problem| Failure::upstream(&url, problem))?;
        let source = ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(length), CHUNK)
            .map(|chunk| chunk.map_err(|error| Broken::Failed(reason::io(&error))));
        Ok(Download {
            status: if range.is_some() { 206 } else { 200 },
            headers: HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(length))]),
            body: measured(url.clone(), Some(length), source),
            asked: url.clone(),
            url,
        })
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn retry(&self) -> Retry {
        self.retry
    }
}

/// The paths that a `file://` URL may mean, as they really are, if all of them are allowed.
///
/// The path is taken as it is written, as Pulp does, and else with its percent escapes undone, as RFC 8089 says.
///
/// # Errors
/// A sentence for the client, Pulp's.
pub(super) fn resolve(url: &str, allowed: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let written = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
            // The one host that means this machine.
            rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest)
        }
        _ => return Err(format!("'{url}' is not a file:// URL")),
    };
    let decoded = percent_decode_str(written).decode_utf8().ok();
    let mut paths = vec![written];
    paths.extend(decoded.as_deref().filter(|decoded| *decoded != written));
    paths.into_iter().map(|path| check(path, allowed)).collect()
}

fn check(path: &str, allowed: &[PathBuf]) -> Result<PathBuf, String> {
    if !path.starts_with('/') {
        return Err(format!("The path '{path}' needs to be an absolute pathname."));
    }
    real(Path::new(path))
        .filter(|real| {
            allowed.iter().any(|allowed| std::fs::canonicalize(allowed).is_ok_and(|allowed| real.starts_with(allowed)))
        })
        .ok_or_else(|| format!("The path '{path}' does not start with any of the allowed import paths"))
}

/// The path without symbolic links and `..`, of which an end need not exist; `None` if that cannot be told.
fn real(path: &Path) -> Option<PathBuf> {
    match std::fs::canonicalize(path) {
        Ok(real) => Some(real),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // `file_name` is `None` for `..`, about which nothing is known when what is before it does not exist.
            Some(real(path.parent()?)?.join(path.file_name()?))
        }
        Err(_) => None,
    }
}

/// Opens the file, at the first byte that is wanted, and says how many follow.
fn open(url: &str, allowed: &[PathBuf], range: Option<ByteRange>) -> Result<(File, u64), Upstream> {
    let paths = resolve(url, allowed).map_err(Upstream::Content)?;
    // The path is real, so a link at its end was put there since. Without NONBLOCK a pipe would wait for its writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = Err(Upstream::Status(404));
    for path in paths {
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
        file = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Upstream::Status(404),
            ErrorKind::PermissionDenied => Upstream::Status(403),
            _ => reason::io(&error),
        });
        if !matches!(file, Err(Upstream::Status(404))) {
            break;
        }
    }
    let mut file = file?;
    let metadata = file.metadata().map_err(|error| reason::io(&error))?;
    if !metadata.is_file() {
        return Err(Upstream::Content("not a file".into()));
    }
    let Some(ByteRange { first, last }) = range else { return Ok((file, metadata.len())) };
    let end = last.map_or(metadata.len(), |last| metadata.len().min(last.saturating_add(1)));
    if first >= end {
        return Err(Upstream::Status(416));
    }
    file.seek(SeekFrom::Start(first)).map_err(|error| reason::io(&error))?;
    Ok((file, end - first))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::super::{check_url, fetch};
    use super::*;
    use crate::error::Result;

    /// A folder that is allowed, beside one that is not and shares the first letters.
    struct Fixture {
        root: TempDir,
        settings: DownloadSettings,
    }

    impl Fixture {
        fn new() -> Self {
            let root = TempDir::new().unwrap();
            for folder in ["open", "open-not", "open/sub"] {
                fs::create_dir(root.path().join(folder)).unwrap();
            }
            fs::write(root.path().join("open/a.txt"), "0123456789").unwrap();
            fs::write(root.path().join("open-not/secret"), "secret").unwrap();
            let settings =
                DownloadSettings { allowed_import_paths: vec![root.path().join("open")], ..Default::default() };
            Self { root, settings }
        }

        fn url(&self, path: &str) -> String {
            format!("file://{}/{path}", self.root.path().display())
        }

        async fn get(&self, request: Request) -> Result<String> {
            let downloader = LocalDownloader::new(&RemoteConfig::default(), &self.settings);
            let bytes = fetch(&downloader, request, |download| download.bytes(1000)).await?;
            Ok(String::from_utf8(bytes.into()).unwrap())
        }

        async fn refuses(&self, url: String) -> String {
            assert!(check_url(&url, &self.settings).is_err(), "{url}");
            let error = self.get(Request::get(url)).await.unwrap_err();
            assert!(matches!(error, Error::Upstream { problem: Upstream::Content(_), .. }), "{error}");
            error.to_string()
        }
    }

    #[tokio::test]
    async fn a_file_below_an_allowed_path_is_read() {
        let fixture = Fixture::new();
        let url = fixture.url("open/a.txt");
        assert_eq!(check_url(&url, &fixture.settings), Ok(()));
        assert_eq!(fixture.get(Request::get(url.clone())).await.unwrap(), "0123456789");
        assert_eq!(fixture.get(Request::get(url.replace("file://", "FILE://localhost"))).await.unwrap(), "0123456789");
        let range = |first, last| fixture.get(Request::get(&url).range(ByteRange { first, last }));
        assert_eq!(range(2, Some(4)).await.unwrap(), "234");
        assert_eq!(range(8, None).await.unwrap(), "89");
        assert_eq!(range(8, Some(u64::MAX)).await.unwrap(), "89");
        assert!(range(10, None).await.unwrap_err().to_string().ends_with("answered 416"));
    }

    #[tokio::test]
    async fn names_are_taken_as_written_and_else_decoded() {
        let fixture = Fixture::new();
        fs::write(fixture.root.path().join("open/a%20b"), "as written").unwrap();
        fs::write(fixture.root.path().join("open/a b"), "decoded").unwrap();
        fs::write(fixture.root.path().join("open/c#d?"), "odd").unwrap();
        assert_eq!(fixture.get(Request::get(fixture.url("open/a%20b"))).await.unwrap(), "as written");
        assert_eq!(fixture.get(Request::get(fixture.url("open/%61%20b"))).await.unwrap(), "decoded");
        assert_eq!(fixture.get(Request::get(fixture.url("open/c#d?"))).await.unwrap(), "odd");
    }

    #[tokio::test]
    async fn nothing_leads_out_of_the_allowed_paths() {
        let fixture = Fixture::new();
        let open = fixture.root.path().join("open");
        symlink("../open-not/secret", open.join("link")).unwrap();
        symlink(fixture.root.path().join("open-not"), open.join("folder")).unwrap();
        for path in [
            "open-not/secret",
            "open/../open-not/secret",
            "open/%2e%2e/open-not/secret",
            "open/nowhere/../../open-not/secret",
            "open/link",
            "open/folder/secret",
            "open/folder/nothing",
        ] {
            let text = fixture.refuses(fixture.url(path)).await;
            assert!(text.contains("does not start with any of the allowed import paths"), "{path}: {text}");
        }
        assert!(fixture.refuses("file://a/b".into()).await.contains("needs to be an absolute pathname."));
        symlink("a.txt", open.join("inside")).unwrap();
        assert_eq!(fixture.get(Request::get(fixture.url("open/inside"))).await.unwrap(), "0123456789");
    }

    #[tokio::test]
    async fn what_is_not_a_file_says_so() {
        let fixture = Fixture::new();
        let url = fixture.url("open/new/a.txt");
        assert_eq!(check_url(&url, &fixture.settings), Ok(()), "it may come into being");
        let missing = fixture.get(Request::get(&url)).await.unwrap_err();
        assert_eq!(missing.to_string(), format!("{url}: the server answered 404"));
        let folder = fixture.get(Request::get(fixture.url("open/sub"))).await.unwrap_err();
        assert!(folder.to_string().ends_with(": not a file"), "{folder}");
        let symlink_to_nothing = fixture.root.path().join("open/dangling");
        symlink("/nowhere/at/all", symlink_to_nothing).unwrap();
        assert!(fixture.get(Request::get(fixture.url("open/dangling"))).await.is_err());
        let pipe = fixture.root.path().join("open/pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let pipe = fixture.get(Request::get(fixture.url("open/pipe"))).await.unwrap_err();
        assert!(pipe.to_string().ends_with(": not a file"), "{pipe}");
        let other = fixture.get(Request::get("http://example.test/")).await.unwrap_err();
        assert!(other.to_string().contains("is not a file:// URL"), "{other}");
    }
}
