//! Pushes below `git`: packs made by hand, sent as they are.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::http::ask;
use crate::platform::Platform;

/// The head of a push to `acme/shop`, but for its length.
pub const HEAD: &str = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\nhost: x\r\n\
                        content-type: application/x-git-receive-pack-request\r\n";

/// A push made by hand.
pub struct Raw {
    commands: Vec<Vec<u8>>,
    pack: Vec<u8>,
}

impl Raw {
    /// A push of a new ref, to a commit that nobody has.
    pub fn new(name: &str) -> Self {
        Self::to(name.as_bytes(), &"a".repeat(40))
    }

    /// A push of a new ref to an object.
    pub fn to(name: &[u8], oid: &str) -> Self {
        let line = [format!("{} {oid} ", "0".repeat(40)).as_bytes(), name].concat();
        Self { commands: vec![line], pack: Vec::new() }
    }

    /// And another new ref.
    pub fn and(mut self, name: &str, oid: &str) -> Self {
        self.commands.push(format!("{} {oid} {name}", "0".repeat(40)).into_bytes());
        self
    }

    pub fn pack(mut self, pack: &[u8]) -> Self {
        self.pack = pack.to_vec();
        self
    }

    /// The request's body.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (n, command) in self.commands.iter().enumerate() {
            let words: &[u8] = if n == 0 { b"\0 report-status side-band-64k agent=raw" } else { b"" };
            body.extend_from_slice(format!("{:04x}", 4 + command.len() + words.len()).as_bytes());
            body.extend_from_slice(command);
            body.extend_from_slice(words);
        }
        body.extend_from_slice(b"0000");
        body.extend_from_slice(&self.pack);
        body
    }

    /// Sends it and reads the whole answer.
    pub async fn push(&self, platform: &Platform) -> String {
        let head = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\n\
                    content-type: application/x-git-receive-pack-request";
        ask(platform, head, &self.body()).await
    }
}

#[track_caller]
pub fn tells(answer: &str, words: &str) {
    assert!(answer.contains(words), "expected {words:?}:\n{answer}");
}

/// So many bytes that pack well, and differ by `seed`.
pub fn zeros(bytes: usize, seed: u8) -> Vec<u8> {
    let mut zeros = vec![0; bytes];
    zeros[0] = seed;
    zeros
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An entry of a pack.
pub fn entry(kind: u8, base: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut size = bytes.len();
    let mut byte = kind << 4 | (size & 0x0f) as u8;
    let mut entry = Vec::new();
    size >>= 4;
    while size > 0 {
        entry.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    entry.push(byte);
    [entry, base.to_vec(), packed(bytes)].concat()
}

pub fn blob(bytes: &[u8]) -> Vec<u8> {
    entry(3, b"", bytes)
}

/// A difference that says what lies right before it again and again, until it has so many bytes.
pub fn delta(base: u64, result: u64) -> Vec<u8> {
    let varint = |mut n: u64| {
        let mut bytes = Vec::new();
        while n > 0x7f {
            bytes.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    };
    // Copies 0xffffff bytes from the beginning, as often as that fits.
    let copies = [0xf0, 0xff, 0xff, 0xff].repeat((result / 0xff_ffff).min(1_000) as usize);
    entry(7, &[1; 20], &[varint(base), varint(result), copies].concat())
}

/// A pack with its checksum.
pub fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = (entries.len() as u32).to_be_bytes();
    let bytes = [b"PACK\0\0\0\x02".to_vec(), count.to_vec(), entries.concat()].concat();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&bytes);
    let sum = hasher.try_finalize().unwrap();
    [bytes, sum.as_bytes().to_vec()].concat()
}
