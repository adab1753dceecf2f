//! What the current folder tells: where it is a clone of a fleet, its remote's URL says which fleet, where the platform
//! is, and maybe the token.

use std::process::{Command, Stdio};

use schemas::names::FleetId;

use super::failure::Failure;

/// A remote that is a fleet: `http://[USER:TOKEN@]HOST[:PORT]/git/OWNER/FLEET.git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `http://HOST[:PORT]`
    pub url: String,
    /// The password of the URL.
    pub token: Option<String>,
    /// The fleet.
    pub fleet: FleetId,
}

impl Origin {
    /// Reads a remote's URL; none: it is not a fleet's.
    fn parse(url: &str) -> Option<Self> {
        let (base, path) = url.trim().rsplit_once("/git/")?;
        let path = path.trim_end_matches('/');
        let fleet = path.strip_suffix(".git").unwrap_or(path).parse().ok()?;
        let (scheme, host) = base.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let (credentials, host) = match host.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, host),
        };
        let token = credentials.and_then(|it| it.split_once(':')).map(|(_, token)| decoded(token));
        Some(Self { url: format!("{scheme}://{host}"), token: token.filter(|it| !it.is_empty()), fleet })
    }
}

/// Every remote of the clone that is a fleet, each once; none outside a clone.
pub fn origins() -> Vec<Origin> {
    let Some(text) = git(&["config", "--get-regexp", r"^remote\..*\.url$"]) else { return Vec::new() };
    let mut found: Vec<Origin> = Vec::new();
    for origin in text.lines().filter_map(|line| Origin::parse(line.split_once(' ')?.1)) {
        if !found.contains(&origin) {
            found.push(origin);
        }
    }
    found
}

/// The fleet that is meant: the one that was named, else the clone's only one.
pub fn fleet(named: Option<&FleetId>) -> Result<FleetId, Failure> {
    if let Some(fleet) = named {
        return Ok(fleet.clone());
    }
    let mut fleets: Vec<_> = origins().into_iter().map(|it| it.fleet).collect();
    fleets.dedup();
    match fleets.as_slice() {
        [fleet] => Ok(fleet.clone()),
        [] => Err(Failure::Usage(
            "which fleet? say --fleet OWNER/NAME, or go into a clone with a remote …/git/OWNER/NAME.git; \
             `fleetlog status` lists them"
                .to_owned(),
        )),
        several => {
            let names: Vec<_> = several.iter().map(ToString::to_string).collect();
            Err(Failure::Usage(format!("which fleet? this clone has remotes of {}: say --fleet", names.join(", "))))
        }
    }
}

/// The commit that a name such as `HEAD` stands for in this clone.
pub fn commit(name: &str) -> Option<String> {
    if name.starts_with('-') {
        return None;
    }
    git(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).map(|it| it.trim().to_owned())
}

/// The branch that is checked out.
pub fn branch() -> Option<String> {
    git(&["symbolic-ref", "--quiet", "--short", "HEAD"]).map(|it| it.trim().to_owned())
}

/// Characters of a title at most.
const TITLE: usize = 200;

/// The first line of the newest commit's message, as far as a title takes it.
pub fn subject() -> Option<String> {
    git(&["log", "-1", "--format=%s"]).map(|it| titled(&it)).filter(|it| !it.is_empty())
}

/// Without control characters, and cut to what fits.
fn titled(text: &str) -> String {
    let text: String =
        text.trim().chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect();
    if text.chars().count() <= TITLE {
        return text;
    }
    format!("{}…", text.chars().take(TITLE - 1).collect::<String>().trim_end())
}

/// Folders of descriptors, as Git knows them below a folder, that are other repositories; none outside a work tree.
pub fn submodules(folder: &std::path::Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let listed = git(&["-C", &folder, "ls-files", "--stage", "-z"]).unwrap_or_default();
    let path = |entry: &str| Some(entry.strip_prefix("160000 ")?.split_once('\t')?.1.to_owned());
    listed.split('\0').filter_map(path).collect()
}

/// A moment as the platform takes it: a name that Git knows here becomes its commit. None: now.
pub fn moment(text: &str) -> Option<String> {
    if text == "now" {
        return None;
    }
    let known = text.parse::<schemas::query::At>().is_ok();
    // What nobody knows goes as it is: the platform says what it expected.
    let named = if known { None } else { commit(text) };
    Some(named.unwrap_or_else(|| text.to_owned()))
}

/// What git answers; none where it fails or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}

/// `%41` → `A`. What is no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match escape.filter(|_| *first == b'%').and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_becomes_a_title_that_fits() {
        assert_eq!(titled(" a\tb\u{1b}[31m\u{7} \n"), "a b[31m");
        let long = titled(&"é".repeat(300));
        assert!(long.chars().count() == 200 && long.ends_with("é…"), "{long}");
        assert_eq!(titled(&"x".repeat(200)), "x".repeat(200));
    }

    #[test]
    fn a_remote_tells_the_fleet_the_platform_and_the_token() {
        let read = |url| Origin::parse(url).map(|it| (it.url, it.token, it.fleet.to_string()));
        let expected =
            |url: &str, token: Option<&str>| Some((url.to_owned(), token.map(str::to_owned), "acme/shop".to_owned()));
        assert_eq!(
            read("http://admin:fl_x%2D@127.0.0.1:7070/git/acme/shop.git"),
            expected("http://127.0.0.1:7070", Some("fl_x-"))
        );
        assert_eq!(read("https://fleet.example/git/acme/shop"), expected("https://fleet.example", None));
        assert_eq!(read("http://ann@host/git/acme/shop.git/"), expected("http://host", None));
        for other in ["git@example.org:acme/shop.git", "https://example.org/acme/shop.git", "http://h/git/shop.git"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
