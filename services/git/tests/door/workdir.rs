//! A user's clone, and the `git` in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

/// A working folder of one user.
pub struct Workdir {
    _home: TempDir,
    pub path: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// It succeeded.
    #[track_caller]
    pub fn good(self) -> Self {
        assert!(self.ok, "expected success:\n{self:#?}");
        self
    }

    /// It failed.
    #[track_caller]
    pub fn bad(self) -> Self {
        assert!(!self.ok, "expected a failure:\n{self:#?}");
        self
    }

    /// The user was told so.
    #[track_caller]
    pub fn tells(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "expected {words:?} in:\n{}", self.stderr);
        self
    }

    /// The user was not told so.
    #[track_caller]
    pub fn hides(self, words: &str) -> Self {
        assert!(!self.stderr.contains(words), "did not expect {words:?} in:\n{}", self.stderr);
        self
    }
}

impl Workdir {
    /// An empty repository on branch `main`, with `origin` at `url`.
    pub async fn new(url: &str) -> Self {
        let this = Self::bare_home();
        this.run(&["init", "--quiet", "-b", "main", "."]).await.good();
        this.run(&["remote", "add", "origin", url]).await.good();
        this
    }

    /// A clone of `url`.
    pub async fn clone_of(url: &str) -> Self {
        let this = Self::bare_home();
        this.run(&["clone", "--quiet", url, "."]).await.good();
        this
    }

    /// A folder without a repository.
    pub fn bare_home() -> Self {
        let home = TempDir::new().unwrap();
        let path = home.path().join("work");
        std::fs::create_dir(&path).unwrap();
        Self { _home: home, path }
    }

    /// Runs `git`.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().await.unwrap();
        Said {
            ok: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `git` with this user's own configuration only.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(&self.path)
            .env("HOME", self.path.parent().unwrap())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .envs([("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org")])
            .envs([("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.org")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Writes files and commits everything. Answers the commit.
    pub async fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.path.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.run(&["add", "--all"]).await.good();
        self.run(&["commit", "--quiet", "--allow-empty", "-m", "a change"]).await.good();
        self.head().await
    }

    /// The commit that is checked out.
    pub async fn head(&self) -> String {
        self.rev("HEAD").await
    }

    /// The commit that a name means.
    pub async fn rev(&self, name: &str) -> String {
        self.run(&["rev-parse", name]).await.good().stdout.trim().to_owned()
    }

    /// `git push -o … origin …`
    pub async fn push(&self, options: &[&str], refs: &[&str]) -> Said {
        let mut arguments = vec!["push"];
        for option in options {
            arguments.extend(["-o", option]);
        }
        arguments.push("origin");
        arguments.extend(refs);
        self.run(&arguments).await
    }

    /// Every ref at the other side, as `<oid> <name>` lines.
    pub async fn remote_refs(&self) -> String {
        self.run(&["ls-remote", "origin"]).await.good().stdout.replace('\t', " ")
    }
}

/// `git fsck` in a folder of the service.
pub async fn fsck(repository: &Path) {
    let output =
        Command::new("git").args(["fsck", "--full", "--strict"]).current_dir(repository).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A container descriptor.
pub const DB: &str = r#"{ "image": "demo/tool:1", "command": ["sleep", "60"] }"#;
