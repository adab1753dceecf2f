//! A registry that has no image: it answers every question with one status.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

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
