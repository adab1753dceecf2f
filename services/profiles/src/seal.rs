//! Seals mail addresses: each profile has a data key, which seals its address and is itself sealed with a key that is
//! derived from the master key. Once the data key is erased, no copy of the address opens any more.
//!
//! XChaCha20-Poly1305; a sealed value is one byte of version, 24 bytes of nonce, and the cipher text. The profile's id
//! and the purpose are authenticated with it, so that no value can be put into another's place.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use schemas::query::Mail;
use uuid::Uuid;

use crate::keys::Keys;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const DATA_KEY: &[u8] = b"fleetlog data key";
const MAIL: &[u8] = b"fleetlog mail";

/// Why something was not sealed or opened. It names no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the system gives no random bytes")]
    Random,
    #[error("cannot be sealed")]
    Seal,
    #[error("cannot be opened: was it sealed with another master key, or is it damaged?")]
    Open,
}

/// What `KEYS` holds of a profile.
pub(crate) struct Sealed {
    pub(crate) data_key: Vec<u8>,
    pub(crate) mail: Vec<u8>,
}

/// Seals an address under a new data key.
pub(crate) fn seal(keys: &Keys, profile: Uuid, mail: &Mail) -> Result<Sealed, SealError> {
    let data_key: [u8; 32] = random()?;
    Ok(Sealed {
        data_key: lock(keys.seal(), &bound(DATA_KEY, profile), &data_key)?,
        mail: lock(&data_key, &bound(MAIL, profile), mail.as_str().as_bytes())?,
    })
}

/// Opens an address.
pub(crate) fn open(keys: &Keys, profile: Uuid, data_key: &[u8], mail: &[u8]) -> Result<Mail, SealError> {
    let data_key = unlock(keys.seal(), &bound(DATA_KEY, profile), data_key)?;
    let data_key: [u8; 32] = data_key.try_into().map_err(|_| SealError::Open)?;
    let mail = unlock(&data_key, &bound(MAIL, profile), mail)?;
    Mail::parse(&String::from_utf8_lossy(&mail)).map_err(|_| SealError::Open)
}

fn bound(purpose: &[u8], profile: Uuid) -> Vec<u8> {
    [purpose, profile.as_bytes()].concat()
}

fn lock(key: &[u8; 32], bound: &[u8], content: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce: [u8; NONCE] = random()?;
    let payload = Payload { msg: content, aad: bound };
    let cipher = XChaCha20Poly1305::new(key.into());
    let text = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Seal)?;
    Ok([&[VERSION][..], &nonce, &text].concat())
}

fn unlock(key: &[u8; 32], bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (head, text) = sealed.split_at_checked(1 + NONCE).ok_or(SealError::Open)?;
    let nonce: [u8; NONCE] = head[1..].try_into().map_err(|_| SealError::Open)?;
    if head[0] != VERSION {
        return Err(SealError::Open);
    }
    let payload = Payload { msg: text, aad: bound };
    XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Open)
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SealError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_keys_open_it_and_only_in_its_place() {
        let (keys, others) = (Keys::derive(&[1; 32]), Keys::derive(&[2; 32]));
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mail = Mail::parse("ann@example.org").unwrap();
        let sealed = seal(&keys, ann, &mail).unwrap();
        assert_eq!(open(&keys, ann, &sealed.data_key, &sealed.mail), Ok(mail.clone()));
        assert_eq!(open(&others, ann, &sealed.data_key, &sealed.mail), Err(SealError::Open));
        assert_eq!(open(&keys, bob, &sealed.data_key, &sealed.mail), Err(SealError::Open));
        let again = seal(&keys, ann, &mail).unwrap();
        assert_ne!(again.mail, sealed.mail);
        assert_eq!(open(&keys, ann, &again.data_key, &sealed.mail), Err(SealError::Open));
        let mut damaged = sealed.mail.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(open(&keys, ann, &sealed.data_key, &damaged), Err(SealError::Open));
        assert_eq!(open(&keys, ann, &sealed.data_key, b""), Err(SealError::Open));
        let text = String::from_utf8_lossy(&sealed.mail).into_owned();
        assert!(!text.contains("ann@example.org"));
    }
}
