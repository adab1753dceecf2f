//! A socket before the engine's own that can be cut and mended, and that remembers what was asked for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engine::Docker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

pub struct Proxy {
    folder: tempfile::TempDir,
    engine: PathBuf,
    /// Owns the accepting task, which owns those of the connections.
    tasks: JoinSet<()>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn before(docker: &Docker) -> Self {
        let engine = docker.url().strip_prefix("unix://").expect("this test needs an engine on a unix socket").into();
        let folder = tempfile::tempdir().unwrap();
        let mut proxy = Self { folder, engine, tasks: JoinSet::new(), asked: Arc::default() };
        proxy.mend().await;
        proxy
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The first line of every request.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Ends every connection, and takes no new ones.
    pub async fn cut(&mut self) {
        self.tasks.shutdown().await;
        std::fs::remove_file(self.socket()).unwrap();
    }

    pub async fn mend(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (engine, asked) = (self.engine.clone(), Arc::clone(&self.asked));
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    // Cancel-safe: a connection that was not accepted waits.
                    accepted = listener.accept() => {
                        let (client, _) = accepted.unwrap();
                        connections.spawn(forward(client, engine.clone(), Arc::clone(&asked)));
                    }
                    // Cancel-safe: an ended connection is collected the next time.
                    Some(_) = connections.join_next() => {}
                }
            }
        });
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

/// The client has a connection for every request, so the first bytes are a request's first line.
async fn forward(mut client: UnixStream, engine: PathBuf, asked: Arc<Mutex<Vec<String>>>) {
    let mut engine = UnixStream::connect(engine).await.unwrap();
    let mut head = vec![0; 64 * 1024];
    let Ok(length) = client.read(&mut head).await else { return };
    let line = String::from_utf8_lossy(&head[..length]).lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line);
    if engine.write_all(&head[..length]).await.is_ok() {
        // Either side may hang up at any time: that is the end, not a fault.
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
    }
}
