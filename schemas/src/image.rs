//! The name of an image: what Docker takes, and whether it says which image it is.

use std::sync::LazyLock;

use regex_lite::Regex;

/// Whether an image's name says which image it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// By a digest: always the very same image.
    Digest,
    /// By a tag other than `latest`.
    Tag,
    /// By the tag `latest`, which is whatever was pushed last.
    Latest,
    /// By neither: Docker takes `latest`.
    No,
}

/// How an image's name says which image it is.
pub fn pinned(image: &str) -> Pinned {
    if image.contains('@') {
        return Pinned::Digest;
    }
    // The port of a registry comes before the last slash.
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        Some((_, "latest")) => Pinned::Latest,
        Some(_) => Pinned::Tag,
        None => Pinned::No,
    }
}

/// Whether Docker takes it as an image's name (distribution's grammar of references).
pub fn is_name(image: &str) -> bool {
    const LABEL: &str = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    const PORT: &str = ":[0-9]{1,5}";
    const PART: &str = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*";
    const TAG: &str = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    const DIGEST: &str = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // A registry has a dot or a port in its name, or is `localhost`: else it is a part of the path.
        let host = format!(r"(?:localhost|{LABEL}(?:\.{LABEL})+)(?:{PORT})?|(?:{LABEL}|\[[0-9a-fA-F:]+\]){PORT}");
        Regex::new(&format!("^(?:(?:{host})/)?{PART}(?:/{PART})*(?::{TAG})?(?:@{DIGEST})?$")).ok()
    });
    NAME.as_ref().is_none_or(|it| it.is_match(image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag_and_a_digest_is_a_pin() {
        let digest = format!("tool@sha256:{}", "a".repeat(64));
        for (image, expected) in [
            ("demo/tool:1", Pinned::Tag),
            ("tool", Pinned::No),
            ("registry.example.org:5000/demo/tool", Pinned::No),
            ("registry.example.org:5000/demo/tool:1.2", Pinned::Tag),
            ("demo/tool:latest", Pinned::Latest),
            (digest.as_str(), Pinned::Digest),
        ] {
            assert_eq!(pinned(image), expected, "{image}");
            assert!(is_name(image), "{image}");
        }
    }

    #[test]
    fn what_docker_refuses_is_no_name() {
        for bad in [
            "",
            "Demo/Tool:1",
            "Demo/tool:1",
            "demo//tool",
            "demo/tool:",
            "demo/tool:a b",
            "demo/tool@sha256:1",
            "-x",
            "a/",
            "x:é",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["a", "localhost/x", "A.example.org/x", "[::1]:5000/x:1", "a__b/c-d.e:V1_2", "sha256:abc"] {
            assert!(is_name(good), "{good}");
        }
    }
}
