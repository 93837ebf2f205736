//! URLs under which clients fetch an object from its store by themselves.
//!
//! A signed URL is a key that opens one object for a while, whoever has it. It says by which name and as what media type
//! the store is to send the object, because its own name is a digest. Signing may cost a request to the cloud (Google
//! signs for those who have no key of their own), so a URL is handed out again for half of its life.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use moka::sync::Cache;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::remote::failed;
use crate::error::Result;

/// How many URLs are remembered. Each has less than a kilobyte.
const REMEMBERED: u64 = 4096;

/// What RFC 8187, section 3.2.1 lets stand in an extended value.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs URLs.
pub(super) struct Links {
    signer: Arc<dyn Signer>,
    renames: bool,
    lifetime: Duration,
    signed: Cache<Asked, Url>,
}

/// What a URL is for: a URL for `GET` does not open for `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    method: Method,
    path: String,
    name: String,
    media_type: String,
}

impl Links {
    /// `renames` says whether a URL can tell the store by which name and as what type to send the object.
    pub(super) fn new(signer: Arc<dyn Signer>, renames: bool, lifetime: Duration) -> Self {
        let signed = Cache::builder().max_capacity(REMEMBERED).time_to_live(lifetime / 2).build();
        Self { signer, renames, lifetime, signed }
    }

    /// A URL that has at least half of its life before it.
    pub(super) async fn link(&self, path: &Path, method: Method, name: &str, media_type: &str) -> Result<Url> {
        let (path_text, name, media_type) = (path.to_string(), name.to_owned(), media_type.to_owned());
        let asked = Asked { method, path: path_text, name, media_type };
        if let Some(url) = self.signed.get(&asked) {
            return Ok(url);
        }
        let mut options = SignedUrlOptions::new();
        if self.renames {
            options = options.with_query([
                ("response-content-disposition", disposition(&asked.name)),
                ("response-content-type", asked.media_type.clone()),
            ]);
        }
        let signed = self.signer.signed_url_opts(asked.method.clone(), path, self.lifetime, &options).await;
        let url = signed.map_err(failed)?;
        self.signed.insert(asked, url.clone());
        Ok(url)
    }
}

/// Without the URLs, which are keys.
impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("signer", &self.signer).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// `Content-Disposition` for a file of this name: Pulp's form where the name is a token, RFC 6266 otherwise.
fn disposition(name: &str) -> String {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_token) {
        return format!("attachment;filename={name}");
    }
    let plain = |char: char| if char.is_ascii() && !char.is_ascii_control() { char } else { '_' };
    let quoted: String = name.chars().map(plain).collect::<String>().replace('\\', "\\\\").replace('"', "\\\"");
    match name.is_ascii() {
        true => format!("attachment;filename=\"{quoted}\""),
        false => {
            format!("attachment;filename=\"{quoted}\";filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Signer for Counting {
        async fn signed_url(&self, method: Method, path: &Path, _: Duration) -> object_store::Result<Url> {
            let nth = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Url::parse(&format!("https://store.test/{path}?{method}={nth}")).unwrap())
        }
    }

    #[tokio::test]
    async fn a_url_is_signed_once_for_each_method_and_each_name() {
        let links = Links::new(Arc::new(Counting::default()), false, Duration::from_secs(3600));
        let path = Path::from("artifact/ab/cd");
        let link = |method, name| links.link(&path, method, name, "text/plain");
        let first = link(Method::GET, "a").await.unwrap();
        assert_eq!(first, link(Method::GET, "a").await.unwrap());
        assert_eq!(first.as_str(), "https://store.test/artifact/ab/cd?GET=0");
        assert_eq!(link(Method::HEAD, "a").await.unwrap().query(), Some("HEAD=1"));
        assert_eq!(link(Method::GET, "b").await.unwrap().query(), Some("GET=2"));
    }

    #[test]
    fn a_name_is_offered_as_it_is_and_breaks_out_of_no_header() {
        for (name, header) in [
            ("a-1.0.rpm", "attachment;filename=a-1.0.rpm"),
            ("a b.txt", "attachment;filename=\"a b.txt\""),
            ("a\"; x=\"\\", "attachment;filename=\"a\\\"; x=\\\"\\\\\""),
            ("a\r\nb", "attachment;filename=\"a__b\""),
            ("é.txt", "attachment;filename=\"_.txt\";filename*=UTF-8''%C3%A9.txt"),
        ] {
            assert_eq!(disposition(name), header);
        }
    }
}
