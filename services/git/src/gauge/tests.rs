//! Packs made by hand: whole ones, bombs, broken ones, in pieces of every size.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;

const KIB: u64 = 1 << 10;

fn limits() -> Limits {
    Limits {
        pack_bytes: 64 * KIB,
        pack_objects: 4,
        unpacked_bytes: 4 << 20,
        blob_bytes: 1 << 20,
        held_bytes: 512 * KIB,
        ..Limits::default()
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An entry's kind and size.
fn head(kind: u8, mut size: u64) -> Vec<u8> {
    let mut first = kind << 4 | u8::try_from(size & 0x0f).unwrap();
    let mut bytes = Vec::new();
    size >>= 4;
    while size > 0 {
        bytes.push(first | 0x80);
        first = u8::try_from(size & 0x7f).unwrap();
        size >>= 7;
    }
    bytes.push(first);
    bytes
}

fn entry(kind: u8, base: &[u8], bytes: &[u8]) -> Vec<u8> {
    [head(kind, bytes.len() as u64), base.to_vec(), packed(bytes)].concat()
}

fn pack(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).unwrap().to_be_bytes();
    [b"PACK\0\0\0\x02".to_vec(), count.to_vec(), entries.concat(), vec![0; NAME]].concat()
}

/// A difference that makes `result` bytes of as many.
fn difference(base: u64, result: u64) -> Vec<u8> {
    let varint = |mut n: u64| {
        let mut bytes = Vec::new();
        while n > 0x7f {
            bytes.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
            n >>= 7;
        }
        bytes.push(u8::try_from(n).unwrap());
        bytes
    };
    [varint(base), varint(result), vec![0x90, 1]].concat()
}

fn measure(pack: &[u8], piece: usize) -> Result<bool, Unfit> {
    let mut gauge = Gauge::new(&limits());
    for part in pack.chunks(piece) {
        gauge.take(part)?;
    }
    gauge.end()?;
    Ok(gauge.is_over())
}

#[track_caller]
fn refused(pack: &[u8], words: &str) {
    for piece in [1, 7, 4096, pack.len()] {
        let said = measure(pack, piece).unwrap_err().to_string();
        assert!(said.contains(words), "in pieces of {piece}: {said}");
    }
}

#[test]
fn a_whole_pack_passes_in_whatever_pieces() {
    let text: Vec<u8> = (0..30_000u32).flat_map(|n| (n ^ n >> 3).to_le_bytes()).collect();
    let whole = pack(&[
        entry(1, b"", b"tree"),
        entry(3, b"", &text),
        entry(6, &[0x81, 0x02], &difference(9, 100)),
        entry(7, &[7; NAME], &difference(300, 500 * KIB)),
    ]);
    for piece in [1, 2, 5, 100, 4096, whole.len()] {
        assert!(measure(&whole, piece).unwrap(), "in pieces of {piece}");
    }
    assert!(measure(&pack(&[entry(3, b"", b"")]), 1).unwrap());
    assert!(measure(&pack(&[]), 3).unwrap());
    assert!(!measure(b"", 1).unwrap(), "a push that only deletes brings none");
    // What comes behind it is not its own.
    let mut gauge = Gauge::new(&limits());
    assert_eq!(gauge.take(&[whole.clone(), b"more".to_vec()].concat()).unwrap(), whole.len());
}

#[test]
fn what_is_over_a_limit_is_refused_by_its_name() {
    refused(&pack(&vec![entry(3, b"", b"x"); 5]), "the pack has 5 objects; `git_pack_objects` allows 4");
    refused(&pack(&[entry(3, b"", &vec![0; 2 << 20])]), "a file has 2097152 bytes; `git_blob_bytes` allows 1MiB");
    refused(&pack(&[entry(2, b"", &vec![0; 600 << 10])]), "a commit, folder or tag has 614400 bytes; `git_held_bytes`");
    let bombs = vec![entry(3, b"", &vec![0; 1 << 20]); 4];
    assert!(measure(&pack(&bombs), 4096).unwrap());
    let more = [bombs[..3].to_vec(), vec![entry(3, b"", &vec![0; 1 << 20]), entry(3, b"", b"x")]].concat();
    let five = pack(&more);
    let mut gauge = Gauge::new(&Limits { pack_objects: 5, ..limits() });
    let said = gauge.take(&five).unwrap_err().to_string();
    assert!(said.contains("the pack unpacks to over 4MiB; `git_unpacked_bytes` allows 4MiB"), "{said}");
    let noise: Vec<u8> = (0..70_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut stored = ZlibEncoder::new(Vec::new(), Compression::none());
    stored.write_all(&noise).unwrap();
    let large = [head(3, noise.len() as u64), stored.finish().unwrap()].concat();
    refused(&pack(&[large]), "the pack has over 64KiB; `git_pack_bytes` allows 64KiB");
}

#[test]
fn a_difference_that_makes_much_of_little_is_refused_before_it_does() {
    for (base, result) in [(10, 1 << 20), (1 << 40, 10), (10, u64::MAX)] {
        let bomb = pack(&[entry(6, &[1], &difference(base, result))]);
        refused(&bomb, "an object that is sent as a difference has ");
        refused(&bomb, "`git_held_bytes` allows 512KiB");
    }
    let mut gauge = Gauge::new(&Limits { unpacked_bytes: 600 * KIB, ..limits() });
    let twice = pack(&vec![entry(7, &[1; NAME], &difference(10, 400 * KIB)); 2]);
    assert!(gauge.take(&twice).unwrap_err().to_string().contains("unpacks to over 600KiB"));
}

#[test]
fn what_is_no_pack_is_damaged() {
    let whole = pack(&[entry(3, b"", b"hello, hello, hello"), entry(3, b"", b"another")]);
    refused(b"GIF89a, which is no pack at all", "does not begin like a pack");
    refused(&whole[..whole.len() - 1], "it ends early");
    refused(&whole[..whole.len() / 2], "it ends early");
    refused(&pack(&[entry(5, b"", b"x")]), "of no known kind");
    refused(&pack(&[entry(0, b"", b"x")]), "of no known kind");
    refused(&pack(&[[head(3, 4), packed(b"hello")].concat()]), "unpacks to more than it says");
    refused(&pack(&[[head(3, 6), packed(b"hello")].concat()]), "unpacks to less than it says");
    refused(&pack(&[entry(6, &[1], &[0x80])]), "unpacks to less than it says");
    refused(&pack(&[[head(3, 5), b"\0\0\0 no zlib".to_vec()].concat()]), "does not unpack");
    refused(&pack(&[vec![0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]), "makes no sense");
}

/// What the fuzzer has found, and what it starts from: the first byte says how large the pieces are.
#[test]
fn every_seed_of_the_fuzzer_is_judged_alike_in_whatever_pieces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/fuzz/seeds/pack");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let pack = &bytes[1..];
        let whole = measure(pack, pack.len().max(1)).ok();
        for piece in [1, 2, 3, 7, 100, 5_000] {
            assert_eq!(measure(pack, piece).ok(), whole, "{} in pieces of {piece}", path.display());
        }
        count += 1;
    }
    assert!(count >= 7, "{count} seeds");
}
