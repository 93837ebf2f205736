//! What holds for all of the API (end-1).

use pulpcore::both_databases;
use serde_json::Value;

use crate::registry::{anonymous, ask, get, push_image, sha256};

/// "The code field MUST be one of the following".
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

/// "Legacy Docker support error codes": "OPTIONAL".
const LEGACY: &str = "TAG_INVALID";

both_databases!(section_5_1_determining_support, |pulp| {
    // 5.1.1: "If the response is 200 OK, then the registry implements this specification"; "MAY be used for
    // authentication/authorization purposes".
    assert_eq!(get(pulp, "/v2/").await.expect(200).header("docker-distribution-api-version"), "registry/2.0");
    anonymous(pulp, "GET", "/v2/").await.expect(401);
});

both_databases!(section_5_2_error_codes, |pulp| {
    let (_, digest) = push_image(pulp, "a/b", "latest", "layer").await;
    let by_digest = format!("/v2/a/b/manifests/{digest}");
    let [missing, used] = ["missing", "layer"].map(|bytes| format!("/v2/a/b/blobs/{}", sha256(bytes)));
    for (method, path) in [
        ("GET", "/v2/A/tags/list"),
        ("GET", "/v2/unknown/tags/list"),
        ("GET", "/v2/a/b/tags/list?n=x"),
        ("GET", "/v2/_catalog?n=-1"),
        ("GET", "/v2/a/b/what/is/this"),
        ("GET", "/v2/a/b/manifests/none"),
        ("PUT", "/v2/a/b/manifests/none"),
        ("PUT", "/v2/a/b/manifests/.none"),
        ("PUT", by_digest.as_str()),
        ("PATCH", "/v2/a/b/manifests/latest"),
        ("DELETE", "/v2/a/b/manifests/none"),
        ("GET", "/v2/a/b/blobs/sha256:1"),
        ("GET", missing.as_str()),
        ("DELETE", used.as_str()),
        ("POST", "/v2/a/b/blobs/uploads/?digest=x"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("GET", "/v2/a/b/blobs/uploads/none"),
        ("GET", "/v2/a/b/referrers/x"),
    ] {
        // 5.2.1 MUST: "If the response body is in JSON format, it MUST have the following format".
        let answer = ask(pulp, method, path, "", &[]).await;
        assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
        for error in answer.body["errors"].as_array().unwrap_or_else(|| panic!("{method} {path}: {}", answer.text())) {
            // 5.2.2 MUST: "The code field MUST be a unique identifier, containing only uppercase alphabetic characters and
            // underscores", and "MUST be one of the following".
            let code = error["code"].as_str().unwrap();
            assert!(CODES.contains(&code) || code == LEGACY, "{method} {path}: {code}");
            // 5.2.3 SHOULD: "if present, it SHOULD be a human readable string".
            assert!(error["message"].as_str().unwrap().ends_with(['.', '\'']), "{method} {path}: {error}");
            // 5.2.4 MAY: "The detail field is OPTIONAL and MAY contain arbitrary JSON data".
            assert!(matches!(error["detail"], Value::Null | Value::Object(_)), "{method} {path}: {error}");
        }
    }
});

both_databases!(section_5_3_warnings, |pulp| {
    // 5.3.1 MUST: "If included, Warning headers MUST specify a warn-code of 299", and "A registry MUST NOT send more than
    // 4096 bytes of warning data". This one sends none.
    push_image(pulp, "a/b", "latest", "layer").await;
    for path in ["/v2/", "/v2/a/b/manifests/latest", "/v2/a/b/tags/list", "/v2/unknown/tags/list"] {
        assert_eq!(get(pulp, path).await.header("warning"), "", "{path}");
    }
});
