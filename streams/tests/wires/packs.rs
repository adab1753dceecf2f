//! Packs come back byte for byte, or not at all.

use std::collections::HashSet;
use std::time::Duration;

use schemas::event::PackRef;
use schemas::names::FleetId;
use streams::{PackError, clock};

use crate::follow::raw;
use crate::support::{Rig, soon};

const CHUNK: usize = 512 << 10;

fn shop() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn bytes(count: usize, seed: usize) -> Vec<u8> {
    (0..count).map(|nth| ((nth * 31 + seed * 7 + nth / 251) % 256) as u8).collect()
}

async fn store(rig: &Rig, bytes: &[u8]) -> PackRef {
    soon("a stored pack", rig.bus.store_pack(&shop(), clock::new_id(), bytes)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_every_size_come_back() {
    let rig = Rig::start().await;
    for (size, chunks) in [(0, 0), (1, 1), (CHUNK, 1), (CHUNK + 1, 2), (7 * CHUNK + 5, 8)] {
        let pack = bytes(size, size);
        let stored = store(&rig, &pack).await;
        assert_eq!((stored.bytes, stored.chunks), (size as u64, chunks));
        let mut loaded = Vec::new();
        soon("a loaded pack", rig.bus.load_pack(&shop(), &stored, &mut loaded)).await.unwrap();
        assert!(loaded == pack, "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_stored_at_once_and_over_a_killed_server_are_whole() {
    let rig = Rig::start().await;
    let packs: Vec<_> = (0..4).map(|seed| bytes(6 * CHUNK + seed, seed)).collect();
    let stores = futures_util::future::join_all(packs.iter().map(|it| store(&rig, it)));
    let (stored, ()) = tokio::join!(stores, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.kill_and_wait().await;
    });
    for (pack, stored) in packs.iter().zip(&stored) {
        let mut loaded = Vec::new();
        soon("a loaded pack", rig.bus.load_pack(&shop(), stored, &mut loaded)).await.unwrap();
        assert!(&loaded == pack);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_incomplete_pack_is_named() {
    let rig = Rig::start().await;
    let stored = store(&rig, &bytes(3 * CHUNK, 1)).await;
    let load =
        async |pack: PackRef| soon("an answer", rig.bus.load_pack(&shop(), &pack, Vec::new())).await.unwrap_err();
    let error = load(PackRef { sha256: "00".to_owned(), ..stored.clone() }).await;
    assert!(matches!(error, PackError::Damaged { what: "SHA-256", .. }), "{error}");
    let error = load(PackRef { bytes: 5, ..stored.clone() }).await;
    assert!(matches!(error, PackError::Damaged { what: "length", .. }), "{error}");
    let error = load(PackRef { chunks: 4, ..stored.clone() }).await;
    assert!(matches!(error, PackError::Missing { chunk: 3, chunks: 4, .. }), "{error}");
    let packs = raw(&rig).await.get_stream("PACKS").await.unwrap();
    packs.delete_message(stored.first + 1).await.unwrap();
    let error = load(stored).await;
    assert!(matches!(error, PackError::Missing { chunk: 1, chunks: 3, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_erases_old_packs_without_a_reference_and_nothing_else() {
    let rig = Rig::start().await;
    let pack = bytes(600 * 1024, 9);
    let (kept, loose) = (store(&rig, &pack).await, store(&rig, &pack).await);
    let referenced = HashSet::from([kept.id]);
    let hour = Duration::from_secs(3600);
    assert_eq!(rig.bus.sweep_packs(&referenced, hour).await.unwrap(), 0);
    rig.bus.load_pack(&shop(), &loose, Vec::new()).await.unwrap();
    assert_eq!(rig.bus.sweep_packs(&referenced, Duration::ZERO).await.unwrap(), 1);
    rig.bus.load_pack(&shop(), &kept, Vec::new()).await.unwrap();
    let error = rig.bus.load_pack(&shop(), &loose, Vec::new()).await.unwrap_err();
    assert!(matches!(error, PackError::Missing { chunk: 0, .. }), "{error}");
    assert_eq!(rig.bus.sweep_packs(&referenced, Duration::ZERO).await.unwrap(), 0);
}
