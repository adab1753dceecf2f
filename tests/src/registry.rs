//! A registry of images, of the package `docker-registry`, and a way to it that is out of order for a while.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::docker::docker;
use crate::{eventually, free_port, root};

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// Requests that come closer together than this belong to one try of whoever asks.
const ONE_TRY: Duration = Duration::from_secs(1);

/// A registry on a port of its own; it goes with what it holds, and with what Docker has of it. It has to be there before
/// a [`Platform`](crate::Platform), and so goes after its containers.
#[derive(Debug)]
pub struct Registry {
    home: TempDir,
    server: Child,
    port: u16,
    /// Addresses by which its images may be known to Docker.
    addresses: Mutex<Vec<String>>,
}

impl Registry {
    /// Starts one without an image.
    #[track_caller]
    pub fn start() -> Self {
        let home = tempfile::Builder::new().prefix("fleetlog-registry-").tempdir().unwrap();
        let (port, config) = (free_port(), home.path().join("config.yml"));
        let images = home.path().join("images");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: 127.0.0.1:{port} }}\n",
            images.display()
        );
        fs::write(&config, text).unwrap();
        let ours = root().join("ops/.tools/bin/docker-registry");
        let program = if ours.exists() { ours } else { "docker-registry".into() };
        let mut command = Command::new(program);
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().expect("this test needs docker-registry: `ops/setup` fetches it");
        eventually(START, "the registry listens", || {
            TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
        });
        let address = format!("127.0.0.1:{port}");
        Self { home, server, port, addresses: Mutex::new(vec![address]) }
    }

    /// The name of an image in it.
    pub fn name(&self, image: &str) -> String {
        format!("127.0.0.1:{}/{image}", self.port)
    }

    /// Builds an image that says `VERSION=…` in its environment, pushes it, and takes it off this Docker: the tag leads to
    /// it from now on, and whoever wants it has to fetch it. Answers its digest.
    #[track_caller]
    pub fn publish(&self, image: &str, version: u32) -> String {
        let folder = self.home.path().join(format!("build-{version}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Dockerfile"), format!("FROM demo/tool:1\nENV VERSION={version}\n")).unwrap();
        let (name, scratch) = (self.name(image), format!("fleetlog-build-{}:{version}", self.port));
        docker(&["build", "--quiet", "--tag", &scratch, &folder.display().to_string()]).ok();
        // Under the name of the registry only as long as it takes to push it: whatever else has that name stays.
        let known = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
        docker(&["tag", &scratch, &name]).ok();
        let pushed = docker(&["push", &name]).ok();
        docker(&["rmi", &name]).ok();
        docker(&["rmi", &scratch]);
        if known.code == 0 {
            docker(&["tag", known.out.trim(), &name]).ok();
        }
        let digest = pushed.split_whitespace().find(|word| word.starts_with("sha256:"));
        digest.unwrap_or_else(|| panic!("no digest in {pushed}")).to_owned()
    }

    /// A way to it that answers 503 in the first `tries` tries.
    #[track_caller]
    pub fn faulty(&self, tries: u32) -> Faulty {
        let faulty = Faulty::before(self.port, tries);
        self.addresses.lock().unwrap().push(format!("127.0.0.1:{}", faulty.port));
        faulty
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself: either way it is gone.
        let _killed = self.server.kill();
        let _ended = self.server.wait();
        let format = "{{.ID}} {{.Repository}}";
        let listed = docker(&["image", "ls", "--all", "--no-trunc", "--format", format]).out;
        let addresses = self.addresses.lock().map(|it| it.clone()).unwrap_or_default();
        for line in listed.lines() {
            if let Some((id, repository)) = line.split_once(' ')
                && addresses.iter().any(|it| repository.starts_with(&format!("{it}/")))
            {
                docker(&["rmi", "--force", id]);
            }
        }
    }
}

/// A way to a registry that is out of order at first.
#[derive(Debug)]
pub struct Faulty {
    port: u16,
    asked: Arc<Mutex<Tries>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Tries {
    /// So many are answered with 503.
    bad: u32,
    /// So many came.
    seen: u32,
    newest: Option<Instant>,
}

impl Tries {
    /// Whether a request that comes now is answered with 503.
    fn fails(&mut self) -> bool {
        if self.newest.is_none_or(|it| it.elapsed() > ONE_TRY) {
            self.seen += 1;
        }
        self.newest = Some(Instant::now());
        self.seen <= self.bad
    }
}

impl Faulty {
    fn before(registry: u16, bad: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Tries { bad, seen: 0, newest: None }));
        let stop = Arc::new(AtomicBool::new(false));
        let (tries, stopped) = (asked.clone(), stop.clone());
        let accepting = thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(client), tries) = (client, tries.clone()) else { continue };
                // A connection ends with the one who asked, or with the registry.
                thread::spawn(move || serve(client, registry, &tries));
            }
        });
        Self { port, asked, stop, accepting: Some(accepting) }
    }

    /// The name of an image behind it.
    pub fn name(&self, image: &str) -> String {
        format!("127.0.0.1:{}/{image}", self.port)
    }

    /// How many tries came.
    pub fn tries(&self) -> u32 {
        self.asked.lock().unwrap().seen
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Whoever accepts looks at it with the next connection, and this is one.
        if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ended = accepting.join();
        }
    }
}

/// Answers one connection: with 503, or with what the registry says.
fn serve(mut client: TcpStream, registry: u16, tries: &Mutex<Tries>) {
    let mut head = vec![0; 16 * 1024];
    let Ok(length) = client.read(&mut head) else { return };
    // Docker tries TLS first; that is no question yet.
    let is_http = head[..length].is_ascii() && String::from_utf8_lossy(&head[..length]).contains(" HTTP/1");
    if !is_http {
        return;
    }
    if tries.lock().unwrap().fails() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        // A client that hung up asked for nothing.
        let _sent = client.write_all(answer.as_bytes());
        return;
    }
    let _forwarded = forward(client, registry, &head[..length]);
}

fn forward(mut client: TcpStream, registry: u16, head: &[u8]) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", registry))?;
    server.write_all(head)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        // Either side may hang up at any time: that is the end, not a fault.
        let _copied = io::copy(&mut from, &mut to);
        let _closed = to.shutdown(std::net::Shutdown::Write);
    });
    let copied = io::copy(&mut server, &mut client);
    let _closed = client.shutdown(std::net::Shutdown::Both);
    let _ended = up.join();
    copied.map(drop)
}
