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

/// A digest or an id for people: its first 12 digits.
pub fn short(digest: &str) -> &str {
    let digits = digest.find(':').map_or(0, |at| at + 1);
    digest.get(..digits + 12).unwrap_or(digest)
}

/// An image's name without its tag and digest.
pub fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    // The port of a registry comes before the last slash.
    let last = name.rfind('/').map_or(0, |at| at + 1);
    name[last..].find(':').map_or(name, |at| &name[..last + at])
}

/// The digest among `name@digest`s that is of the same repository as `image`: `wanted` where it is among them, else the
/// first.
pub fn digest_of<'a>(digests: &'a [String], image: &str, wanted: Option<&str>) -> Option<&'a str> {
    let repository = familiar(repository(image));
    let ours = digests.iter().filter_map(|it| it.split_once('@')).filter(|(name, _)| familiar(name) == repository);
    let first = ours.clone().next().map(|(_, digest)| digest);
    let mut all = ours.map(|(_, digest)| digest);
    all.find(|it| Some(*it) == wanted).or(first)
}

/// A repository as Docker shows it: without what every name on Docker Hub begins with.
fn familiar(repository: &str) -> &str {
    let hub = ["docker.io/", "index.docker.io/"].iter().find_map(|it| repository.strip_prefix(it));
    let name = hub.unwrap_or(repository);
    name.strip_prefix("library/").unwrap_or(name)
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
    fn a_digest_is_of_its_repository() {
        for (image, expected) in [
            ("tool", "tool"),
            ("tool:1", "tool"),
            ("r:5000/demo/tool", "r:5000/demo/tool"),
            ("r:5000/demo/tool:1@sha256:00", "r:5000/demo/tool"),
        ] {
            assert_eq!(repository(image), expected);
        }
        let digests = ["r:5000/tool@sha256:1", "tool@sha256:2", "tool@sha256:3"].map(str::to_owned);
        assert_eq!(digest_of(&digests, "docker.io/library/tool:9", None), Some("sha256:2"));
        assert_eq!(digest_of(&digests, "tool:9", Some("sha256:3")), Some("sha256:3"));
        assert_eq!(digest_of(&digests, "r:5000/tool:9", Some("sha256:3")), Some("sha256:1"));
        assert_eq!(digest_of(&digests, "other/tool:9", None), None);
        assert_eq!(short(&format!("sha256:{}", "ab".repeat(32))), "sha256:abababababab");
        assert_eq!(short("x"), "x");
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
