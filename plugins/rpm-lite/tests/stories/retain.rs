//! Old versions of packages: what a repository keeps, and what is pruned.

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{href, packages, repository, set, synced, text};
use crate::upstream::Upstream;

both_databases!(a_repository_keeps_as_many_versions_as_it_says, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch", "bear-2.noarch", "bear-10.noarch", "bear-1.x86_64"]).await;
    let (source, _) = synced(pulp, &upstream).await;
    let kept = repository(pulp, "kept", json!({ "retain_package_versions": 1 })).await;
    let all = pulp.get("content/rpm/packages/").await.results();
    let units: Vec<String> = all.iter().map(href).collect();
    pulp.post(&format!("{kept}modify/"), json!({ "add_content_units": units })).await.accepted().await.completed();
    assert_eq!(packages(pulp, &kept).await, set(&["bear-10.noarch", "bear-1.x86_64"]));
    assert_eq!(packages(pulp, &source).await.len(), 4);
});

both_databases!(pruning_removes_what_has_a_newer_version, |pulp| {
    let upstream = Upstream::with(&["bear-1.noarch", "bear-2.noarch", "cat-1.noarch"]).await;
    let (repository, _) = synced(pulp, &upstream).await;
    let prune = async |body: serde_json::Value| {
        let answer = pulp.post("rpm/prune/", body).await.expect(202);
        let group: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
        let group = text(&group, "task_group");
        let mut changes = pulp.app().queue.watch();
        loop {
            let group = pulp.get(&group).await.ok();
            let left = ["waiting", "running"].iter().any(|state| group[*state] != 0);
            if group["all_tasks_dispatched"] == true && !left {
                return group;
            }
            changes.changed().await.expect("the queue lives");
        }
    };
    let group = prune(json!({ "repo_hrefs": [repository], "keep_days": 0, "dry_run": true })).await;
    assert_eq!(group["completed"], 2, "{group}");
    assert_eq!(packages(pulp, &repository).await.len(), 3);
    prune(json!({ "repo_hrefs": ["*"], "keep_days": 7 })).await;
    assert_eq!(packages(pulp, &repository).await.len(), 3, "nothing is that old");
    let group = prune(json!({ "repo_hrefs": ["*"], "keep_days": 0 })).await;
    assert_eq!(group["group_progress_reports"][0]["done"], 1, "{group}");
    assert_eq!(packages(pulp, &repository).await, set(&["bear-2.noarch", "cat-1.noarch"]));
    for wrong in [json!([]), json!(["*", repository]), json!(["nonsense"])] {
        pulp.post("rpm/prune/", json!({ "repo_hrefs": wrong })).await.refused();
    }
});
