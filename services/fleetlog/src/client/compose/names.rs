//! What services and volumes are called in a fleet, and which hosts become which.

use std::collections::BTreeMap;

/// Words of a variable's name that say that its value is a host.
const HOST_WORDS: [&str; 6] = ["HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "UPSTREAM"];

/// Last words of a variable's name that say that its value is something else.
const OTHER_WORDS: [&str; 5] = ["NAME", "USER", "USERNAME", "DB", "DATABASE"];

/// A DNS label that reads like the text.
pub fn label(text: &str) -> String {
    let signs = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = text.chars().map(signs).collect();
    let label = label.trim_matches('-');
    let label = label[..label.len().min(63)].trim_end_matches('-');
    if label.is_empty() { "x".to_owned() } else { label.to_owned() }
}

/// A label for each name, no two the same: names that are labels keep theirs.
pub fn labels<'a>(names: impl Iterator<Item = &'a str> + Clone) -> BTreeMap<String, String> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut given = BTreeMap::new();
    let (keep, change): (Vec<_>, Vec<_>) = names.partition(|name| label(name) == *name);
    for name in keep.into_iter().chain(change) {
        let base = label(name);
        let free = |it: &String| !taken.contains_key(it);
        let numbered = (2..).map(|n| format!("{}-{n}", &base[..base.len().min(59)]));
        let Some(own) = std::iter::once(base.clone()).chain(numbered).find(free) else { continue };
        taken.insert(own.clone(), name.to_owned());
        given.insert(name.to_owned(), own);
    }
    given
}

/// Names under which a container was reached and is no more → the name under which it is.
#[derive(Debug, Default)]
pub struct Hosts(pub BTreeMap<String, String>);

impl Hosts {
    /// The text with every such name replaced where it stands as a host, and the names that stand there otherwise.
    /// `key` is the variable's name, where there is one.
    pub fn replace(&self, key: &str, text: &str) -> (String, Vec<&str>) {
        let mut done = text.to_owned();
        let mut doubts = Vec::new();
        let words = key.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_uppercase);
        let words: Vec<String> = words.collect();
        let for_host = words.iter().any(|word| HOST_WORDS.contains(&word.as_str()));
        let for_other = words.len() > 1 && words.last().is_some_and(|word| OTHER_WORDS.contains(&word.as_str()));
        for (old, new) in &self.0 {
            let mut from = 0;
            while let Some(at) = done[from..].find(old.as_str()).map(|it| it + from) {
                let (before, after) = (&done[..at], &done[at + old.len()..]);
                let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
                from = at + old.len();
                if before.ends_with(inside) || after.starts_with(inside) {
                    continue;
                }
                let mut behind = after.chars();
                let port = behind.next() == Some(':') && behind.next().is_some_and(|c| c.is_ascii_digit());
                let whole = before.is_empty() && after.is_empty();
                if before.ends_with("://") || before.ends_with('@') || port || whole && for_host {
                    done = format!("{before}{new}{after}");
                    from = at + new.len();
                } else if !(whole && for_other) {
                    doubts.push(old.as_str());
                }
            }
        }
        doubts.dedup();
        (done, doubts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels_and_stay_apart() {
        let given = labels(["my_db", "my-db", "Web.App", "_", "web"].into_iter());
        let given: Vec<_> = given.iter().map(|(name, own)| (name.as_str(), own.as_str())).collect();
        assert_eq!(
            given,
            [("Web.App", "web-app"), ("_", "x"), ("my-db", "my-db"), ("my_db", "my-db-2"), ("web", "web")]
        );
    }

    #[test]
    fn a_host_is_replaced_and_a_database_of_that_name_is_not() {
        let hosts = Hosts([("my_db".to_owned(), "my-db".to_owned())].into());
        for (key, text, expected, doubts) in [
            ("DB_HOST", "my_db", "my-db", 0),
            ("DB_NAME", "my_db", "my_db", 0),
            ("QUEUE", "my_db", "my_db", 1),
            ("DB_URL", "postgres://u@my_db/my_db", "postgres://u@my-db/my_db", 1),
            ("", "--upstream=my_db:5432", "--upstream=my-db:5432", 0),
            ("X", "my_db2 xmy_db my_db_old", "my_db2 xmy_db my_db_old", 0),
        ] {
            let (done, seen) = hosts.replace(key, text);
            assert_eq!((done.as_str(), seen.len()), (expected, doubts), "{key}={text}");
        }
    }
}
