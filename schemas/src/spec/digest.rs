//! The keyed digest of a rendered container: equal digests mean equal containers, and without the key nobody can guess
//! a value from one. Only keys that differ from their default are in it, so that a new default re-creates nothing.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Spec;

/// The key of all digests, derived from the installation's master key.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// Derives the key; the master key itself signs nothing else than derivations.
    pub fn derive(master: &[u8; 32]) -> Self {
        Self(keyed(master, b"fleetlog spec digest v1"))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

fn keyed(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // HMAC pads a short key with zeroes to its block of 64 bytes: done here, where the length is known.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// `v1:` and the digest in hexadecimal: the label `fleetlog.spec`.
pub fn digest(key: &DigestKey, spec: &Spec) -> String {
    // `Spec` has string keys in a fixed order only: its JSON cannot fail and is canonical.
    let json = serde_json::to_vec(spec).unwrap_or_default();
    let mut text = String::from("v1:");
    for byte in keyed(&key.0, &json) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: serde_json::Value) -> Spec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_default_that_is_written_out_changes_nothing() {
        let key = DigestKey::derive(&[7; 32]);
        let short = spec(serde_json::json!({ "image": "a:1" }));
        let long = spec(serde_json::json!({
            "image": "a:1", "restart": "unless-stopped", "env": {}, "ports": [], "privileged": false
        }));
        assert_eq!(digest(&key, &short), digest(&key, &long));
        let privileged = spec(serde_json::json!({ "image": "a:1", "privileged": true }));
        assert_ne!(digest(&key, &short), digest(&key, &privileged));
    }

    /// A digest that moves would re-create every container of every user at the next push.
    #[test]
    fn the_digest_of_a_known_container_stays_what_it_is() {
        let full = spec(serde_json::json!({
            "image": "demo/tool:1", "command": ["httpd", "-f"], "env": { "A": "b" },
            "ports": [{ "address": "127.0.0.1", "host": 8080, "container": 80 }],
            "volumes": { "/data": "acme.shop.data" }, "restart": "always",
            "stop": { "signal": "INT", "grace": "3s" },
            "health": { "command": ["true"], "interval": "1s", "timeout": "1s", "retries": 3 },
            "limits": { "memory": "64MiB", "cpus": 0.5 }
        }));
        expect_test::expect!["v1:c5f37300ae57ec566db001612d5f87da4ff72e89c7a0dca069da2d4f07236ee2"]
            .assert_eq(&digest(&DigestKey::derive(&[7; 32]), &full));
    }

    #[test]
    fn another_key_or_value_is_another_digest() {
        let (a, b) = (DigestKey::derive(&[1; 32]), DigestKey::derive(&[2; 32]));
        let one = spec(serde_json::json!({ "image": "a:1" }));
        let two = spec(serde_json::json!({ "image": "a:2" }));
        assert_ne!(digest(&a, &one), digest(&b, &one));
        assert_ne!(digest(&a, &one), digest(&a, &two));
    }
}
