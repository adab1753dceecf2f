//! `git http-backend` behind the smallest HTTP server that can serve it: what a push costs without us.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// The server, with a folder of bare repositories. Ends when dropped.
#[derive(Debug)]
pub struct Backend {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    _runtime: Runtime,
}

impl Backend {
    /// Starts it on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(folder.path().to_owned());
        let server = runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { folder, address, server, _runtime: runtime })
    }

    /// Makes an empty bare repository that takes pushes; gives its URL.
    pub fn repository(&self, name: &str) -> anyhow::Result<String> {
        let path = self.folder.path().join(name);
        let git = |arguments: &[&str]| -> anyhow::Result<()> {
            let status = std::process::Command::new("git").args(arguments).status()?;
            anyhow::ensure!(status.success(), "git {arguments:?} failed");
            Ok(())
        };
        let path = path.to_str().context("a temporary folder's path is text")?;
        git(&["init", "--quiet", "--bare", "--initial-branch=main", path])?;
        git(&["-C", path, "config", "http.receivepack", "true"])?;
        git(&["-C", path, "config", "receive.advertisePushOptions", "true"])?;
        git(&["-C", path, "config", "gc.auto", "0"])?;
        Ok(format!("http://{}/{name}", self.address))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(folder): State<PathBuf>, request: Request) -> Response {
    match serve(&folder, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(format!("{error:#}\n")));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

async fn serve(folder: &Path, request: Request) -> anyhow::Result<Response> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let body = to_bytes(body, 64 << 20).await?;
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("it has a standard input")?;
    let (written, output) = tokio::join!(
        async move {
            stdin.write_all(&body).await?;
            stdin.shutdown().await
        },
        child.wait_with_output()
    );
    written?;
    let output = output?.stdout;
    let end = output.windows(4).position(|it| it == b"\r\n\r\n").context("the answer has a header")?;
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in std::str::from_utf8(&output[..end])?.lines() {
        match line.split_once(": ").context("a header line has a colon")? {
            ("Status", status) => *response.status_mut() = status.split(' ').next().unwrap_or("500").parse()?,
            (name, value) => {
                response.headers_mut().insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
            }
        }
    }
    Ok(response)
}
