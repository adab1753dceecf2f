//! What a hook says to the Git service, and what comes back: nonsense is none, and what is understood reads the same
//! after a round trip.
#![no_main]
#![allow(dead_code)]

#[path = "../../../services/git/src/hook/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(hello) = wire::Hello::decode(data) {
        assert_eq!(&hello.encode()[4..], data);
    }
    for head in data.chunks_exact(wire::HEAD) {
        let head: [u8; wire::HEAD] = head.try_into().unwrap();
        if let Some((frame, length)) = wire::decode_head(head) {
            assert!(length <= wire::BODY);
            assert_eq!(wire::encode_head(frame, length as u32), head);
        }
    }
});
