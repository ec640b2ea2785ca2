//! Certificates for a server on the loopback, made for the test that uses them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority of the test's own. Who trusts it trusts the servers that it vouches for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// It was good for a day, long ago.
    Expired,
    /// It is another server's.
    OtherName,
    /// No authority vouches for it but itself.
    SelfSigned,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = of("127.0.0.2");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Its certificate, for `SSL_CERT_FILE`.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key and the certificate of a server on 127.0.0.1, as PEM in one file.
    pub fn chain(&self) -> String {
        let key = key();
        let certificate = of("127.0.0.1").signed_by(&key, &self.issuer);
        key.serialize_pem() + &certificate.expect("a certificate").pem()
    }

    /// What a server on 127.0.0.1 needs to speak TLS.
    pub fn server(&self, flaw: Flaw) -> Arc<ServerConfig> {
        let mut params = of(match flaw {
            Flaw::OtherName => "other.example",
            _ => "127.0.0.1",
        });
        if flaw == Flaw::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        }
        let key = key();
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        let certificate: CertificateDer<'static> = certificate.expect("a certificate").into();
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key of its own");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], secret);
        Arc::new(config.expect("the key is the certificate's"))
    }
}

fn of(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name for a certificate");
    // An issuer is looked for by its name.
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("chance enough for a key")
}
