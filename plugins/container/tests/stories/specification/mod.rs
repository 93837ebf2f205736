//! The OCI distribution specification 1.1.1 as a table: a test a section, and in it a comment for each rule, with its
//! number here, its weight, its words, and below them how this registry keeps it. On both databases, over raw HTTP.
//!
//! | file | rules | section of the specification |
//! | --- | --- | --- |
//! | `pull` | 1.1, 1.2, 1.3 | "Pull": "Pulling manifests", "Pulling blobs", "Checking if content exists in the registry" |
//! | `push_blobs` | 2.1 to 2.4 | "Push": "POST then PUT", "Single POST", "Pushing a blob in chunks", "Mounting a blob from another repository" |
//! | `push_manifests` | 2.5, 2.6 | "Push" itself, "Pushing Manifests", "Pushing Manifests with Subject" |
//! | `discovery` | 3.1, 3.2, 3.3 | "Content Discovery": "Listing Tags", "Listing Referrers"; "Enabling the Referrers API" |
//! | `management` | 4.1, 4.2, 4.3 | "Content Management": "Deleting tags", "Deleting Manifests", "Deleting Blobs" |
//! | `api` | 5.1, 5.2, 5.3 | "API": "Determining Support", "Error Codes", "Warnings" |
//!
//! Rules for clients are left out, and so is what a registry only MAY do and this one does not.

mod api;
mod discovery;
mod management;
mod pull;
mod push_blobs;
mod push_manifests;

use pulpcore::testkit::{Answer, TestPulp};

use crate::registry::{ask, get};

/// `HEAD` of a path.
async fn head(pulp: &TestPulp, path: &str) -> Answer {
    ask(pulp, "HEAD", path, "", &[]).await
}

/// `DELETE` of a path.
async fn delete(pulp: &TestPulp, path: &str) -> Answer {
    ask(pulp, "DELETE", path, "", &[]).await
}

/// What is read at the URL that an answer gives.
async fn located(pulp: &TestPulp, answer: &Answer) -> String {
    get(pulp, answer.header("location")).await.expect(200).text().into_owned()
}
