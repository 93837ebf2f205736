//! The certificate that a client shows: in a TLS handshake with this server, or with a proxy in front of it, which hands it
//! on in a header as it does for Pulp.

use std::sync::Arc;

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

/// The header in which a proxy hands it on: PEM, percent-encoded, or with its lines joined by blanks.
const HEADER: &str = "x-client-cert";

/// The longest such header, in bytes, and the most certificates in it.
const LONGEST: usize = 64 * 1024;
const MOST: usize = 10;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// What a client showed in a TLS handshake with this server: an extension of every request on such a connection.
///
/// The client has proved that it holds the key of the first certificate. Who signed it was not looked at: that is a
/// guard's affair, as each trusts others.
///
/// ```
/// use pulpcore::plugin::ClientCertificate;
///
/// assert!(ClientCertificate::default().chain().is_empty(), "the client showed none");
/// assert_eq!(ClientCertificate::new(vec![b"DER".to_vec()]).chain(), [b"DER"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientCertificate(Arc<[Vec<u8>]>);

impl ClientCertificate {
    /// A chain of certificates in DER, the client's own first; empty if it showed none.
    pub fn new(chain: Vec<Vec<u8>>) -> Self {
        Self(chain.into())
    }

    /// The chain.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// What a proxy says of it; `None` if it says nothing that can be read.
    pub(crate) fn of_header(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(HEADER).filter(|value| value.len() <= LONGEST)?;
        let text = percent_decode_str(value.to_str().ok()?).decode_utf8().ok()?;
        let mut chain = Vec::new();
        for block in text.split(BEGIN).skip(1) {
            let (body, _) = block.split_once(END)?;
            let body: String = body.split_ascii_whitespace().collect();
            chain.push(BASE64_STANDARD.decode(body).ok()?);
        }
        (1..=MOST).contains(&chain.len()).then(|| Self::new(chain))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use axum::http::request::Parts;

    use super::*;
    use crate::plugin::GuardRequest;

    fn chain(value: &str) -> Option<Vec<Vec<u8>>> {
        let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())]);
        ClientCertificate::of_header(&headers).map(|certificate| certificate.chain().to_vec())
    }

    #[test]
    fn a_proxy_may_encode_lines_or_join_them() {
        let encoded = "-----BEGIN%20CERTIFICATE-----%0AAP%2F7%0A%2BP8%3D%0A-----END%20CERTIFICATE-----%0A";
        let joined = "-----BEGIN CERTIFICATE----- AP/7 +P8= -----END CERTIFICATE----- ";
        let der = vec![0, 255, 251, 248, 255];
        assert_eq!(chain(encoded), Some(vec![der.clone()]));
        assert_eq!(chain(joined), Some(vec![der.clone()]));
        assert_eq!(chain(&format!("{joined}{joined}")), Some(vec![der.clone(), der]));
    }

    #[test]
    fn where_tls_ends_here_no_header_is_believed() {
        let header = "-----BEGIN CERTIFICATE----- AP/7 -----END CERTIFICATE-----";
        let (mut parts, ()) = Request::get("/").header(HEADER, header).body(()).unwrap().into_parts();
        let shown = |parts: &Parts| GuardRequest::new(parts).client_certificate().map(|shown| shown.chain().to_vec());
        assert_eq!(shown(&parts), Some(vec![vec![0, 255, 251]]));
        parts.extensions.insert(ClientCertificate::new(vec![vec![7]]));
        assert_eq!(shown(&parts), Some(vec![vec![7]]));
        parts.extensions.insert(ClientCertificate::default());
        assert_eq!(shown(&parts), None);
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let many = "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----".repeat(MOST + 1);
        for value in [
            "",
            "AP/7",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----*-----END CERTIFICATE-----",
            "%ff",
            &many,
        ] {
            assert_eq!(chain(value), None, "{value}");
        }
        assert_eq!(chain(&"A".repeat(LONGEST + 1)), None);
    }
}
