//! What is counted of the content service.

use axum::body::{Body, to_bytes};
use axum::response::IntoResponse;
use futures::stream;
use prometheus_client::encoding::prometheus_text;

use super::*;

fn told(traffic: &Traffic) -> String {
    let mut registry = Registry::default();
    traffic.register(registry.sub_registry_with_prefix("pulp"));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).unwrap();
    text
}

/// Whether this line is told.
fn tells(traffic: &Traffic, line: &str) -> bool {
    let text = told(traffic);
    text.lines().any(|told| told == line) || panic!("{line} is not in\n{text}")
}

fn ask(traffic: &Traffic, base_path: Option<&str>, response: impl IntoResponse) -> Response {
    let asked = traffic.begins();
    if let Some(base_path) = base_path {
        asked.leads_to(base_path);
    }
    asked.answered(response.into_response(), false)
}

#[tokio::test]
async fn answers_are_counted_by_distribution_and_class_with_their_bytes() {
    let traffic = Traffic::default();
    ask(&traffic, Some("a/b"), "twelve bytes");
    ask(&traffic, Some("a/b"), StatusCode::NOT_FOUND);
    ask(&traffic, None, (StatusCode::NOT_FOUND, "four"));
    let asked = traffic.begins();
    asked.leads_to("a/b");
    asked.answered("a body that HEAD leaves out".into_response(), true);

    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="a/b",status="2xx"} 2"#));
    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="a/b",status="4xx"} 1"#));
    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="",status="4xx"} 1"#));
    assert!(tells(&traffic, r#"pulp_content_sent_bytes_total{distribution="a/b"} 12"#));
    assert!(tells(&traffic, "pulp_content_request_duration_seconds_count 4"));
    assert!(tells(&traffic, "pulp_content_requests_running 0"));
}

#[tokio::test]
async fn a_large_answer_is_counted_when_it_ends_and_with_what_was_taken_of_it() {
    let traffic = Traffic::default();
    let pieces = || Body::from_stream(stream::iter([Ok::<_, std::io::Error>("1234"), Ok("5678")]));
    let whole = ask(&traffic, Some("d"), pieces());
    assert!(tells(&traffic, "pulp_content_requests_running 1"));
    assert_eq!(to_bytes(whole.into_body(), 100).await.unwrap(), "12345678");
    assert!(tells(&traffic, "pulp_content_requests_running 0"));
    assert!(tells(&traffic, r#"pulp_content_sent_bytes_total{distribution="d"} 8"#));

    drop(ask(&traffic, Some("d"), pieces()));
    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="d",status="2xx"} 2"#));
    assert!(tells(&traffic, r#"pulp_content_sent_bytes_total{distribution="d"} 8"#), "nothing was taken of it");
}

#[test]
fn a_client_that_leaves_before_it_is_answered_is_not_counted() {
    let traffic = Traffic::default();
    drop(traffic.begins());
    assert!(tells(&traffic, "pulp_content_requests_running 0"));
    assert!(tells(&traffic, "pulp_content_request_duration_seconds_count 0"));
}

#[test]
fn names_are_bounded() {
    let traffic = Traffic::default();
    for nth in 0..DISTRIBUTIONS + 10 {
        ask(&traffic, Some(&format!("d{nth}")), "x");
    }
    ask(&traffic, Some("d0"), "x");
    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="other",status="2xx"} 10"#));
    assert!(tells(&traffic, r#"pulp_content_requests_total{distribution="d0",status="2xx"} 2"#));
}

#[test]
fn looks_into_the_cache_and_remotes_are_counted() {
    let traffic = Traffic::default();
    traffic.looked(Look::Hit);
    traffic.looked(Look::Hit);
    traffic.looked(Look::Miss);
    traffic.looked(Look::Stale);
    traffic.upstream(Duration::from_millis(30));
    traffic.upstream(Duration::from_secs(6000));
    for (result, count) in [("hit", 2), ("miss", 1), ("stale", 1)] {
        assert!(tells(&traffic, &format!(r#"pulp_content_cache_looks_total{{result="{result}"}} {count}"#)));
    }
    assert!(tells(&traffic, "pulp_content_upstream_requests_total 2"));
    assert!(tells(&traffic, r#"pulp_content_upstream_duration_seconds_bucket{le="0.1"} 1"#));
    assert!(tells(&traffic, r#"pulp_content_upstream_duration_seconds_bucket{le="+Inf"} 2"#));
}
