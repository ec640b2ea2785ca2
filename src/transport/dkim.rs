//! Signs messages with DKIM (RFC 6376).

use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};

/// The headers that are signed, also if a message does not have them: nobody can add one later. RFC 8058 requires
/// those for unsubscribing.
const SIGNED: [&str; 13] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// A domain's key, ready to sign.
pub(crate) struct DkimKey(Signer);

enum Signer {
    Rsa(Box<DkimSigner<RsaKey<Sha256>, Done>>),
    Ed25519(Box<DkimSigner<Ed25519Key, Done>>),
}

impl DkimKey {
    /// `pem` is a private RSA key (PKCS #1 or #8) or Ed25519 key (PKCS #8).
    ///
    /// # Errors
    /// If it is not such a key.
    pub(crate) fn new(domain: &str, selector: &str, pem: &SecretString) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .map_err(|error| format!("it is not a private key in PEM: {error}"))?;
        if let PrivateKeyDer::Pkcs8(pkcs8) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8.secret_pkcs8_der())
        {
            let signer = DkimSigner::from_key(key);
            let signer = signer.domain(domain).selector(selector).headers(SIGNED);
            return Ok(Self(Signer::Ed25519(Box::new(signer))));
        }
        let key = RsaKey::<Sha256>::from_key_der(der)
            .map_err(|error| format!("it is neither an RSA key nor an Ed25519 key: {error}"))?;
        let signer = DkimSigner::from_key(key);
        let signer = signer.domain(domain).selector(selector).headers(SIGNED);
        Ok(Self(Signer::Rsa(Box::new(signer))))
    }

    /// The header `DKIM-Signature` of a message in pieces, with its line break.
    ///
    /// # Errors
    /// If the key can't sign.
    pub(super) fn sign(&self, message: &[&[u8]]) -> Result<String, String> {
        let pieces = message.iter().copied();
        let signature = match &self.0 {
            Signer::Rsa(signer) => signer.sign_chained(pieces),
            Signer::Ed25519(signer) => signer.sign_chained(pieces),
        };
        let signature = signature.map_err(|error| error.to_string())?;
        Ok(signature.to_header())
    }
}
