//! What only an object store can do, or do wrong: told to a real S3 server.

use axum::http::{Method, StatusCode};
use reqwest::Client;

use super::*;
use crate::settings::Secret;
use crate::testkit::S3Server;
use crate::testkit::s3::{S3Request, Verdict};

impl Fixture {
    pub(super) async fn s3(change: impl FnOnce(&mut StorageSettings)) -> Self {
        let s3 = S3Server::start().await;
        let mut settings = s3.settings();
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open_as(&settings, Self::config(&folder, true)).await.unwrap();
        Self { s3: Some(s3), ..Self::of(storage, folder) }
    }

    fn server(&self) -> &S3Server {
        self.s3.as_ref().unwrap()
    }
}

fn large() -> Vec<u8> {
    bodies()[2].clone()
}

fn is_second_part(request: &S3Request) -> bool {
    request.query.contains("partNumber=2")
}

fn is_given_up(request: &S3Request) -> bool {
    request.method == Method::DELETE && request.query.contains("uploadId")
}

#[tokio::test]
async fn a_large_body_that_fails_half_way_leaves_nothing_and_can_be_kept_later() {
    let fixture = Fixture::s3(|_| {}).await;
    let server = fixture.server();
    server.rule(|request| if is_second_part(request) { Verdict::Refuse(500) } else { Verdict::Pass });
    let error = fixture.storage.keep_one(fixture.receive(&large()).await).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!((server.keys(), server.unfinished()), (vec![], 0));

    server.recover();
    let kept = fixture.storage.keep_one(fixture.receive(&large()).await).await.unwrap();
    assert!(fixture.read(&kept.path).await == large());
    assert_eq!((server.keys(), server.unfinished(), fixture.spooled()), (vec![kept.path], 0, 0));
}

#[tokio::test]
async fn a_sender_who_goes_away_half_way_leaves_nothing() {
    let fixture = Fixture::s3(|_| {}).await;
    let server = fixture.server();
    server.rule(|request| if is_second_part(request) { Verdict::Hold } else { Verdict::Pass });
    let received = fixture.receive(&large()).await;
    let halfway = async {
        for part in ["partNumber=1", "partNumber=3"] {
            server.answer(|request| request.query.contains(part)).await;
        }
        server.arrival(is_second_part).await;
    };
    tokio::select! {
        _ = fixture.storage.keep_one(received) => panic!("the second part never ends"),
        () = halfway => {}
    }
    server.answer(is_given_up).await;
    assert_eq!((server.keys(), server.unfinished(), fixture.spooled()), (vec![], 0, 0));
}

#[tokio::test]
async fn two_who_keep_the_same_large_body_at_once_send_it_once() {
    let fixture = Fixture::s3(|_| {}).await;
    let (first, second) = (fixture.receive(&large()).await, fixture.receive(&large()).await);
    let (first, second) = tokio::join!(fixture.storage.keep_one(first), fixture.storage.keep_one(second));
    assert_eq!(first.unwrap(), second.unwrap());
    let begun = |request: &&S3Request| request.method == Method::POST && request.query.starts_with("uploads");
    assert_eq!(fixture.server().take_requests().iter().filter(begun).count(), 1);
}

#[tokio::test]
async fn what_is_there_is_not_put_again_and_what_is_damaged_is() {
    for conditional in [true, false] {
        let fixture = Fixture::s3(|settings| settings.conditional_put = conditional).await;
        for body in bodies() {
            let path = fixture.storage.keep_one(fixture.receive(&body).await).await.unwrap().path;
            fixture.server().ruin(&path, b"ruin");
            fixture.storage.keep_one(fixture.receive(&body).await).await.unwrap();
            assert!(fixture.read(&path).await == body);
        }
        assert_eq!(fixture.server().keys().len(), 3);
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_and_nothing_is_told_of_it() {
    let mut fixture = Fixture::s3(|_| {}).await;
    let kept = fixture.storage.keep_one(fixture.receive(b"kept").await).await.unwrap();
    fixture.s3 = None;
    let storage = &fixture.storage;
    let errors = [
        storage.keep_one(fixture.receive(b"new").await).await.unwrap_err(),
        storage.keep_one(fixture.receive(&large()).await).await.unwrap_err(),
        storage.read(&kept.path, Some(0..2)).await.unwrap_err(),
        storage.size(&kept.path).await.unwrap_err(),
        storage.delete(std::slice::from_ref(&kept.path)).await.unwrap_err(),
        storage.uploads().await.unwrap_err(),
        storage.answers().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "The object storage cannot be used at the moment.");
        assert!(matches!(error, Error::Unavailable(_)));
    }
    // Signing asks nobody.
    storage.link(&kept.path, Method::GET, "a", "text/plain").await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_bucket_are_noticed() {
    let wrong: [fn(&mut StorageSettings); 2] = [
        |settings| settings.secret_access_key = Some(Secret::new("wrong")),
        |settings| settings.bucket = Some("elsewhere".to_owned()),
    ];
    for wrong in wrong {
        let fixture = Fixture::s3(wrong).await;
        assert!(matches!(fixture.storage.answers().await, Err(Error::Unavailable(_))));
    }
    Fixture::s3(|_| {}).await.storage.answers().await.unwrap();
}

#[tokio::test]
async fn a_link_opens_one_object_for_one_method_under_the_name_that_it_says() {
    let fixture = Fixture::s3(|_| {}).await;
    let kept = fixture.storage.keep_one(fixture.receive(b"0123456789").await).await.unwrap();
    let other = fixture.storage.keep_one(fixture.receive(b"other").await).await.unwrap();
    let link = async |method| fixture.storage.link(&kept.path, method, "a b.txt", "text/plain").await.unwrap().unwrap();
    let url = link(Method::GET).await;
    let client = Client::new();

    let got = client.get(url.clone()).send().await.unwrap();
    assert_eq!(got.headers()["content-type"], "text/plain");
    assert_eq!(got.headers()["content-disposition"], "attachment;filename=\"a b.txt\"");
    assert_eq!(got.bytes().await.unwrap(), "0123456789");
    let part = client.get(url.clone()).header("range", "bytes=2-4").send().await.unwrap();
    assert_eq!((part.status(), part.bytes().await.unwrap().as_ref()), (StatusCode::PARTIAL_CONTENT, &b"234"[..]));

    let head = client.head(link(Method::HEAD).await).send().await.unwrap();
    assert_eq!((head.status(), &head.headers()["content-length"]), (StatusCode::OK, &"10".parse().unwrap()));

    let mut elsewhere = url.clone();
    elsewhere.set_path(&url.path().replace(&kept.path, &other.path));
    let renamed = url.as_str().replace("a%20b.txt", "c%20b.txt");
    assert_ne!(renamed, url.as_str());
    for forged in [elsewhere.as_str(), &renamed, url.as_str().split('?').next().unwrap()] {
        assert_eq!(client.get(forged).send().await.unwrap().status(), StatusCode::FORBIDDEN, "{forged}");
    }
    assert_eq!(client.head(url).send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn clients_are_sent_to_the_public_name_of_the_store() {
    let public = |settings: &mut StorageSettings| {
        settings.public_endpoint = Some("https://files.example.test".to_owned());
        settings.prefix = "pulp".to_owned();
    };
    let fixture = Fixture::s3(public).await;
    let url = fixture.storage.link("artifact/ab/cd", Method::GET, "a", "text/plain").await.unwrap().unwrap();
    assert!(url.as_str().starts_with("https://files.example.test/pulp/pulp/artifact/ab/cd?"), "{url}");
    assert!(url.query_pairs().any(|(key, value)| key == "X-Amz-Expires" && value == "3600"), "{url}");
}

#[tokio::test]
async fn a_bucket_can_be_shared_below_a_prefix() {
    let fixture = Fixture::s3(|settings| settings.prefix = "teams/pulp/".to_owned()).await;
    let storage = &fixture.storage;
    let path = storage.keep_one(fixture.receive(b"hello").await).await.unwrap().path;
    assert_eq!(fixture.server().keys(), [format!("teams/pulp/{path}")]);
    let upload = Uuid::now_v7();
    uploads::send(storage, upload, 0, false, b"part").await.unwrap();
    assert_eq!(storage.uploads().await.unwrap(), [upload]);
    storage.discard_upload(upload).await.unwrap();

    let url = storage.link(&path, Method::GET, "a", "text/plain").await.unwrap().unwrap();
    assert_eq!(Client::new().get(url).send().await.unwrap().bytes().await.unwrap(), "hello");
    let nobody = |_| async { Ok(HashSet::new()) };
    assert_eq!(storage.remove_unused(vec![path], nobody).await.unwrap(), 1);
    assert_eq!(fixture.server().keys(), Vec::<String>::new());
}

#[tokio::test]
async fn objects_are_deleted_in_batches() {
    let fixture = Fixture::s3(|_| {}).await;
    let mut batch = Vec::new();
    for nth in 0..250_u32 {
        batch.push(fixture.receive(&nth.to_be_bytes()).await);
    }
    let paths = fixture.storage.keep(batch).await.unwrap().into_iter().map(|kept| kept.path).collect::<Vec<_>>();
    fixture.server().take_requests();
    let nobody = |_| async { Ok(HashSet::new()) };
    assert_eq!(fixture.storage.remove_unused(paths, nobody).await.unwrap(), 250);
    assert_eq!(fixture.server().keys(), Vec::<String>::new());
    assert!(fixture.server().take_requests().len() <= 2);
}
