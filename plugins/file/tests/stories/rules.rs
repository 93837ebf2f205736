//! What a distribution serves, and for how long: checkpoints, yesterday's files, and what never changes.

use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use serde_json::{Value, json};

use crate::common::{distribute, href, repository};

/// Adds a file of this name and content to a repository.
async fn add(pulp: &TestPulp, repository: &str, name: &str) {
    let fields = [("relative_path", name), ("repository", repository)];
    pulp.upload("content/file/files/", name.to_owned(), &fields).await.accepted().await.completed();
}

async fn publish(pulp: &TestPulp, repository: &str, checkpoint: bool) -> Value {
    let body = json!({ "repository": repository, "checkpoint": checkpoint });
    let task = pulp.post("publications/file/file/", body).await.accepted().await.completed();
    pulp.get(&task.created_resource()).await.ok()
}

async fn serve(pulp: &TestPulp, body: Value) -> String {
    pulp.post("distributions/file/file/", body).await.accepted().await.completed().created_resource()
}

/// `2025-01-30T20:53:39.123456Z` as it stands in paths: `20250130T205339Z`.
fn stamp(publication: &Value) -> String {
    let made = publication["pulp_created"].as_str().expect("a publication has a time").replace(['-', ':'], "");
    format!("{}Z", &made[..15])
}

both_databases!(a_checkpoint_is_found_by_its_time_while_the_repository_goes_on, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    serve(pulp, json!({ "name": "c", "base_path": "c", "repository": repository, "checkpoint": true })).await;
    add(pulp, &repository, "a.txt").await;
    let checkpoint = publish(pulp, &repository, true).await;
    assert_eq!(checkpoint["checkpoint"], true);
    add(pulp, &repository, "b.txt").await;
    publish(pulp, &repository, false).await;

    let stamp = stamp(&checkpoint);
    let list = pulp.content("c/").await.expect(200);
    assert_eq!(list.text().matches("<a href=\"./").count(), 1, "{}", list.text());
    assert!(list.text().contains(&format!("<a href=\"./{stamp}/\">")), "{}", list.text());
    assert_eq!(pulp.content(&format!("c/{stamp}/a.txt")).await.expect(200).text(), "a.txt");
    assert!(pulp.content(&format!("c/{stamp}/PULP_MANIFEST")).await.expect(200).text().starts_with("a.txt,"));
    for nothing in [format!("c/{stamp}/b.txt"), "c/20010101T000000Z/a.txt".into(), "c/a.txt/".into()] {
        pulp.content(&nothing).await.expect(404);
    }
    let bare = pulp.content(&format!("c/{stamp}")).await.expect(301);
    assert_eq!(bare.header("location"), format!("/pulp/content/c/{stamp}/"));
    let refused = pulp.delete(&format!("{repository}versions/1/")).await.refused();
    assert!(refused.to_string().contains("currently being used to distribute content"), "{refused}");
});

both_databases!(old_checkpoints_lose_their_mark, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let mut checkpoints = Vec::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        add(pulp, &repository, name).await;
        checkpoints.push(publish(pulp, &repository, true).await);
    }
    pulp.patch(&repository, json!({ "retain_checkpoints": 2 })).await.accepted().await.completed();
    checkpoints.push(publish(pulp, &repository, true).await);
    // One that is none leaves the others alone.
    publish(pulp, &repository, false).await;
    let mut kept = Vec::new();
    for checkpoint in &checkpoints {
        kept.push(pulp.get(href(checkpoint)).await.ok()["checkpoint"].as_bool().unwrap());
    }
    assert_eq!(kept, [false, false, true, true]);
    assert_eq!(pulp.get("publications/file/file/?checkpoint=true").await.results().len(), 2);
});

both_databases!(a_checkpoint_is_of_a_repository_and_nothing_else, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let version = format!("{repository}versions/0/");
    let body = json!({ "repository_version": version, "checkpoint": true });
    let said = json!({ "non_field_errors": ["'checkpoint' may only be used with 'repository'"] });
    assert_eq!(pulp.post("publications/file/file/", &body).await.refused(), said);
    assert_eq!(pulp.post("tasks/file/publications/", &body).await.refused(), said);

    let said = "The 'checkpoint' attribute may only be used with the 'repository' attribute.";
    let said = json!({ "non_field_errors": [said] });
    let publication = publish(pulp, &repository, false).await;
    for source in [json!({}), json!({ "repository_version": version }), json!({ "publication": href(&publication) })] {
        let mut body = json!({ "name": "c", "base_path": "c", "checkpoint": true });
        body.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        assert_eq!(pulp.post("distributions/file/file/", body).await.refused(), said);
    }
    let made = serve(pulp, json!({ "name": "c", "base_path": "c", "repository": repository })).await;
    pulp.patch(&made, json!({ "checkpoint": true })).await.accepted().await.completed();
    assert_eq!(pulp.patch(&made, json!({ "repository": null })).await.refused(), said);
});

both_databases!(a_client_with_yesterdays_manifest_still_finds_yesterdays_files, |pulp| {
    let repository = repository(pulp, json!({ "name": "r", "autopublish": true })).await;
    let made = serve(pulp, json!({ "name": "d", "base_path": "d", "repository": repository })).await;
    add(pulp, &repository, "a.txt").await;
    let unit = pulp.get("content/file/files/").await.results()[0].clone();
    let body = json!({ "remove_content_units": [href(&unit)] });
    pulp.post(&format!("{repository}modify/"), body).await.accepted().await.completed();

    assert_eq!(pulp.content("d/PULP_MANIFEST").await.expect(200).text(), "");
    assert_eq!(pulp.content("d/a.txt").await.expect(200).text(), "a.txt");
    assert!(!pulp.content("d/").await.expect(200).text().contains("a.txt"));

    // Whoever points it at nothing means it.
    pulp.patch(&made, json!({ "repository": null })).await.accepted().await.completed();
    pulp.content("d/a.txt").await.expect(404);
    pulp.patch(&made, json!({ "repository": repository })).await.accepted().await.completed();
    pulp.content("d/a.txt").await.expect(404);
});

both_databases!(another_publication_takes_no_file_away_at_once, |pulp| {
    let (old, new) =
        (repository(pulp, json!({ "name": "old" })).await, repository(pulp, json!({ "name": "new" })).await);
    add(pulp, &old, "a.txt").await;
    add(pulp, &new, "b.txt").await;
    distribute(pulp, &old, "d").await;
    let made = pulp.get("distributions/file/file/").await.results()[0].clone();
    let other = publish(pulp, &new, false).await;
    pulp.patch(href(&made), json!({ "publication": href(&other) })).await.accepted().await.completed();
    assert_eq!(pulp.content("d/b.txt").await.expect(200).text(), "b.txt");
    assert_eq!(pulp.content("d/a.txt").await.expect(200).text(), "a.txt");

    pulp.restart_with(|settings| settings.distributed_publication_retention_period = 0).await;
    pulp.content("d/b.txt").await.expect(200);
    pulp.content("d/a.txt").await.expect(404);
});

both_databases!(only_what_cannot_change_by_itself_says_since_when_it_has_not, |pulp| {
    let repository = repository(pulp, json!({ "name": "r" })).await;
    let publication = publish(pulp, &repository, false).await;
    let version = format!("{repository}versions/0/");
    for (name, source, stands_still) in [
        ("publication", json!({ "publication": href(&publication) }), true),
        // Another publication of the version would be served.
        ("version", json!({ "repository_version": version }), false),
        ("repository", json!({ "repository": repository }), false),
        ("nothing", json!({}), false),
    ] {
        let mut body = json!({ "name": name, "base_path": name });
        body.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        let made = pulp.get(&serve(pulp, body).await).await.ok();
        let expected = if stands_still { made["pulp_last_updated"].clone() } else { Value::Null };
        assert_eq!(made["no_content_change_since"], expected, "{name}");
    }
    let body = json!({ "name": "x", "base_path": "x", "no_content_change_since": "2020-01-01T00:00:00Z" });
    let answer = pulp.post("distributions/file/file/", body).await;
    assert_eq!(answer.refused(), json!({ "no_content_change_since": ["Unexpected field"] }));
});

both_databases!(the_published_version_stays_while_the_repository_is_distributed, |pulp| {
    let repository = repository(pulp, json!({ "name": "r", "retain_repo_versions": 1 })).await;
    serve(pulp, json!({ "name": "d", "base_path": "d", "repository": repository })).await;
    add(pulp, &repository, "a.txt").await;
    publish(pulp, &repository, false).await;
    add(pulp, &repository, "b.txt").await;
    add(pulp, &repository, "c.txt").await;
    assert_eq!(pulp.content("d/a.txt").await.expect(200).text(), "a.txt");
    let versions = pulp.get(&format!("{repository}versions/")).await.results();
    let numbers: Vec<_> = versions.iter().map(|version| version["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 1]);

    publish(pulp, &repository, false).await;
    add(pulp, &repository, "d.txt").await;
    let versions = pulp.get(&format!("{repository}versions/")).await.results();
    assert_eq!(versions.len(), 2, "what is not served any more goes");
});
