//! Proof that a request is Feishu's, and the cipher around its body.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Refused;

/// How far a signed time may be off, either way. Feishu documents none.
const WINDOW_SECONDS: u64 = 300;
/// Length of a block and of the initialisation vector, in bytes.
const BLOCK: usize = 16;

/// The headers of a request that Feishu signs with; absent ones are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signed<'a> {
    /// `X-Lark-Request-Timestamp`: Unix time in seconds.
    pub timestamp: Option<&'a str>,
    /// `X-Lark-Request-Nonce`.
    pub nonce: Option<&'a str>,
    /// `X-Lark-Signature`: hexadecimal SHA-256 of timestamp, nonce, encrypt key and raw body.
    pub signature: Option<&'a str>,
}

/// Whether the headers sign this body, at about this time.
pub(super) fn check(
    headers: Signed<'_>,
    key: &SecretString,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Refused> {
    let (Some(timestamp), Some(nonce), Some(signature)) =
        (headers.timestamp, headers.nonce, headers.signature)
    else {
        return Err(Refused::Forged(
            "a signed request has X-Lark-Request-Timestamp and X-Lark-Request-Nonce",
        ));
    };
    let mut digest = Sha256::new();
    digest.update(timestamp);
    digest.update(nonce);
    digest.update(key.expose_secret());
    digest.update(body);
    let given = hex::decode(signature).unwrap_or_default();
    if !bool::from(digest.finalize().as_slice().ct_eq(&given)) {
        return Err(Refused::Forged("the signature does not fit the body: check feishu.encrypt_key"));
    }
    // Checked last: only what Feishu signed tells that a clock is off.
    let fresh = timestamp.parse::<i64>().is_ok_and(|at| at.abs_diff(now.as_second()) <= WINDOW_SECONDS);
    if fresh {
        Ok(())
    } else {
        Err(Refused::Forged(
            "the request was signed more than five minutes before or after now: check this machine's clock",
        ))
    }
}

/// What `encrypt` holds: AES-256-CBC with the key's SHA-256, the vector first, PKCS#7.
/// `None` when anything does not fit.
pub(super) fn decrypt(encrypted: &str, key: &SecretString) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(encrypted).ok()?;
    let (vector, blocks) = bytes.split_first_chunk::<BLOCK>()?;
    let key: [u8; 32] = Sha256::digest(key.expose_secret()).into();
    cbc::Decryptor::<aes::Aes256>::new(&key.into(), &(*vector).into())
        .decrypt_padded_vec::<Pkcs7>(blocks)
        .ok()
}

/// Whether two secrets are the same; neither content nor length shows in the time it takes.
pub(super) fn same(given: &str, wanted: &SecretString) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(wanted.expose_secret())).into()
}
