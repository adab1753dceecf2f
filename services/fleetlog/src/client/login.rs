//! `fleetlog login`: keeps a token for a platform in the user's own configuration, for them alone to read. Whatever the
//! environment or the clone says goes before it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::out;
use super::remote::Remote;
use crate::cli::LoginOptions;

/// Bytes of a token, and then some.
const MAX_TOKEN: u64 = 4 << 10;

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The platform that is meant where nothing says which.
    pub url: Option<String>,
    /// A token for each platform.
    tokens: BTreeMap<String, String>,
}

impl Kept {
    /// What was kept; nothing, where there is no such file or it cannot be read.
    pub fn read() -> Self {
        let content = file().and_then(|path| fs::read(path).ok());
        content.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default()
    }

    /// The token for a platform.
    pub fn token(&self, url: &str) -> Option<String> {
        self.tokens.get(url).cloned()
    }
}

/// Reads a token on standard input, tries it, and keeps it.
pub fn run(options: &LoginOptions) -> Result<(), Failure> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_TOKEN).read_to_string(&mut text);
    read.map_err(|error| Failure::Failed(format!("cannot read the token on standard input: {error}")))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        let how = "fleetlog login http://HOST:7070 < my.token";
        return Err(Failure::Usage(format!("standard input holds no token; write it there: {how}")));
    }
    let remote = Remote::with(options.url.as_deref(), token)?;
    remote.knows_us()?;
    let path = file().ok_or_else(|| Failure::Failed("there is no HOME to keep the token in".to_owned()))?;
    let mut kept = Kept::read();
    kept.url = Some(remote.url().to_owned());
    kept.tokens.insert(remote.url().to_owned(), token.to_owned());
    let shown = path.display();
    write(&path, &kept).map_err(|error| Failure::Failed(format!("cannot write `{shown}`: {error}")))?;
    out::line(&format!("the token opens `{}`; kept in `{shown}`", remote.url()))
}

/// `~/.config/fleetlog/login.json`
fn file() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("fleetlog/login.json"))
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    fs::rename(&beside, path)
}
