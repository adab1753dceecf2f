//! One fleet, as a person works with it: a Git work tree, pushes, and what became of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use schemas::event::Shown;
use serde_json::Value;
use tempfile::TempDir;

use crate::docker::{self, Thing};
use crate::process::{Ran, run};
use crate::{Events, Platform, eventually, root};

/// How long one push may take.
const PUSH: Duration = Duration::from_secs(150);
/// How long a rollout may take.
const ROLLOUT: Duration = Duration::from_secs(60);

/// A work tree of a fleet.
#[derive(Debug)]
pub struct Fleet<'p> {
    platform: &'p Platform,
    id: String,
    tree: TempDir,
}

/// What a push came to.
#[derive(Debug, Clone)]
pub struct Push {
    /// Whether git says that the refs moved.
    pub accepted: bool,
    /// git's exit code.
    pub code: i32,
    /// What the pusher's terminal showed.
    pub text: String,
}

impl Push {
    /// Fails unless the push was accepted.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.accepted, "the push was refused:\n{}", self.text);
        self
    }

    /// Fails unless the push was refused and its text holds each of `words`.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        assert!(!self.accepted, "the push was accepted:\n{}", self.text);
        self.says(words)
    }

    /// Fails unless the text holds each of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.text.contains(word), "no {word:?} in:\n{}", self.text);
        }
        self
    }
}

impl<'p> Fleet<'p> {
    #[track_caller]
    pub(crate) fn new(platform: &'p Platform, id: &str) -> Self {
        let tree = tempfile::Builder::new().prefix("fleetlog-tree-").tempdir().unwrap();
        let fleet = Self { platform, id: id.to_owned(), tree };
        fleet.git(&["init", "--quiet", "--initial-branch=main"]).ok();
        fleet.git(&["remote", "add", "origin", &fleet.remote()]).ok();
        fleet
    }

    /// A second work tree: a clone of what the platform has now.
    #[track_caller]
    pub fn clone_elsewhere(&self) -> Self {
        let other = Self::new(self.platform, &self.id);
        other.fetch().ok();
        other.git(&["reset", "--quiet", "--hard", "origin/main"]).ok();
        other
    }

    /// `owner/name`
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name in Docker of one of its things: `owner.fleet.name`.
    pub fn name_of(&self, name: &str) -> String {
        format!("{}.{name}", self.id.replace('/', "."))
    }

    /// The work tree.
    pub fn path(&self) -> &Path {
        self.tree.path()
    }

    /// The URL with the admin's name and token.
    #[track_caller]
    pub fn remote(&self) -> String {
        self.remote_with(&self.platform.token())
    }

    /// The URL with another token.
    #[track_caller]
    pub fn remote_with(&self, token: &str) -> String {
        let url = self.platform.url();
        format!("http://admin:{token}@{}/git/{}.git", url.trim_start_matches("http://"), self.id)
    }

    /// Writes a descriptor.
    #[track_caller]
    pub fn write(&self, path: &str, value: Value) -> &Self {
        self.write_text(path, &format!("{value:#}\n"))
    }

    /// Writes any file.
    #[track_caller]
    pub fn write_text(&self, path: &str, text: &str) -> &Self {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Removes a file.
    #[track_caller]
    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.tree.path().join(path)).unwrap();
        self
    }

    /// Copies the demo fleet of `ops/demo`, with its API published on `port`.
    #[track_caller]
    pub fn demo(&self, port: u16) -> &Self {
        let demo = root().join("ops/demo");
        for path in files_under(&demo) {
            let name = path.strip_prefix(&demo).unwrap().to_str().unwrap();
            if name.ends_with(".json") {
                let text = fs::read_to_string(&path).unwrap();
                self.write_text(name, &text.replace("127.0.0.1:8080:80", &format!("127.0.0.1:{port}:80")));
            }
        }
        self
    }

    /// Commits everything; gives the commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]).ok();
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]).ok();
        self.git(&["rev-parse", "HEAD"]).ok()
    }

    /// `git push -o … origin main`
    #[track_caller]
    pub fn push(&self, options: &[&str]) -> Push {
        self.push_refs(options, &["main"])
    }

    /// `git push -o … origin REFSPEC…`
    #[track_caller]
    pub fn push_refs(&self, options: &[&str], refs: &[&str]) -> Push {
        self.push_to(&self.remote(), options, refs)
    }

    /// `git push -o … URL REFSPEC…`
    #[track_caller]
    pub fn push_to(&self, url: &str, options: &[&str], refs: &[&str]) -> Push {
        self.git(&["remote", "set-url", "origin", url]).ok();
        let mut arguments = vec!["push"];
        for option in options {
            arguments.extend(["-o", option]);
        }
        arguments.push("origin");
        arguments.extend(refs);
        let ran = self.git(&arguments);
        Push { accepted: ran.code == 0, code: ran.code, text: format!("{}{}", ran.out, ran.err) }
    }

    /// `git fetch origin`
    #[track_caller]
    pub fn fetch(&self) -> Ran {
        self.git(&["remote", "set-url", "origin", &self.remote()]).ok();
        self.git(&["fetch", "--quiet", "--prune", "origin"])
    }

    /// Every ref that the platform advertises, as `git ls-remote` prints them.
    #[track_caller]
    pub fn refs(&self) -> Ran {
        self.git(&["ls-remote", &self.remote()])
    }

    /// The commit that a branch stands on; none where there is no such branch or no such fleet.
    #[track_caller]
    pub fn head_of(&self, branch: &str) -> Option<String> {
        let refs = self.refs().out;
        let name = format!("refs/heads/{branch}");
        refs.lines().find_map(|line| line.split_once('\t').filter(|(_, it)| *it == name).map(|(oid, _)| oid.to_owned()))
    }

    /// The real git in the work tree, without anything of the machine's or the user's configuration.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.tree.path());
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        {
            command.env_remove(name);
        }
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
            command.env(format!("GIT_{who}_DATE"), "2026-01-02T03:04:05Z");
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        command.env("LC_ALL", "C").env("HOME", self.tree.path());
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", path);
        }
        run(&mut command, PUSH)
    }

    /// What `GET /v1/fleets/…` says: status and JSON.
    #[track_caller]
    pub fn get(&self) -> (u16, Value) {
        self.platform.get(&format!("/v1/fleets/{}", self.id))
    }

    /// The fleet's state.
    #[track_caller]
    pub fn state(&self) -> Value {
        let (status, state) = self.get();
        assert_eq!(status, 200, "{state:#}");
        state
    }

    /// This fleet's events, oldest first.
    #[track_caller]
    pub fn events(&self) -> Events {
        self.platform.events().of_fleet(&self.id)
    }

    /// Waits until the rollout of `commit` has ended; gives its last event.
    #[track_caller]
    pub fn rollout_of(&self, commit: &str) -> Shown {
        eventually(ROLLOUT, "the rollout ends", || {
            let events = self.events();
            events.end_of_rollout(commit).ok_or_else(|| format!("{events}"))
        })
    }

    /// Waits until the rollout of `commit` has succeeded.
    #[track_caller]
    pub fn succeeds(&self, commit: &str) {
        let end = self.rollout_of(commit);
        assert_eq!(end.kind, "fleetlog.rollout.succeeded.v1", "{:#}", end.data);
    }

    /// Waits until the rollout of `commit` has failed; gives its error.
    #[track_caller]
    pub fn fails(&self, commit: &str) -> String {
        let end = self.rollout_of(commit);
        assert_eq!(end.kind, "fleetlog.rollout.failed.v1", "{:#}", end.data);
        end.data["error"].as_str().expect("a failure says why").to_owned()
    }

    /// What `docker inspect` says of the fleet's containers; without those that are kept for a while after their removal.
    #[track_caller]
    pub fn containers(&self) -> Vec<Value> {
        self.labelled(&[])
    }

    fn labelled(&self, more: &[&str]) -> Vec<Value> {
        let (platform, fleet) = (self.platform.label(), format!("fleetlog.fleet={}", self.id));
        let labels: Vec<&str> = [platform.as_str(), &fleet].into_iter().chain(more.iter().copied()).collect();
        let mut found = docker::inspect(Thing::Container, &labels);
        found.retain(|it| !it["Name"].as_str().is_some_and(|it| it.contains(".until-")));
        found
    }

    /// What `docker inspect` says of one container of the fleet; none where there is none. Two fail the test.
    #[track_caller]
    pub fn find(&self, name: &str) -> Option<Value> {
        let found = self.labelled(&[&format!("fleetlog.name={name}")]);
        assert!(found.len() < 2, "more than one container `{name}`: {found:#?}");
        found.into_iter().next()
    }

    /// What `docker inspect` says of one container of the fleet, which has to be there.
    #[track_caller]
    pub fn container(&self, name: &str) -> Value {
        self.find(name).unwrap_or_else(|| panic!("no container `{name}` of {}", self.id))
    }

    /// Waits until a container of the fleet runs; gives what `docker inspect` says.
    #[track_caller]
    pub fn runs(&self, name: &str) -> Value {
        eventually(ROLLOUT, &format!("`{name}` runs"), || {
            let found = self.find(name).ok_or("no such container")?;
            if found["State"]["Running"] == true { Ok(found) } else { Err(found["State"].to_string()) }
        })
    }

    /// Lets a [`gated`](crate::descriptors::gated) container become healthy.
    #[track_caller]
    pub fn open(&self, name: &str) {
        docker::docker(&["exec", &self.name_of(name), "touch", "/tmp/go"]).ok();
    }

    /// Id and start of every container: equal before and after where nothing was done.
    #[track_caller]
    pub fn fingerprint(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .containers()
            .iter()
            .map(|it| format!("{} {} {}", it["Name"], it["Id"], it["State"]["StartedAt"]))
            .collect();
        all.sort();
        all
    }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}
