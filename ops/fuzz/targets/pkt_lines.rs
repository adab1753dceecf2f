//! Pkt-lines from anybody: read as a stream and out of a buffer they are the same.
#![no_main]
#![allow(dead_code)]

#[path = "../../../services/git/src/pktline.rs"]
mod pktline;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;

/// Bytes are there at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("waits for bytes that are there"),
    }
}

fuzz_target!(|data: &[u8]| {
    let (mut stream, mut rest) = (data, data);
    while !rest.is_empty() {
        let streamed = now(pktline::read(&mut stream));
        match pktline::split(rest) {
            Ok(Some((used, line))) => {
                assert!(used >= 4 && used <= rest.len());
                let line = line.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec());
                assert_eq!(streamed.unwrap(), line);
                rest = &rest[used..];
            }
            Ok(None) | Err(_) => {
                assert!(streamed.is_err());
                return;
            }
        }
    }
});
