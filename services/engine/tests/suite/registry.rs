//! Registries: one that has no image and answers every question with one status, and one that holds images.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::lab::LIMIT;

/// A registry; it answers as long as it lives.
pub struct Registry {
    /// The name of an image in it.
    pub image: String,
    _tasks: JoinSet<()>,
}

impl Registry {
    /// One that nobody asks.
    pub fn nowhere() -> Self {
        Self { image: "nowhere/image:1".to_owned(), _tasks: JoinSet::new() }
    }

    pub async fn that_answers(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 16 * 1024];
            let length = client.read(&mut head).await.unwrap_or_default();
            let about_images = String::from_utf8_lossy(&head[..length]).contains("/manifests/");
            let (status, body) = match (about_images, status) {
                (false, 404) => ("200 OK", "{}"),
                (_, 404) => ("404 Not Found", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
                _ => ("503 Service Unavailable", "{}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            // A client that hung up asked for nothing.
            let _sent = client.write_all(answer.as_bytes()).await;
        }
    });
        Self { image: format!("127.0.0.1:{port}/nowhere/image:1"), _tasks: tasks }
    }
}

/// A registry that holds images, of the package `docker-registry`; it goes with what it holds.
pub struct Shelf {
    /// The beginning of the names of its images: address and a folder of this test's own.
    pub prefix: String,
    server: Option<(Child, tempfile::TempDir)>,
}

impl Shelf {
    /// One that nobody runs: names of images only.
    pub fn imagined(unique: &str) -> Self {
        Self { prefix: format!("r:5000/{unique}"), server: None }
    }

    /// Starts one, and waits until it answers.
    pub async fn start(unique: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = crate::lab::free_port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: 127.0.0.1:{port} }}\n",
            folder.path().join("images").display()
        );
        std::fs::write(&config, text).unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin/docker-registry");
        let program = if ours.exists() { ours } else { "docker-registry".into() };
        let mut command = Command::new(program);
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().expect("this test needs docker-registry: `ops/setup` fetches it");
        let shelf = Self { prefix: format!("127.0.0.1:{port}/{unique}"), server: Some((server, folder)) };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(started.elapsed() < LIMIT, "the registry did not listen within {LIMIT:?}");
            tokio::task::yield_now().await;
        }
        shelf
    }

    /// The name of an image in it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.prefix)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some((server, _)) = &mut self.server {
            // It may have ended by itself: either way it is gone.
            let _killed = server.kill();
            let _ended = server.wait();
        }
    }
}
