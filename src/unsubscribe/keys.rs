//! The keys of the links, and what they protect.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use super::token::{MAX_CONTENT, UnsubscribeToken};

/// The length of a key, in bytes.
const KEY_LENGTH: usize = 32;
/// The first byte of a token.
const VERSION: u8 = 1;
/// In bytes: the version, the nonce, the content, and the tag of the encryption.
const MAX_TOKEN: usize = 1 + NONCE_LEN + MAX_CONTENT + 16;
const SALT: &[u8] = b"mailrun feedback v1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must have 64 hexadecimal digits")]
pub struct KeyError;

/// The key that makes tokens, and older ones whose tokens are still valid.
#[derive(Clone)]
pub struct FeedbackKeys {
    newest: Key,
    retired: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    encryption: LessSafeKey,
    nonce: hmac::Key,
    undo: hmac::Key,
}

impl FeedbackKeys {
    /// Each key is 32 bytes in hexadecimal digits. `retired` separates keys by commas, and may be empty.
    ///
    /// # Errors
    /// A key has another form.
    pub fn parse(newest: &str, retired: &str) -> Result<Self, KeyError> {
        let retired = retired.split(',').filter(|key| !key.trim().is_empty());
        Ok(Self {
            newest: Key::parse(newest)?,
            retired: retired.map(Key::parse).collect::<Result<_, _>>()?,
        })
    }

    /// The token for `content`.
    pub fn token(&self, content: &UnsubscribeToken) -> String {
        self.newest.seal(&content.encode())
    }

    /// What a token says; `None` if none of the keys made it.
    pub fn verify(&self, token: &str) -> Option<UnsubscribeToken> {
        if token.len() > MAX_TOKEN.div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let content = self.all().find_map(|key| key.open(&bytes))?;
        UnsubscribeToken::decode(&content)
    }

    /// Proves that a click on the link with this token was made at `at`, in milliseconds since 1970.
    pub fn undo_proof(&self, token: &str, at: i64) -> String {
        let mac = hmac::sign(&self.newest.undo, &undo_content(token, at));
        format!("{at}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// The time of the click that a proof is about; `None` if it proves none.
    pub fn verify_undo(&self, token: &str, proof: &str) -> Option<i64> {
        let (at, mac) = proof.split_once('.')?;
        let at = at.parse().ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let content = undo_content(token, at);
        let proves = |key: &Key| hmac::verify(&key.undo, &content, &mac).is_ok();
        self.all().any(proves).then_some(at)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.retired)
    }
}

impl std::fmt::Debug for FeedbackKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FeedbackKeys")
    }
}

fn undo_content(token: &str, at: i64) -> Vec<u8> {
    [at.to_be_bytes().as_slice(), token.as_bytes()].concat()
}

impl Key {
    fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.len() != 2 * KEY_LENGTH || !text.is_ascii() {
            return Err(KeyError);
        }
        let mut bytes = [0; KEY_LENGTH];
        for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
            let digits = &text[at..at + 2];
            // `from_str_radix` accepts a sign.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(KeyError);
            }
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyError)?;
        }
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(&bytes);
        let derive = |name: &[u8]| {
            let mut derived = [0; KEY_LENGTH];
            // The length is that of SHA-256, so neither fails.
            let filled = secret
                .expand(&[name], hkdf::HKDF_SHA256)
                .and_then(|output| output.fill(&mut derived));
            filled.map(|()| derived).map_err(|_| KeyError)
        };
        let encryption = derive(b"encryption")?;
        let encryption =
            UnboundKey::new(&aead::CHACHA20_POLY1305, &encryption).map_err(|_| KeyError)?;
        let mac = |name| Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(name)?));
        Ok(Self {
            encryption: LessSafeKey::new(encryption),
            nonce: mac(b"nonce")?,
            undo: mac(b"undo")?,
        })
    }

    /// The nonce is an HMAC of the content, as in RFC 5297: different contents have different nonces, and the same content
    /// has the same token.
    fn nonce(&self, content: &[u8]) -> [u8; NONCE_LEN] {
        let mac = hmac::sign(&self.nonce, content);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&mac.as_ref()[..NONCE_LEN]);
        nonce
    }

    fn seal(&self, content: &[u8]) -> String {
        let nonce = self.nonce(content);
        let mut sealed = content.to_vec();
        let aad = Aad::from([VERSION]);
        let nonce_of_call = Nonce::assume_unique_for_key(nonce);
        // It fails only above 2^38 bytes.
        let _ = self
            .encryption
            .seal_in_place_append_tag(nonce_of_call, aad, &mut sealed);
        URL_SAFE_NO_PAD.encode([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, token: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = token.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        if *version != VERSION {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce_of_call = Nonce::assume_unique_for_key(nonce);
        let opened =
            self.encryption
                .open_in_place(nonce_of_call, Aad::from([VERSION]), &mut sealed);
        let content = opened.ok()?.to_vec();
        // One content has one token.
        (self.nonce(&content) == nonce).then_some(content)
    }
}
