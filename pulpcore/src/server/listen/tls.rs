//! Certificates: the server's own, renewed while it runs, and those of its clients.
//!
//! A new certificate is for new connections; those that stand go on with the one that they began with. A new file that
//! cannot be used is told of and otherwise left alone: the old certificate goes on. TLS 1.2 and later.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs::default_provider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::error::{Error, Result};
use crate::settings::{ClientCertificates, Settings};

/// The names of protocols in the handshake (RFC 7301).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(10);

/// What is needed to speak TLS.
#[derive(Debug)]
pub(super) struct Tls {
    files: Files,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// What the files looked like.
    seen: Vec<Seen>,
}

/// Where everything is.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    clients: ClientCertificates,
}

/// What tells that a file has changed: when it was written, and how long it is.
type Seen = Option<(SystemTime, u64)>;

impl Tls {
    /// None unless the settings name a certificate.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be used.
    pub(super) fn open(settings: &Settings) -> Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (settings.tls_certificate.clone(), settings.tls_key.clone()) else {
            return Ok(None);
        };
        let clients = settings.tls_client_certificates;
        let files = Files { certificate, key, client_ca: settings.tls_client_ca.clone(), clients };
        let current = Mutex::new(Current { seen: files.seen(), config: files.read()? });
        Ok(Some(Self { files, current }))
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).config).into()
    }

    /// Reads the files anew whenever they have changed, and when the process is told to by SIGHUP.
    pub(super) async fn renew_for_ever(self: Arc<Self>) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "The certificate cannot be renewed while the server runs."),
        };
        loop {
            let told = tokio::select! {
                () = sleep(LOOK) => false,
                _ = hangup.recv() => true,
            };
            let this = Arc::clone(&self);
            // It reads files.
            if let Err(error) = tokio::task::spawn_blocking(move || this.renew(told)).await {
                tracing::error!(%error, "The certificate could not be looked at.");
            }
        }
    }

    /// Reads the files anew if they have changed, or `always`.
    pub(super) fn renew(&self, always: bool) {
        // Before they are read: what is written meanwhile is found the next time.
        let seen = self.files.seen();
        if !always && self.current.lock().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return;
        }
        let read = self.files.read();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.seen = seen;
        match read {
            Ok(config) => {
                current.config = config;
                tracing::info!("The certificate was renewed.");
            }
            Err(error) => tracing::error!("The certificate stays the old one: {error}"),
        }
    }
}

impl Files {
    fn seen(&self) -> Vec<Seen> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        let look = |file: &PathBuf| fs::metadata(file).and_then(|data| Ok((data.modified()?, data.len()))).ok();
        files.into_iter().flatten().map(look).collect()
    }

    fn read(&self) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(default_provider());
        let certificates = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unusable(&self.key, error))?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_protocol_versions(&[&TLS13, &TLS12]).map_err(Error::internal)?;
        let config = match self.verifier(provider)? {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let config = config.with_single_cert(certificates, key);
        let mut config = config.map_err(|error| unusable(&self.certificate, error))?;
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Arc::new(config))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Option<Arc<dyn ClientCertVerifier>>> {
        let required = match self.clients {
            ClientCertificates::Off => return Ok(None),
            ClientCertificates::Request => false,
            ClientCertificates::Require => true,
        };
        let Some(file) = &self.client_ca else { return Ok(Some(Arc::new(Unjudged { provider, required }))) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| unusable(file, error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
        Ok(Some(verifier.build().map_err(|error| unusable(file, error))?))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unusable(file, error))?;
    if read.is_empty() {
        return Err(unusable(file, "there is no certificate in it"));
    }
    Ok(read)
}

fn unusable(file: &Path, error: impl std::fmt::Display) -> Error {
    Error::Config(format!("{} cannot be used for TLS: {error}", file.display()))
}

/// Takes any certificate whose key the client holds. Whether it means anything is for guards to say: each trusts an
/// authority of its own.
#[derive(Debug)]
struct Unjudged {
    provider: Arc<CryptoProvider>,
    required: bool,
}

impl ClientCertVerifier for Unjudged {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
