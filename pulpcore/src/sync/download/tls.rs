//! Certificates: whom a remote trusts, and who it says it is.

use reqwest::{Certificate, ClientBuilder, Identity};

use super::RemoteConfig;
use crate::error::{Error, Result};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Whether `pem` holds certificates that can be used; if so, they alone, without the text around them.
///
/// This is the check behind a remote's `ca_cert` and `client_cert`, whose name is `field`. As in Pulp, anything but
/// certificates is dropped: a key in `client_cert` is never stored with it.
///
/// # Errors
/// A sentence for the field. It does not quote `pem`, which may hold a key.
pub fn check_certificate(field: &str, pem: &str) -> Result<String, String> {
    let mut found = String::new();
    let mut rest = pem;
    while let Some(begin) = rest.find(BEGIN) {
        let end = rest[begin..].find(END).ok_or_else(|| format!("Invalid {field} specified: it ends too early."))?;
        let block = &rest[begin..begin + end + END.len()];
        found.push_str(block.trim());
        found.push('\n');
        rest = &rest[begin + end + END.len()..];
    }
    if found.is_empty() {
        return Err(format!("No {field} specified: there is no PEM certificate in it."));
    }
    // Only a client reads certificates to their end.
    let client = Certificate::from_pem_bundle(found.as_bytes())
        .and_then(|certificates| ClientBuilder::new().no_proxy().tls_certs_only(certificates).build());
    match client {
        Ok(_) => Ok(found),
        Err(_) => Err(format!("Invalid {field} specified: not an X.509 certificate in PEM.")),
    }
}

/// Applies what the remote says about TLS.
pub(super) fn configure(mut builder: ClientBuilder, config: &RemoteConfig) -> Result<ClientBuilder> {
    if let Some(pem) = &config.ca_cert {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes())
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| Error::invalid("ca_cert", "There is no PEM certificate in it."))?;
        builder = builder.tls_certs_only(certificates);
    }
    match (&config.client_cert, &config.client_key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::from_pem(format!("{certificate}\n{key}\n").as_bytes())
                .map_err(|_| Error::invalid("client_key", "Not a certificate's unencrypted key in PEM."))?;
            builder = builder.identity(identity);
        }
        (Some(_), None) => tracing::warn!(url = config.url, "a remote's client certificate is not used: it has no key"),
        (None, _) => {}
    }
    Ok(builder.tls_danger_accept_invalid_certs(!config.tls_validation))
}
