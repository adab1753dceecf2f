//! The keyed digest of a rendered container: equal digests mean equal containers, and without the key nobody can guess
//! a value from one. Only keys that differ from their default are in it, so that a new default re-creates nothing.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::Serialize;
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

/// The digests by which a container is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// What its label says.
    pub now: String,
    /// What an older fleetlog wrote there: over all of it, also what Docker changes while it runs.
    pub before: String,
}

impl Digests {
    /// Whether a label says that a container is this one.
    pub fn name(&self, label: Option<&str>) -> bool {
        label.is_some_and(|label| label == self.now || label == self.before)
    }
}

/// All of them.
pub fn digests(key: &DigestKey, spec: &Spec) -> Digests {
    Digests { now: digest(key, spec), before: written("v1:", key, spec) }
}

/// `v2:` and the digest in hexadecimal of what makes it another container: the label `fleetlog.spec`.
pub fn digest(key: &DigestKey, spec: &Spec) -> String {
    written("v2:", key, &spec.fixed())
}

pub(super) fn written(version: &str, key: &DigestKey, value: &impl Serialize) -> String {
    // What is digested has string keys in a fixed order only: its JSON cannot fail and is canonical.
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut text = version.to_owned();
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
        let digests = digests(&DigestKey::derive(&[7; 32]), &full);
        expect_test::expect!["v1:c5f37300ae57ec566db001612d5f87da4ff72e89c7a0dca069da2d4f07236ee2"]
            .assert_eq(&digests.before);
        expect_test::expect!["v2:28ea6a510c4a14e3c8cc6fb249bbb5ff2712b567ff4a43402216173c108fb699"]
            .assert_eq(&digests.now);
    }

    #[test]
    fn what_docker_changes_live_makes_no_other_container() {
        let key = DigestKey::derive(&[7; 32]);
        let with = |limits: serde_json::Value, restart: &str| {
            spec(serde_json::json!({ "image": "a:1", "limits": limits, "restart": restart }))
        };
        let (one, two) = (
            with(serde_json::json!({ "memory": "64MiB" }), "always"),
            with(serde_json::json!({ "memory": "1GiB", "pids": 9, "cpus": 1.0 / 3.0 }), "no"),
        );
        assert_eq!(digest(&key, &one), digest(&key, &two));
        assert_ne!(digests(&key, &one).before, digests(&key, &two).before);
        assert_eq!(two.live().limits.cpus, Some(0.333_333_333));
        assert_ne!(digest(&key, &one), digest(&key, &with(serde_json::json!({ "swap": "1MiB" }), "no")));
        assert!(one.live().leads_to(&two.live()) && !two.live().leads_to(&one.live()));
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
