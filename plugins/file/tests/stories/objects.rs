//! The same with the artifacts in an object store.

use pulpcore::both_databases_on_s3;
use pulpcore::testkit::s3::{S3Request, Verdict};
use pulpcore::testkit::{Answer, TestPulp};
use serde_json::json;

use crate::common::{distribute, href, remote, repository, sync, three_files};

/// A repository that was synced from three files, and distributed under `files`.
async fn distributed(pulp: &TestPulp, policy: &str) -> (pulpcore::testkit::FixtureServer, String) {
    let files = three_files().await;
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let remote = remote(pulp, &files, policy).await;
    sync(pulp, &repository, &remote).await.completed();
    distribute(pulp, &repository, "files").await;
    (files, repository)
}

/// A request to the content service.
async fn ask(pulp: &TestPulp, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let method = method.parse().expect("a test asks by a method that exists");
    let request = pulp.anonymous(method, &format!("/pulp/content/{path}"));
    pulp.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Whether a request would change the store.
fn writes(request: &S3Request) -> bool {
    matches!(request.method.as_str(), "PUT" | "POST" | "DELETE")
}

both_databases_on_s3!(what_is_synced_is_served_by_a_redirect_to_the_store, |pulp| {
    let (_files, _repository) = distributed(pulp, "immediate").await;
    for (path, body) in [("a.txt", "alpha"), ("dir/c.txt", "gamma")] {
        let redirect = ask(pulp, "GET", &format!("files/{path}"), &[]).await.expect(302);
        assert_eq!(redirect.header("x-pulp-artifact-size"), "5");
        assert_eq!(redirect.header("cache-control"), "no-store");
        let got = pulp.send(pulp.anonymous("GET".parse().unwrap(), redirect.header("location"))).await.expect(200);
        assert_eq!(got.text(), body);
        assert_eq!(got.header("content-type"), "text/plain");
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(got.header("content-disposition"), format!("attachment;filename={name}"));
    }
    let redirect = ask(pulp, "HEAD", "files/a.txt", &[]).await.expect(302);
    let head = pulp.send(pulp.anonymous("HEAD".parse().unwrap(), redirect.header("location"))).await.expect(200);
    assert_eq!(head.header("content-length"), "5");
    // What the conditions and the range leave nothing of is answered here.
    let digest = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
    ask(pulp, "GET", "files/a.txt", &[("if-none-match", &format!("\"{digest}\""))]).await.expect(304);
    ask(pulp, "GET", "files/a.txt", &[("range", "bytes=5-")]).await.expect(416);
    // Metadata, too.
    ask(pulp, "GET", "files/PULP_MANIFEST", &[]).await.expect(302);
});

both_databases_on_s3!(what_is_stored_is_passed_on_if_the_operator_wants_it_so, |pulp| {
    let (_files, _repository) = distributed(pulp, "immediate").await;
    pulp.restart_with(|settings| settings.redirect_to_object_storage = false).await;
    let whole = ask(pulp, "GET", "files/a.txt", &[]).await.expect(200);
    assert_eq!((whole.text().as_ref(), whole.header("content-length")), ("alpha", "5"));
    let part = ask(pulp, "GET", "files/a.txt", &[("range", "bytes=1-2")]).await.expect(206);
    assert_eq!((part.text().as_ref(), part.header("content-range")), ("lp", "bytes 1-2/5"));
    assert_eq!(ask(pulp, "HEAD", "files/a.txt", &[]).await.expect(200).header("content-length"), "5");
});

both_databases_on_s3!(what_only_a_remote_has_is_stored_when_it_is_asked_for, |pulp| {
    let (files, _repository) = distributed(pulp, "on_demand").await;
    assert_eq!(ask(pulp, "GET", "files/b.txt", &[]).await.expect(200).text(), "beta");
    pulp.s3().answer(|request| request.method == "PUT" && request.key.contains("f4/4e64e7")).await;
    // Its row is written once the object is there; until then it is downloaded again.
    while ask(pulp, "GET", "files/b.txt", &[]).await.status != 302 {}
    files.remove("small/b.txt");
    ask(pulp, "GET", "files/b.txt", &[]).await.expect(302);
});

both_databases_on_s3!(chunks_become_an_object_and_leave_none, |pulp| {
    let upload = pulp.post("uploads/", json!({ "size": 10 })).await.created();
    for (offset, bytes) in [(5, "56789"), (0, "01234")] {
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"part\"";
        let request = pulp
            .request("PUT".parse().unwrap(), href(&upload))
            .header("content-type", "multipart/form-data; boundary=edge")
            .header("content-range", format!("bytes {offset}-{}/10", offset + 4))
            .body(format!("--edge\r\n{file}\r\n\r\n{bytes}\r\n--edge--\r\n"));
        pulp.send(request).await.ok();
    }
    assert_eq!(pulp.s3().keys().len(), 2);
    let sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    let commit = format!("{}commit/", href(&upload));
    pulp.post(&commit, json!({ "sha256": sha256 })).await.accepted().await.completed();
    assert_eq!(pulp.s3().keys(), [format!("artifact/{}/{}", &sha256[..2], &sha256[2..])]);
});

both_databases_on_s3!(orphans_are_removed_from_the_store, |pulp| {
    let artifact = pulp.upload("artifacts/", "bytes", &[]).await.created();
    assert_eq!(pulp.s3().keys(), [artifact["file"].as_str().unwrap()]);
    let now = json!({ "orphan_protection_time": 0 });
    pulp.post("orphans/cleanup/", now).await.accepted().await.completed();
    pulp.get(href(&artifact)).await.missing();
    assert_eq!(pulp.s3().keys(), Vec::<String>::new());
});

both_databases_on_s3!(two_uploads_of_the_same_bytes_at_once_are_one_artifact, |pulp| {
    let (first, second) =
        tokio::join!(pulp.upload("artifacts/", "twice", &[]), pulp.upload("artifacts/", "twice", &[]));
    let statuses = [first.status.as_u16(), second.status.as_u16()];
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 400].contains(status)), "{statuses:?}");
    assert_eq!(pulp.s3().keys().len(), 1);
});

both_databases_on_s3!(a_lost_object_is_repaired, |pulp| {
    let (_files, repository) = distributed(pulp, "immediate").await;
    let digest = "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8";
    let key = format!("artifact/{}/{}", &digest[..2], &digest[2..]);
    pulp.s3().lose(&key);
    let repair = format!("{repository}versions/1/repair/");
    pulp.post(&repair, json!({ "verify_checksums": true })).await.accepted().await.completed();
    assert!(pulp.s3().keys().contains(&key));
    pulp.s3().ruin(&key, b"ALPHA");
    pulp.post(&repair, json!({ "verify_checksums": true })).await.accepted().await.completed();
    pulp.restart_with(|settings| settings.redirect_to_object_storage = false).await;
    assert_eq!(ask(pulp, "GET", "files/a.txt", &[]).await.expect(200).text(), "alpha");
});

both_databases_on_s3!(a_store_that_is_away_fails_what_needs_it_and_names_nothing, |pulp| {
    let (files, _repository) = distributed(pulp, "immediate").await;
    let before = pulp.s3().keys();
    pulp.restart_with(|settings| settings.redirect_to_object_storage = false).await;
    pulp.s3().rule(|_| Verdict::Refuse(503));
    let refused = pulp.upload("artifacts/", "new", &[]).await.expect(503);
    assert!(refused.text().contains("correlation_id"), "{}", refused.text());
    let served = ask(pulp, "GET", "files/a.txt", &[]).await.expect(503);
    assert!(served.text().starts_with("503: Service Unavailable ("), "{}", served.text());

    let other = repository(pulp, json!({ "name": "other" })).await;
    files.put("small/new.txt", "new");
    files.manifest("small/PULP_MANIFEST");
    pulp.s3().rule(|request| if writes(request) { Verdict::Refuse(503) } else { Verdict::Pass });
    let source = json!({ "name": "second", "url": files.url("small/PULP_MANIFEST"), "policy": "immediate" });
    let source = href(&pulp.post("remotes/file/file/", source).await.created()).to_owned();
    let failure = sync(pulp, &other, &source).await.failed();
    assert_eq!(failure, "The object storage cannot be used at the moment.");
    assert_eq!(pulp.s3().keys(), before);

    pulp.s3().recover();
    sync(pulp, &other, &source).await.completed();
    assert_eq!(ask(pulp, "GET", "files/a.txt", &[]).await.expect(200).text(), "alpha");
});

both_databases_on_s3!(the_status_and_the_domain_say_what_keeps_the_artifacts, |pulp| {
    let status = pulp.get("status/").await.ok();
    assert_eq!(status["storage"], json!({ "total": null, "used": null, "free": null }));
    let domain = &pulp.get("domains/").await.results()[0];
    assert_eq!(domain["storage_class"], "storages.backends.s3.S3Storage");
    assert_eq!(domain["storage_settings"]["bucket_name"], "pulp");
    assert!(!domain.to_string().contains("test-secret"), "{domain}");

    pulp.s3().rule(|_| Verdict::Refuse(403));
    let unready = pulp.send(pulp.anonymous("GET".parse().unwrap(), "/health/ready")).await.expect(503);
    assert!(unready.text().contains("The object storage cannot be used."), "{}", unready.text());
});
