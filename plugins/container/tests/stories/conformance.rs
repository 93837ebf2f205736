//! What every plugin promises, as far as it goes without uploads: units of this plugin come by push and by sync.

use pulpcore::testkit::conformance::{self, Subject, Unit};

const SUBJECT: Subject = Subject {
    label: "container",
    repositories: "repositories/container/container/",
    content: "content/container/blobs/",
    unit: |n| Unit { file: format!("{n}").into(), fields: Vec::new() },
    rival: None,
};

pulpcore::both_databases!(a_repository_begins_with_an_empty_version, |pulp| {
    conformance::a_repository_begins_with_an_empty_version(pulp, &SUBJECT).await;
});

pulpcore::both_databases!(labels_are_set_and_unset, |pulp| {
    conformance::labels_are_set_and_unset(pulp, &SUBJECT).await;
});

pulpcore::both_databases!(unknown_filters_and_fields_are_refused, |pulp| {
    conformance::unknown_filters_and_fields_are_refused(pulp, &SUBJECT).await;
});

pulpcore::both_databases!(every_operation_is_described_once, |pulp| {
    conformance::every_operation_is_described_once(pulp, &SUBJECT).await;
});

pulpcore::both_databases!(every_kind_of_task_has_typed_endpoints, |pulp| {
    conformance::every_kind_of_task_has_typed_endpoints(pulp, &SUBJECT).await;
});
