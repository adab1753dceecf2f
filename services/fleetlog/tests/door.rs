//! One token, on every door, before a body is read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::Folder;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn every_door_but_the_open_ones_needs_the_token() {
    let folder = Folder::new();
    let platform = folder.start();
    let token = platform.token();
    let example = |path: &str| path.replace(['{', '}'], "");
    let mut closed: Vec<_> =
        ["/git/acme/shop.git/info/refs?service=git-upload-pack", "/git", "/git/x", "/v1", "/metrics"]
            .map(str::to_owned)
            .to_vec();
    for route in api::routes() {
        if route.needs == schemas::access::Action::Open {
            assert_eq!(platform.ask(route.path, &[]).status, 200, "{} is open", route.path);
        } else {
            closed.push(example(route.path));
        }
    }
    // What only looks like an open path is none.
    closed.extend(["//", "/healthz/", "/readyz/x", "/v1/../healthz", "/%68ealthz"].map(str::to_owned));
    let wrong = [
        None,
        Some("Bearer wrong".to_owned()),
        Some(format!("Bearer {token}x")),
        Some(token.clone()),
        Some(basic("admin", "wrong")),
        Some(basic(&token, "")),
        Some("Basic".to_owned()),
    ];
    for path in &closed {
        for authorization in &wrong {
            let headers: Vec<_> = authorization.iter().map(|it| ("Authorization", it.as_str())).collect();
            let reply = platform.ask(path, &headers);
            assert_eq!(reply.status, 401, "{path} with {authorization:?}: {}", reply.body);
            if path == "/git" || path.starts_with("/git/") {
                assert_eq!(reply.header("www-authenticate"), "Basic realm=\"fleetlog\"", "{path}");
                assert!(reply.header("content-type").starts_with("text/plain"), "{path}");
            } else {
                assert!(reply.header("www-authenticate").starts_with("Bearer"), "{path}");
                assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
            }
        }
    }
    for right in [format!("Bearer {token}"), format!("bearer {token}"), basic("admin", &token), basic("", &token)] {
        assert_eq!(platform.ask("/v1/events", &[("Authorization", &right)]).status, 200, "{right}");
        assert_eq!(platform.ask("/v1/nope", &[("Authorization", &right)]).status, 404, "{right}");
    }
    platform.stop();
}

#[test]
fn a_stranger_is_refused_before_the_body_is_read() {
    let folder = Folder::new();
    let platform = folder.start();
    let mut stream = TcpStream::connect(platform.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A gigabyte is announced, nothing of it is sent.
    let head = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    drop(stream);
    platform.stop();
}
