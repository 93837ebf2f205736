//! Certificate authorities: whom they vouch for. What the path from a certificate to one of them must be like (signatures,
//! dates, names, uses) is RFC 5280, and `webpki`'s affair.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// How many authorities a guard may trust.
const MOST: usize = 100;

const NOT_PEM: &str = "Must be PEM encoded X.509 certificate.";

/// The authorities that a guard trusts.
#[derive(Debug)]
pub struct Authorities(Vec<Authority>);

#[derive(Debug)]
struct Authority {
    anchor: TrustAnchor<'static>,
    /// From when until when, in seconds since 1970.
    valid: std::ops::RangeInclusive<i64>,
}

impl Authorities {
    /// Reads a bundle of certificates; whatever stands between them is skipped.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn of_pem(bundle: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            if all.len() == MOST {
                return Err(format!("No more than {MOST} certificates are taken."));
            }
            all.push(Authority::of(&certificate.map_err(|_| NOT_PEM)?)?);
        }
        if all.is_empty() {
            return Err(NOT_PEM.to_owned());
        }
        Ok(Self(all))
    }

    /// Whether one of them signed, itself or through others, the first certificate of this chain (in DER), and all of that
    /// is valid at this moment.
    pub fn vouch_for(&self, chain: &[Vec<u8>]) -> bool {
        self.vouched_at(chain, UnixTime::now())
    }

    fn vouched_at(&self, chain: &[Vec<u8>], now: UnixTime) -> bool {
        let chain: Vec<CertificateDer<'_>> = chain.iter().map(|der| CertificateDer::from(&der[..])).collect();
        let Some((own, others)) = chain.split_first() else { return false };
        let Ok(own) = EndEntityCert::try_from(own) else { return false };
        // The anchors' own dates are nothing that `webpki` looks at.
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let anchors: Vec<_> = self.0.iter().filter(|authority| authority.valid.contains(&seconds)).collect();
        let anchors: Vec<_> = anchors.into_iter().map(|authority| authority.anchor.clone()).collect();
        let usage = KeyUsage::client_auth();
        own.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, others, now, usage, None, None).is_ok()
    }
}

impl Authority {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let anchor = anchor_from_trusted_cert(certificate).map_err(|_| NOT_PEM)?.to_owned();
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| NOT_PEM)?;
        // Before version 3 a certificate could not say whether it is that of an authority.
        if parsed.version() == X509Version::V3 && !parsed.is_ca() {
            return Err("Every certificate must be that of a certificate authority.".to_owned());
        }
        let validity = parsed.validity();
        Ok(Self { anchor, valid: validity.not_before.timestamp()..=validity.not_after.timestamp() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        date_time_ymd,
    };

    use super::*;

    struct Signer {
        issuer: Issuer<'static, KeyPair>,
        pem: String,
        der: Vec<u8>,
    }

    /// An authority of its own, valid from 2020 to a year.
    fn authority(name: &str, until: i32) -> Signer {
        let (params, key) = params_of_ca(name, until);
        let certificate = params.self_signed(&key).unwrap();
        Signer { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    fn params_of_ca(name: &str, until: i32) -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    }

    impl Signer {
        fn below(&self, name: &str, until: i32) -> Signer {
            let (params, key) = params_of_ca(name, until);
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            Signer { pem: certificate.pem(), der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
        }

        /// A client's certificate, in DER, valid in the years from and until.
        fn client(&self, from: i32, until: i32, usage: Option<ExtendedKeyUsagePurpose>) -> Vec<u8> {
            let mut params = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(until, 1, 1);
            params.extended_key_usages = usage.into_iter().collect();
            params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
        }

        fn trusted(&self) -> Authorities {
            Authorities::of_pem(&self.pem).unwrap()
        }
    }

    /// The beginning of a year.
    fn year(year: i32) -> UnixTime {
        let seconds = date_time_ymd(year, 1, 2).unix_timestamp();
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap()))
    }

    #[test]
    fn an_authority_vouches_for_whom_it_signed_while_that_is_valid() {
        let authority = authority("root", 2040);
        let client = authority.client(2025, 2030, None);
        let trusted = authority.trusted();
        for (when, vouched) in [(2024, false), (2025, true), (2029, true), (2030, false)] {
            assert_eq!(trusted.vouched_at(std::slice::from_ref(&client), year(when)), vouched, "{when}");
        }
        let other = super::tests::authority("other", 2040);
        assert!(!other.trusted().vouched_at(std::slice::from_ref(&client), year(2026)), "a foreigner");
        assert!(!other.trusted().vouched_at(&[client.clone(), authority.der.clone()], year(2026)));
        let both = Authorities::of_pem(&format!("about the first\n{}\nand\n{}", other.pem, authority.pem)).unwrap();
        assert!(both.vouched_at(&[client], year(2026)));
    }

    #[test]
    fn an_expired_authority_vouches_for_nobody() {
        let authority = authority("root", 2026);
        let client = authority.client(2025, 2030, None);
        assert!(authority.trusted().vouched_at(std::slice::from_ref(&client), year(2025)));
        assert!(!authority.trusted().vouched_at(&[client], year(2027)));
    }

    #[test]
    fn whoever_an_authority_signed_may_sign_for_it_if_it_is_one() {
        let root = authority("root", 2040);
        let middle = root.below("middle", 2035);
        let client = middle.client(2025, 2040, None);
        let trusted = root.trusted();
        assert!(trusted.vouched_at(&[client.clone(), middle.der.clone()], year(2026)));
        assert!(!trusted.vouched_at(std::slice::from_ref(&client), year(2026)), "the middle is missing");
        assert!(!trusted.vouched_at(&[client, middle.der.clone()], year(2036)), "the middle has expired");
        assert!(middle.trusted().vouched_at(&[middle.client(2025, 2030, None)], year(2026)));
        assert!(!trusted.vouched_at(&[middle.der], year(2026)), "an authority is no client");
    }

    #[test]
    fn a_certificate_for_servers_is_none_for_clients() {
        let authority = authority("root", 2040);
        for (usage, vouched) in
            [(ExtendedKeyUsagePurpose::ClientAuth, true), (ExtendedKeyUsagePurpose::ServerAuth, false)]
        {
            let certificate = authority.client(2025, 2030, Some(usage));
            assert_eq!(authority.trusted().vouched_at(&[certificate], year(2026)), vouched);
        }
    }

    #[test]
    fn what_is_no_certificate_is_not_vouched_for() {
        let authority = authority("root", 2040);
        let mut cut = authority.client(2025, 2030, None);
        cut.truncate(cut.len() - 1);
        let mut changed = authority.client(2025, 2030, None);
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        for chain in [vec![], vec![Vec::new()], vec![b"text".to_vec()], vec![cut], vec![changed]] {
            assert!(!authority.trusted().vouched_at(&chain, year(2026)));
        }
    }

    #[test]
    fn a_bundle_is_of_authorities_only() {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let pem = authority("root", 2040).pem;
        for (bundle, problem) in [
            ("", NOT_PEM),
            ("text", NOT_PEM),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NOT_PEM),
            (&pem[..pem.len() / 2], NOT_PEM),
            (&key.serialize_pem(), NOT_PEM),
            (&leaf, "Every certificate must be"),
            (&format!("{pem}{leaf}"), "Every certificate must be"),
            (&pem.repeat(MOST + 1), "No more than"),
        ] {
            let said = Authorities::of_pem(bundle).unwrap_err();
            assert!(said.starts_with(problem), "{said}: {bundle}");
        }
    }
}
