//! A binary whose two plugins claim the same URL space.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pulpcore::plugin::{LiveApi, Plugin, Refusal, register};
use pulpcore::server;
use pulpcore::settings::Settings;

const fn plugin(label: &'static str) -> Plugin {
    Plugin {
        label,
        package: "pulp-clash",
        module: "pulp_clash.app",
        version: "1.0.0",
        summary: "One of two.",
        migrations: Vec::new,
    }
}

fn refuse(_: &Refusal) -> Response {
    StatusCode::NOT_FOUND.into_response()
}

register!(plugin("left"));
register!(plugin("right"));
register!(LiveApi { label: "left", name: "first registry", claims: &["/v2/"], routes: Vec::new, refuse });
register!(LiveApi { label: "right", name: "second registry", claims: &["/v2/"], routes: Vec::new, refuse });

#[tokio::test]
async fn the_server_does_not_start_and_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let error = server::start(Settings::for_tests(&folder.path().join("new")), &[]).await.unwrap_err().to_string();
    let both = "/v2/ of 'first registry' of 'left' and /v2/ of 'second registry' of 'right'";
    assert!(error.contains(both), "{error}");
    assert!(!folder.path().join("new").exists(), "nothing was touched");
}
