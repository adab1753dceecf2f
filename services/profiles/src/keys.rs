//! The keys of ours, each derived from the installation's master key for one purpose.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What tokens are digested and data keys are sealed with.
#[derive(Clone)]
pub struct Keys {
    token: [u8; 32],
    seal: [u8; 32],
    mark: [u8; 32],
}

impl Keys {
    /// Derives them; the master key itself signs nothing else than derivations.
    pub fn derive(master: &[u8; 32]) -> Self {
        Self {
            token: keyed(master, b"fleetlog token digest v1"),
            seal: keyed(master, b"fleetlog profile seal v1"),
            mark: keyed(master, b"fleetlog key mark v1"),
        }
    }

    /// What tells this master key from any other one, and nothing about it: for the log to know its own.
    pub fn mark(&self) -> String {
        hex(&self.mark[..16])
    }

    /// The digest of a token, in hexadecimal: what an event holds of it.
    pub(crate) fn digest(&self, token: &str) -> String {
        hex(&keyed(&self.token, token.as_bytes()))
    }

    /// The key that seals data keys.
    pub(crate) const fn seal(&self) -> &[u8; 32] {
        &self.seal
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keyed(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // HMAC pads a short key with zeroes to its block of 64 bytes: done here, where the length is known.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A digest that moves would shut every token of every user out at the next start.
    #[test]
    fn the_digest_of_a_known_token_stays_what_it_is() {
        let keys = Keys::derive(&[7; 32]);
        expect_test::expect!["95d63266a55c"].assert_eq(&keys.digest("fl_known")[..12]);
        assert_ne!(keys.digest("fl_known"), Keys::derive(&[8; 32]).digest("fl_known"));
        assert_ne!(keys.token, keys.seal);
        // One that moves would lock every platform out of its own log.
        expect_test::expect!["3a9ffe85021837f43451b14077dd7fe5"].assert_eq(&keys.mark());
    }
}
