//! What every plugin promises, asked of advisories: they are files that a test can write by hand.

use pulpcore::testkit::conformance::{Subject, Unit};
use serde_json::json;

fn advisory(n: usize, date: &str) -> Unit {
    let package =
        json!({ "name": format!("bear-{n}"), "epoch": "0", "version": "4.1", "release": "1", "arch": "noarch" });
    let advisory = json!({
        "id": format!("ZOO-{n}"),
        "updated_date": date,
        "issued_date": "2026-01-01",
        "title": format!("Bears {n}"),
        "pkglist": [{ "name": "collection", "shortname": "c", "packages": [package] }],
        "references": [],
    });
    Unit { file: advisory.to_string().into(), fields: Vec::new() }
}

pulpcore::conformance!(Subject {
    label: "rpm",
    repositories: "repositories/rpm/rpm/",
    content: "content/rpm/advisories/",
    unit: |n| advisory(n, "2026-01-02"),
    // The newer one of two with one name stays.
    rival: Some(|n| advisory(n, "2026-01-03")),
});
