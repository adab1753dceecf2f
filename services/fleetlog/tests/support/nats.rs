//! A nats-server that somebody else runs.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Folder, wait_for};

/// The server; ended with the test.
pub struct Nats {
    child: Child,
    pub url: String,
}

impl Nats {
    /// One without users.
    pub fn start(folder: &Folder) -> Self {
        Self::start_with(folder, "")
    }

    /// One with more lines in its configuration.
    pub fn start_with(folder: &Folder, more: &str) -> Self {
        let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(std::path::PathBuf::from);
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
        let program = streams::find_server(explicit.as_deref(), &[tools]).unwrap().path;
        let config = folder.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{0}\"\nmax_payload: 8388608\njetstream {{ store_dir: \"{0}/store\", \
             domain: fleetlog, sync_interval: always }}\n{more}\n",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        // It takes a free port and says which in a file.
        let ports = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let url = wait_for("the server's port", || {
            let ports: Value = serde_json::from_slice(&std::fs::read(&ports).ok()?).ok()?;
            ports["nats"][0].as_str().map(str::to_owned)
        });
        Self { child, url }
    }

    /// Its address, with a user's name and password.
    pub fn url_of(&self, user: &str, password: &str) -> String {
        self.url.replace("nats://", &format!("nats://{user}:{password}@"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // Gone already: nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
