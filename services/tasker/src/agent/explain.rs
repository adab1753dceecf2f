//! Names the key of the task that loosens what a step ran into. Pure. Looks at the last lines that the step wrote and
//! repeats none of them: they may hold anything.

use schemas::spec::TaskSpec;

/// How a step ended that failed.
pub struct Ended<'a> {
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    /// The last lines that it wrote, or what Docker said.
    pub words: &'a [String],
}

/// SIGKILL, as Docker tells it.
const KILLED: i64 = 137;
/// SIGXFSZ, as a shell and as Docker tell it.
const TOO_LARGE: [i64; 2] = [153, 128 + 25];

/// What most likely stood in the way, and the keys that loosen it; none: nothing of ours.
pub fn sandbox(ended: &Ended<'_>, spec: &TaskSpec) -> Option<String> {
    let said = |phrases: &[&str]| {
        let lower = ended.words.iter().map(|it| it.to_lowercase()).collect::<Vec<_>>();
        lower.iter().any(|line| phrases.iter().any(|phrase| line.contains(phrase)))
    };
    if ended.out_of_memory || said(&["out of memory", "cannot allocate memory"]) {
        return Some(format!("it ran out of memory: `limits.memory` is {}", spec.limits.memory));
    }
    // Docker's flag comes from an event of its own and may be missing: nobody else kills a step that ends by itself.
    if ended.exit_code == Some(KILLED) {
        let memory = spec.limits.memory;
        return Some(format!("it was killed, most likely because it ran out of memory: `limits.memory` is {memory}"));
    }
    if said(&["resource temporarily unavailable", "can't fork", "cannot fork", "pthread_create failed"]) {
        return Some(format!("it ran out of processes: `limits.pids` is {}", spec.limits.pids));
    }
    if said(&["read-only file system", "readonly file system", "erofs"]) && !spec.writable {
        return Some("its root is read-only: `tmpfs`, `volumes` or `writable` make room to write".to_owned());
    }
    if said(&NO_NETWORK) && !spec.network {
        return Some("it has no network: `network: true` puts it into the fleet's".to_owned());
    }
    if said(&["no space left on device"]) {
        return Some("a path in memory is full: `tmpfs` says how large it is, `volumes` have more room".to_owned());
    }
    if ended.exit_code.is_some_and(|code| TOO_LARGE.contains(&code))
        || said(&["file size limit exceeded", "file too large"])
    {
        return Some("a file grew too large for a step without `volumes` and `writable`".to_owned());
    }
    if said(&["permission denied", "operation not permitted", "eacces", "eperm"]) {
        let who = &spec.user;
        return Some(format!(
            "it runs as user {who} without capabilities, and nothing in `tmpfs` can be executed: `user`, `volumes` or \
             `writable` loosen that"
        ));
    }
    None
}

const NO_NETWORK: [&str; 8] = [
    "network is unreachable",
    "network unreachable",
    "bad address",
    "temporary failure in name resolution",
    "could not resolve host",
    "name or service not known",
    "no route to host",
    "network is down",
];

#[cfg(test)]
mod tests {
    use schemas::descriptors::{Desired, File};
    use schemas::spec::render_task;

    use super::*;

    fn spec(more: &str) -> TaskSpec {
        let text = format!(r#"{{ "image": "x", "steps": [ {{ "run": ["x"] }} ] {more} }}"#);
        let path = "tasks/t.json".parse().unwrap();
        let file = File::read(&path, serde_json::from_str(&text).unwrap()).unwrap();
        let File::Task(task) = file else { panic!("a task") };
        let desired = Desired { tasks: [("t".parse().unwrap(), *task)].into(), ..Desired::default() };
        render_task(&"t".parse().unwrap(), &desired).unwrap()
    }

    fn explained(line: &str, more: &str) -> Option<String> {
        let words = [line.to_owned()];
        sandbox(&Ended { exit_code: Some(1), out_of_memory: false, words: &words }, &spec(more))
    }

    #[test]
    fn each_wall_of_the_sandbox_names_its_key() {
        for (line, key) in [
            ("sh: can't create /x: Read-only file system", "`writable`"),
            ("touch: /root/x: Permission denied", "`user`"),
            ("wget: bad address 'example.org'", "`network: true`"),
            ("ping: sendto: Network is unreachable", "`network: true`"),
            ("sh: can't fork: Resource temporarily unavailable", "`limits.pids`"),
            ("dd: error writing '/tmp/x': No space left on device", "`tmpfs`"),
        ] {
            let said = explained(line, "").unwrap_or_default();
            assert!(said.contains(key), "{line}: {said}");
        }
        let killed = Ended { exit_code: Some(137), out_of_memory: true, words: &[] };
        assert!(sandbox(&killed, &spec("")).unwrap().contains("`limits.memory` is 256MiB"));
        let without_a_word = Ended { out_of_memory: false, ..killed };
        assert!(sandbox(&without_a_word, &spec("")).unwrap().contains("`limits.memory` is 256MiB"));
    }

    #[test]
    fn what_is_loosened_already_is_not_named() {
        assert_eq!(explained("Network is unreachable", r#", "network": true"#), None);
        assert_eq!(explained("Read-only file system", r#", "writable": true"#), None);
        assert_eq!(explained("assertion failed", ""), None);
    }
}
