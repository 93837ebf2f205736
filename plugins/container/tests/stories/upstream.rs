//! Another registry, small and on the loopback interface: it answers what a sync asks, and counts it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulp_container::registry::digest::Digest;
use pulpcore::storage::Algorithm;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A registry with one repository, `team/app`. It is gone with the test's runtime.
pub(crate) struct Registry {
    address: SocketAddr,
    shelves: Arc<Mutex<Shelves>>,
}

#[derive(Default)]
struct Shelves {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
    /// Whom the token server lets in, if tokens are asked for.
    login: Option<(String, String)>,
    lists_referrers: bool,
    /// Signatures by the digests of manifests.
    signatures: HashMap<String, Vec<Vec<u8>>>,
    hands_out_signatures: bool,
    loses_signatures: bool,
    /// Tags that are gone once somebody has asked which manifest they stand for.
    vanishing: HashSet<String>,
    page: usize,
    seen: Vec<String>,
}

/// The repository's name.
pub(crate) const NAME: &str = "team/app";

impl Registry {
    pub(crate) async fn start() -> Self {
        let shelves = Arc::new(Mutex::new(Shelves { page: 1000, ..Shelves::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("it is bound");
        let app = Router::new().fallback(answer).with_state((address, Arc::clone(&shelves)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shelves }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().expect("no request fails")
    }

    /// Offers a blob; its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.shelves().blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Offers other bytes under a blob's digest.
    pub(crate) fn spoil(&self, digest: &str) {
        let mut shelves = self.shelves();
        let blob = shelves.blobs.get_mut(digest).expect("the blob is there");
        blob.iter_mut().for_each(|byte| *byte = !*byte);
    }

    /// Offers a manifest; its descriptor.
    pub(crate) fn manifest(&self, manifest: &Value) -> Value {
        let media_type = manifest["mediaType"].as_str().expect("a manifest has a type").to_owned();
        let bytes = serde_json::to_vec_pretty(manifest).expect("JSON can be written");
        let (digest, size) = (digest(&bytes), bytes.len());
        self.shelves().manifests.insert(digest.clone(), (media_type.clone(), bytes));
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    }

    /// Offers an image of two layers, one of which all images of this registry share; the manifest's descriptor.
    pub(crate) fn image(&self, text: &str, architecture: &str) -> Value {
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Labels": { "said": text } },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let layers = [self.blob(LAYER, b"shared by all"), self.blob(LAYER, text.as_bytes())];
        self.manifest(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(CONFIG, config.to_string().as_bytes()),
            "layers": layers,
            "annotations": { "org.example.text": text },
        }))
    }

    /// Offers an index of images for two platforms; its descriptor.
    pub(crate) fn index(&self, text: &str) -> Value {
        let platforms = ["amd64", "arm64"].map(|architecture| {
            let mut image = self.image(&format!("{text} on {architecture}"), architecture);
            image["platform"] = json!({ "architecture": architecture, "os": "linux" });
            image
        });
        self.manifest(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": platforms }))
    }

    /// Offers a manifest that is about another one; its descriptor.
    pub(crate) fn about(&self, subject: &Value, artifact_type: &str) -> Value {
        let empty = self.blob("application/vnd.oci.empty.v1+json", b"{}");
        self.manifest(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact_type,
            "config": empty,
            "layers": [empty],
            "subject": subject,
        }))
    }

    pub(crate) fn tag(&self, tag: &str, manifest: &Value) {
        self.shelves().tags.insert(tag.to_owned(), text(manifest, "digest"));
    }

    pub(crate) fn untag(&self, tag: &str) {
        self.shelves().tags.remove(tag);
    }

    /// The tag, and the manifest that it stands for, go as soon as somebody has asked which one that is.
    pub(crate) fn vanish(&self, tag: &str) {
        self.shelves().vanishing.insert(tag.to_owned());
    }

    /// Offers a signature of a manifest: in the sigstore at `sigstore/`, and by itself once it hands them out.
    pub(crate) fn sign(&self, manifest: &Value, signature: Vec<u8>) {
        self.shelves().signatures.entry(text(manifest, "digest")).or_default().push(signature);
    }

    /// From now on says that it hands out signatures.
    pub(crate) fn hand_out_signatures(&self) {
        self.shelves().hands_out_signatures = true;
    }

    /// From now on fails whenever it is asked for signatures.
    pub(crate) fn lose_signatures(&self) {
        self.shelves().loses_signatures = true;
    }

    /// From now on asks for tokens, which its token server gives to this user.
    pub(crate) fn require_login(&self, user: &str, password: &str) {
        self.shelves().login = Some((user.to_owned(), password.to_owned()));
    }

    /// From now on lists referrers.
    pub(crate) fn list_referrers(&self) {
        self.shelves().lists_referrers = true;
    }

    /// From now on lists so many tags a page.
    pub(crate) fn page(&self, tags: usize) {
        self.shelves().page = tags;
    }

    /// The requests since the last call, as `GET /v2/…`.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.shelves().seen)
    }
}

/// The digest of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, bytes).to_string()
}

/// A field of an object.
pub(crate) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("no text '{field}' in {object}")).to_owned()
}

async fn answer(State((address, shelves)): State<(SocketAddr, Arc<Mutex<Shelves>>)>, request: Request) -> Response {
    let mut shelves = shelves.lock().expect("no request fails");
    let (method, uri) = (request.method().clone(), request.uri().clone());
    shelves.seen.push(format!("{method} {uri}"));
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    if path == "/token" {
        return token(&shelves, request.headers());
    }
    if shelves.login.is_some() && bearer(request.headers()) != Some("let-me-in") {
        let challenge =
            format!(r#"Bearer realm="http://{address}/token",service="test",scope="repository:{NAME}:pull""#);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    if path == "/v2/" {
        let supports = if shelves.hands_out_signatures { "1" } else { "0" };
        return ([("x-registry-supports-signatures", supports)], "{}").into_response();
    }
    if shelves.loses_signatures && (path.starts_with("/extensions/") || path.starts_with("/sigstore/")) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if let Some(path) = path.strip_prefix(&format!("/sigstore/{NAME}@sha256=")) {
        return in_sigstore(&shelves, path);
    }
    if let Some(manifest) = path.strip_prefix(&format!("/extensions/v2/{NAME}/signatures/")) {
        return signatures(&shelves, manifest);
    }
    let Some(path) = path.strip_prefix(&format!("/v2/{NAME}/")) else { return missing() };
    match path.split_once('/') {
        Some(("tags", "list")) => tags(&shelves, query),
        Some(("manifests", reference)) => {
            let answer = manifest(&shelves, reference, &method);
            if shelves.vanishing.remove(reference)
                && let Some(digest) = shelves.tags.remove(reference)
            {
                shelves.manifests.remove(&digest);
            }
            answer
        }
        Some(("blobs", digest)) => match shelves.blobs.get(digest) {
            Some(bytes) => bytes.clone().into_response(),
            None => missing(),
        },
        Some(("referrers", subject)) if shelves.lists_referrers => referrers(&shelves, subject),
        _ => missing(),
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn token(shelves: &Shelves, headers: &HeaderMap) -> Response {
    use base64::Engine;
    let (user, password) = shelves.login.clone().expect("tokens are asked for");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    match headers.get(header::AUTHORIZATION).is_some_and(|value| *value == format!("Basic {basic}")) {
        true => axum::Json(json!({ "token": "let-me-in", "expires_in": 300 })).into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn tags(shelves: &Shelves, query: &str) -> Response {
    let last = query.strip_prefix("last=").unwrap_or_default();
    let mut tags: Vec<&String> = shelves.tags.keys().filter(|tag| tag.as_str() > last).collect();
    let more = tags.len() > shelves.page;
    tags.truncate(shelves.page);
    let body = axum::Json(json!({ "name": NAME, "tags": tags }));
    match tags.last().filter(|_| more) {
        Some(last) => {
            ([(header::LINK, format!("</v2/{NAME}/tags/list?last={last}>; rel=\"next\""))], body).into_response()
        }
        None => body.into_response(),
    }
}

fn manifest(shelves: &Shelves, reference: &str, method: &Method) -> Response {
    let digest = shelves.tags.get(reference).map_or(reference, String::as_str);
    let Some((media_type, bytes)) = shelves.manifests.get(digest) else { return missing() };
    let body = if *method == Method::HEAD { Body::empty() } else { Body::from(bytes.clone()) };
    let headers = [("content-type", media_type.as_str()), ("docker-content-digest", digest)];
    (headers.map(|(name, value)| (name, value.to_owned())), body).into_response()
}

fn in_sigstore(shelves: &Shelves, path: &str) -> Response {
    let found = path.split_once("/signature-").and_then(|(hex, number)| {
        let number: usize = number.parse().ok()?;
        shelves.signatures.get(&format!("sha256:{hex}"))?.get(number.checked_sub(1)?)
    });
    found.map_or_else(missing, |signature| signature.clone().into_response())
}

fn signatures(shelves: &Shelves, manifest: &str) -> Response {
    use base64::Engine;
    let listed = |signature: &Vec<u8>| {
        let content = base64::engine::general_purpose::STANDARD.encode(signature);
        json!({ "schemaVersion": 2, "type": "atomic", "name": format!("{manifest}@none"), "content": content })
    };
    let listed: Vec<Value> = shelves.signatures.get(manifest).into_iter().flatten().map(listed).collect();
    axum::Json(json!({ "signatures": listed })).into_response()
}

fn referrers(shelves: &Shelves, subject: &str) -> Response {
    let about = shelves.manifests.iter().filter_map(|(digest, (media_type, bytes))| {
        let manifest: Value = serde_json::from_slice(bytes).expect("manifests are JSON");
        (manifest["subject"]["digest"] == subject).then(|| {
            json!({
                "mediaType": media_type,
                "digest": digest,
                "size": bytes.len(),
                "artifactType": manifest["artifactType"],
            })
        })
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": about.collect::<Vec<_>>() });
    ([(header::CONTENT_TYPE, INDEX)], index.to_string()).into_response()
}
