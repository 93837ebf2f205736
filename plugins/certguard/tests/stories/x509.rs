//! X.509 guards behind a proxy, which says what it was shown.

use pulpcore::both_databases;
use pulpcore::testkit::TestPulp;
use pulpcore::testkit::conformance::{self, Subject, Unit};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

const GUARDS: &str = "contentguards/certguard/x509/";

const SUBJECT: Subject = Subject {
    label: "certguard",
    repositories: "",
    content: "",
    unit: |_| Unit { file: "".into(), fields: Vec::new() },
    rival: None,
};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let pem = params.self_signed(&key).expect("a certificate can be signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A client's certificate in PEM.
    fn client(&self) -> String {
        let params = CertificateParams::new(vec!["client.example".to_owned()]).expect("the name is sound");
        let key = KeyPair::generate().expect("a key can be made");
        params.signed_by(&key, &self.issuer).expect("a certificate can be signed").pem()
    }
}

/// As proxies write it: nginx encodes, others join the lines.
fn encoded(pem: &str) -> String {
    pem.replace('\n', "%0A").replace('+', "%2B").replace(' ', "%20")
}

fn joined(pem: &str) -> String {
    pem.trim_end().replace('\n', " ")
}

/// A shelf behind a guard that trusts these authorities; returns the guard's href. There is nothing on the shelf: whoever is
/// let in is told so with a 404.
async fn guarded(pulp: &TestPulp, ca_certificate: &str) -> String {
    let guard = pulp.post(GUARDS, json!({ "name": "g", "ca_certificate": ca_certificate })).await.created();
    let guard = guard["pulp_href"].as_str().expect("a guard has an href").to_owned();
    let body = json!({ "name": "d", "base_path": "d", "content_guard": guard });
    pulp.post("distributions/shelf/shelf/", body).await.accepted().await.completed();
    guard
}

async fn shows(pulp: &TestPulp, certificate: &str) -> u16 {
    pulp.content_with("d/", &[("x-client-cert", certificate)]).await.status.as_u16()
}

both_databases!(whoever_a_trusted_authority_signed_is_let_in, |pulp| {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let guard = guarded(pulp, &one.pem).await;
    let (friend, stranger) = (one.client(), two.client());
    assert_eq!((shows(pulp, &encoded(&friend)).await, shows(pulp, &joined(&friend)).await), (404, 404));
    assert_eq!(pulp.content("d/").await.status.as_u16(), 403, "who shows none");
    let torn = friend.replace("-----END CERTIFICATE-----", "");
    for wrong in [encoded(&stranger), joined(&stranger), encoded(&one.pem), encoded(&torn), "text".to_owned()] {
        assert_eq!(shows(pulp, &wrong).await, 403, "{wrong}");
    }
    assert_eq!(shows(pulp, &encoded(&format!("{stranger}{friend}"))).await, 403, "the first one counts");

    pulp.patch(&guard, json!({ "ca_certificate": two.pem })).await.ok();
    assert_eq!((shows(pulp, &encoded(&friend)).await, shows(pulp, &encoded(&stranger)).await), (403, 404), "at once");
    pulp.patch(&guard, json!({ "ca_certificate": format!("{}{}", one.pem, two.pem) })).await.ok();
    assert_eq!((shows(pulp, &encoded(&friend)).await, shows(pulp, &encoded(&stranger)).await), (404, 404));
});

both_databases!(what_is_no_bundle_of_authorities_is_refused, |pulp| {
    let authority = Authority::new("one");
    let created = pulp.post(GUARDS, json!({ "name": "g", "ca_certificate": authority.pem })).await.created();
    assert_eq!(created["ca_certificate"], json!(authority.pem.trim_end()));
    for wrong in [json!("text"), json!(authority.client()), json!(""), Value::Null] {
        let refused = pulp.post(GUARDS, json!({ "name": "h", "ca_certificate": wrong })).await.refused();
        assert!(refused["ca_certificate"].is_array(), "{refused}");
    }
});

both_databases!(what_every_plugin_promises, |pulp| {
    guarded(pulp, &Authority::new("one").pem).await;
    conformance::unknown_filters_and_fields_are_refused(pulp, &SUBJECT).await;
    conformance::every_operation_is_described_once(pulp, &SUBJECT).await;
});
