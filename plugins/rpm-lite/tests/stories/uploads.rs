//! Uploads of packages, as `rpmbuild` makes them.

use std::path::Path;
use std::process::Command;

use pulpcore::both_databases;
use serde_json::json;

use crate::common::{held, href, packages, repository, set};

/// A package with a file, what it requires and what changed.
const SPEC: &str = "Name: bear\nEpoch: 1\nVersion: 4.1\nRelease: 1\nSummary: A bear & more\nLicense: MIT\n\
                    URL: https://example.test/bear\nBuildArch: noarch\nRequires: honey >= 2:1.0\nRecommends: cave\n\
                    %description\nAll about the bear.\n%install\n\
                    mkdir -p %{buildroot}/usr/share/zoo && echo 4.1 > %{buildroot}/usr/share/zoo/bear\n\
                    %files\n%dir /usr/share/zoo\n/usr/share/zoo/bear\n\
                    %changelog\n* Tue Jan 02 2024 A Keeper <keeper@example.test>\n- Fed\n";

/// The bytes of that package.
fn bear() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let spec = folder.path().join("bear.spec");
    std::fs::write(&spec, SPEC).expect("the folder can be written to");
    let top = format!("_topdir {}", folder.path().display());
    let built = Command::new("rpmbuild").args(["-bb", "--define", &top]).arg(spec).output();
    let built = built.expect("rpmbuild can be started: install rpm");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    read(folder.path())
}

fn read(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("RPMS/noarch/bear-4.1-1.noarch.rpm")).expect("rpmbuild has built it")
}

both_databases!(a_package_is_uploaded_into_a_repository_and_served, |pulp| {
    let file = bear();
    let repository = repository(pulp, "r", json!({ "autopublish": true })).await;
    let body = json!({ "name": "d", "base_path": "zoo", "repository": repository });
    pulp.post("distributions/rpm/rpm/", body).await.accepted().await.completed();
    pulp.upload("content/rpm/packages/", file.clone(), &[("repository", &repository)])
        .await
        .accepted()
        .await
        .completed();
    assert_eq!(packages(pulp, &repository).await, set(&["bear-4.1.noarch"]));
    let bear = &held(pulp, &repository, "packages").await[0];
    assert_eq!((&bear["epoch"], &bear["summary"]), (&json!("1"), &json!("A bear & more")));
    assert_eq!((&bear["pkgId"], &bear["checksum_type"]), (&bear["sha256"], &json!("sha256")));
    assert_eq!(bear["location_href"], "bear-4.1-1.noarch.rpm");
    assert_eq!(bear["size_package"], file.len());
    assert_eq!(bear["requires"], json!([["honey", "GE", "2", "1.0", null, false]]));
    assert_eq!(bear["recommends"], json!([["cave", null, null, null, null, false]]));
    assert_eq!(bear["provides"], json!([["bear", "EQ", "1", "4.1", "1", false]]));
    assert_eq!(bear["files"], json!([["dir", "/usr/share/", "zoo"], ["", "/usr/share/zoo/", "bear"]]));
    assert_eq!(bear["changelogs"][0][0], "A Keeper <keeper@example.test>");
    assert_eq!(bear["changelogs"][0][2], "- Fed");
    let served = pulp.content("zoo/Packages/b/bear-4.1-1.noarch.rpm").await.expect(200);
    assert_eq!(served.bytes, file);
});

both_databases!(a_package_is_uploaded_at_once_and_known_the_second_time, |pulp| {
    let file = bear();
    let made = pulp.upload("content/rpm/packages/upload/", file.clone(), &[]).await.created();
    assert_eq!((&made["name"], &made["rpm_license"]), (&json!("bear"), &json!("MIT")));
    let again = pulp.upload("content/rpm/packages/upload/", file.clone(), &[]).await;
    assert_eq!(href(&again.body), href(&made));
    assert_eq!(pulp.get("content/rpm/packages/").await.ok()["count"], 1);

    for (damaged, reason) in [(&file[..file.len() / 2], "cut short"), (&file[..50], "cut short"), (&file[1..], "RPM")] {
        let refused = pulp.upload("content/rpm/packages/upload/", damaged.to_vec(), &[]).await.refused();
        assert!(refused["file"][0].as_str().is_some_and(|text| text.contains(reason)), "{refused}");
    }
    let mut damaged = file;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let error = pulp.upload("content/rpm/packages/", damaged, &[]).await.accepted().await.failed();
    assert!(error.contains("digest"), "{error}");
});
