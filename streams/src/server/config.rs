//! The server's configuration: a private file that is written anew at each start, with new passwords.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{ServerError, Users, file};
use crate::access::{Access, Credentials};
use crate::catalog::{DOMAIN, MAX_PAYLOAD_BYTES, User, rights};
use crate::level::Room;

/// Beside the server's own `jetstream/` in its store.
const FILE: &str = "server.conf";

/// What streams in memory may take, all together; its own default is three quarters of the machine's memory.
const MEMORY_BYTES: u64 = 256 << 20;

/// Below the ports that Linux gives to outgoing connections: a client that keeps trying a port of that range, while the
/// server is away, may one day be connected to itself and keep the server out.
const PORTS: std::ops::Range<u16> = 12_000..30_000;

/// One configuration.
pub(super) struct Config {
    port: u16,
    store: PathBuf,
    store_bytes: u64,
    /// Of all users; none of `provision` once the streams are there.
    credentials: BTreeMap<User, Credentials>,
    users: Users,
}

impl Config {
    /// With new passwords.
    pub(super) fn new(store: &Path, port: u16, users: Users) -> Result<Self, ServerError> {
        let tests = matches!(users, Users::Tests).then_some(User::Everything);
        let all = User::SERVICES.into_iter().chain([User::Provision]).chain(tests);
        let credentials =
            all.map(|user| Ok((user, Credentials { user: user.name().to_owned(), password: password()? })));
        Ok(Self {
            port,
            store: store.canonicalize().map_err(file("find", store))?,
            store_bytes: room(store).map_err(file("measure the file system of", store))?,
            credentials: credentials.collect::<Result<_, ServerError>>()?,
            users,
        })
    }

    pub(super) fn room(&self) -> Room {
        Room { folder: self.store.clone(), limit: self.store_bytes }
    }

    pub(super) fn access(&self) -> Access {
        let user = match self.users {
            Users::Services { .. } => User::Platform,
            Users::Tests => User::Everything,
        };
        let url = format!("nats://127.0.0.1:{}", self.port);
        Access::new(url, user, self.credentials.clone(), self.store_bytes)
    }

    /// Leaves the user that may make streams out of what is written from now on.
    pub(super) fn drop_provision(&mut self) {
        self.credentials.remove(&User::Provision);
    }

    /// Writes the file, readable by us only.
    pub(super) fn write(&self, store: &Path) -> Result<PathBuf, ServerError> {
        let path = store.join(FILE);
        let write = || -> io::Result<()> {
            // Made anew, because an older file keeps its mode.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(self.text().as_bytes())
        };
        write().map_err(file("write", &path))?;
        Ok(path)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Written by fleetlog at each start.\n\
             listen: \"127.0.0.1:{}\"\n\
             server_name: \"{DOMAIN}\"\n\
             max_payload: {MAX_PAYLOAD_BYTES}\n\
             logtime: false\n\
             jetstream {{\n  store_dir: {}\n  domain: \"{DOMAIN}\"\n  sync_interval: always\n  \
             max_file_store: {}\n  \
             max_memory_store: {MEMORY_BYTES}\n}}\n\
             authorization {{\n  users: [\n",
            self.port,
            quoted(&self.store.to_string_lossy()),
            self.store_bytes,
        );
        let node = match &self.users {
            Users::Services { node } => Some(node.as_str()),
            Users::Tests => None,
        };
        for (&user, Credentials { password, .. }) in &self.credentials {
            let rights = rights(user, node);
            let list = |it: &[String]| it.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(", ");
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "    {{ user: {}, password: {}, permissions: {{\n      publish: {{ allow: [{}] }}\n      subscribe: {{ allow: [{}] }}\n    }} }}",
                quoted(user.name()),
                quoted(password),
                list(&rights.publish),
                list(&rights.subscribe),
            );
        }
        text.push_str("  ]\n}\n");
        text
    }
}

/// A string of the server's configuration language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A free port on loopback that no outgoing connection is given.
pub(super) fn private_port() -> io::Result<u16> {
    let mut last = io::Error::other("no port was tried");
    for _ in 0..100 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let port = PORTS.start + u16::from_le_bytes(random) % (PORTS.end - PORTS.start);
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn password() -> Result<String, ServerError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(|error| ServerError::Random { reason: error.to_string() })?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// What the store may hold: what it holds now and nine tenths of what is free, so that a disk that fills up makes the
/// server refuse rather than fail. (Its own default counts three quarters of what is free, and not what it holds.)
fn room(store: &Path) -> io::Result<u64> {
    let file_system = rustix::fs::statvfs(store)?;
    let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
    Ok(size(store)?.saturating_add(free / 10 * 9))
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_private_even_where_an_open_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join(FILE);
        fs::write(&old, "").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
        let path = Config::new(folder.path(), 4242, Users::Tests).unwrap().write(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("sync_interval: always"));
    }

    #[test]
    fn a_path_stays_one_string() {
        assert_eq!(quoted(r#"/a "b"\c"#), r#""/a \"b\"\\c""#);
    }
}
