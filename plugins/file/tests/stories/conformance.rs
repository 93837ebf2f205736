//! What every plugin promises.

use pulpcore::testkit::conformance::{Subject, Unit};

fn file(n: usize, text: &str) -> Unit {
    Unit { file: format!("{text} {n}").into(), fields: vec![("relative_path", format!("folder/{n}.txt"))] }
}

pulpcore::conformance!(Subject {
    label: "file",
    repositories: "repositories/file/file/",
    content: "content/file/files/",
    unit: |n| file(n, "text"),
    rival: Some(|n| file(n, "another text")),
});
