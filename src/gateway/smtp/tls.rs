//! The certificate for STARTTLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why STARTTLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("can't read {}: {error}", path.display())]
    File {
        path: PathBuf,
        error: rustls::pki_types::pem::Error,
    },
    #[error("the certificate in {} can't be used with the key in {}: {error}", certificate.display(), key.display())]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Certificate(pub(super) TlsAcceptor);

impl Certificate {
    /// Reads PEM files: the certificate with its chain, and the key.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| CertificateError::File { path, error }
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(failed(certificate))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(chain, private)
            })
            .map_err(|error| CertificateError::Unusable {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                error,
            })?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
