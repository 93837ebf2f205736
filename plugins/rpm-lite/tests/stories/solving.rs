//! Copies with what the units need.

use pulp_rpm_lite::package::Package;
use pulpcore::both_databases;
use pulpcore::testkit::{Ended, TestPulp};
use serde_json::{Value, json};

use crate::common::{fields, href, latest, packages, repository, set, synced};
use crate::copy::{copy, find};
use crate::upstream::{Shelf, Upstream, parse, requiring};

/// `honey-1: bees = 2, (a or b)`
fn unit(text: &str) -> Package {
    let (title, requires) = text.split_once(": ").unwrap_or((text, ""));
    let requires: Vec<&str> = requires.split(", ").filter(|text| !text.is_empty()).collect();
    requiring(parse(&format!("{title}.noarch")), &requires)
}

async fn source(pulp: &TestPulp, units: &[&str]) -> String {
    let upstream = Upstream::empty().await;
    upstream.offer(&Shelf { packages: units.iter().map(|text| unit(text)).collect(), ..Shelf::default() });
    synced(pulp, &upstream).await.0
}

/// The report on what is left open.
fn open(task: &Ended) -> Option<&Value> {
    let reports = task.body["progress_reports"].as_array().expect("a list");
    reports.iter().find(|report| report["code"] == "copying.open_dependencies")
}

/// Copies `bear-1` and expects what comes with it, all of version 1 unless it says another.
async fn brings(pulp: &TestPulp, source: &str, name: &str, expected: &[&str]) {
    let destination = repository(pulp, name, json!({})).await;
    let task = copy(pulp, source, &destination, json!([find(pulp, "bear", "1").await]), json!({})).await;
    let mut all = set(&["bear-1.noarch"]);
    all.extend(expected.iter().map(|title| format!("{title}.noarch")));
    assert_eq!(packages(pulp, &destination).await, all);
    assert_eq!(open(&task), None);
}

both_databases!(an_older_package_is_taken_where_the_newest_is_broken_some_steps_away, |pulp| {
    let units =
        ["bear-1: honey", "honey-2: bees", "honey-1", "bees-2: hive", "bees-1: hive >= 3", "hive-2: wood", "hive-1"];
    let broken = source(pulp, &[&units[..], &["wood-1: nails = 7", "nails-1"]].concat()).await;
    // bees-2 goes with hive-1.
    brings(pulp, &broken, "destination", &["honey-2", "bees-2", "hive-1"]).await;
});

both_databases!(all_of_a_chain_is_left_where_its_end_is_broken, |pulp| {
    let source = source(pulp, &["bear-1: honey", "honey-2: bees", "honey-1", "bees-1: hive", "hive-1: wood"]).await;
    brings(pulp, &source, "destination", &["honey-1"]).await;
});

both_databases!(rich_dependencies_are_followed, |pulp| {
    let source = source(
        pulp,
        &[
            "bear-1: (honey or fish), (cave and cub), (toys if cub), (skis if snow)",
            "honey-1: bees",
            "fish-1",
            "cave-1",
            "cub-1",
            "toys-1",
            "skis-1",
            "snow-1",
        ],
    )
    .await;
    brings(pulp, &source, "destination", &["fish-1", "cave-1", "cub-1", "toys-1"]).await;
});

both_databases!(two_versions_that_are_copied_together_stay, |pulp| {
    let source = source(pulp, &["bear-1: honey", "bear-2: honey = 1", "honey-1", "honey-2", "cub-1: honey = 2"]).await;
    let destination = repository(pulp, "destination", json!({})).await;
    let units = json!([find(pulp, "bear", "1").await, find(pulp, "bear", "2").await, find(pulp, "cub", "1").await]);
    copy(pulp, &source, &destination, units, json!({})).await;
    let all = set(&["bear-1.noarch", "bear-2.noarch", "cub-1.noarch", "honey-1.noarch", "honey-2.noarch"]);
    assert_eq!(packages(pulp, &destination).await, all);
});

both_databases!(needs_may_go_in_circles, |pulp| {
    let source = source(pulp, &["bear-1: honey", "honey-1: bees", "bees-1: flowers", "flowers-1: bees, bear"]).await;
    brings(pulp, &source, "destination", &["honey-1", "bees-1", "flowers-1"]).await;
});

both_databases!(what_nobody_provides_is_named_and_the_rest_is_copied, |pulp| {
    let source = source(pulp, &["bear-1: honey, moon >= 2, (sun or stars)", "honey-1: bees = 9", "bees-1"]).await;
    let destination = repository(pulp, "destination", json!({})).await;
    let task = copy(pulp, &source, &destination, json!([find(pulp, "bear", "1").await]), json!({})).await;
    assert_eq!(packages(pulp, &destination).await, set(&["bear-1.noarch", "honey-1.noarch"]));
    let report = open(&task).expect("a report");
    assert_eq!((&report["done"], &report["total"]), (&json!(3), &json!(3)));
    assert_eq!(report["message"], "Leaving dependencies open: bees = 9, moon >= 2, sun or stars");
});

both_databases!(what_another_source_has_goes_where_its_packages_go, |pulp| {
    let first = source(pulp, &["bear-1: honey"]).await;
    let upstream = Upstream::with(&["honey-1.noarch"]).await;
    let second = repository(pulp, "second", json!({})).await;
    let remote = json!({ "name": "second", "url": upstream.url() });
    let remote = href(&pulp.post("remotes/rpm/rpm/", remote).await.created());
    pulp.post(&format!("{second}sync/"), json!({ "remote": remote })).await.accepted().await.completed();
    let (one, other) = (repository(pulp, "one", json!({})).await, repository(pulp, "other", json!({})).await);
    let config = json!([
        { "source_repo_version": latest(pulp, &first).await, "dest_repo": one, "content": [find(pulp, "bear", "1").await] },
        { "source_repo_version": latest(pulp, &second).await, "dest_repo": other, "content": [] },
    ]);
    pulp.post("rpm/copy/", json!({ "config": config })).await.accepted().await.completed();
    assert_eq!(packages(pulp, &one).await, set(&["bear-1.noarch"]));
    assert_eq!(packages(pulp, &other).await, set(&["honey-1.noarch"]));
});

const MODULES: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: zoo\n  stream: \"1\"\n  version: 1\n  context: c\n  \
                       arch: noarch\n  summary: A zoo\n  description: A zoo\n  license:\n    module: [MIT]\n  dependencies:\n  \
                       - requires:\n      platform: [el8]\n      food: [\"2\"]\n  artifacts:\n    rpms:\n    - bear-0:1-1.noarch\n    \
                       - cub-0:1-1.noarch\n...\n---\ndocument: modulemd\nversion: 2\ndata:\n  name: food\n  stream: \"2\"\n  \
                       version: 1\n  context: c\n  arch: noarch\n  summary: Food\n  description: Food\n  license:\n    \
                       module: [MIT]\n  artifacts:\n    rpms:\n    - honey-0:1-1.noarch\n...\n";

both_databases!(a_package_of_a_module_brings_it_and_the_modules_that_it_needs, |pulp| {
    let upstream = Upstream::empty().await;
    let units = ["bear-1", "cub-1: toys", "toys-1", "honey-1: bees", "bees-1", "fish-1"];
    let packages_of = units.iter().map(|text| unit(text)).collect();
    upstream.offer(&Shelf { packages: packages_of, modules: MODULES.to_owned(), ..Shelf::default() });
    let source = synced(pulp, &upstream).await.0;
    brings(pulp, &source, "destination", &["cub-1", "toys-1", "honey-1", "bees-1"]).await;
    let destination = href(&pulp.get("repositories/rpm/rpm/?name=destination").await.results()[0]);
    assert_eq!(fields(pulp, &destination, "modulemds", "name").await, set(&["zoo", "food"]));
});
