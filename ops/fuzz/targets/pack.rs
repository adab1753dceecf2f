//! Any bytes as a pack: the same is found in whatever pieces they come, and never more unpacked than is allowed.
//! The first byte says how large the pieces are.
#![no_main]
#![allow(dead_code)]

#[path = "../../../services/git/src/config.rs"]
mod config;
/// The settings name it; no pack comes by one.
mod fault {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FaultPoint {}
}
#[path = "../../../services/git/src/gauge.rs"]
mod gauge;
#[path = "../../../services/git/src/limit.rs"]
mod limit;

use libfuzzer_sys::fuzz_target;

use crate::config::Limits;
use crate::gauge::Gauge;

fn measure(pack: &[u8], piece: usize) -> Result<(usize, bool), String> {
    let limits = Limits {
        pack_bytes: 1 << 20,
        unpacked_bytes: 8 << 20,
        blob_bytes: 1 << 20,
        held_bytes: 1 << 19,
        ..Limits::default()
    };
    let mut gauge = Gauge::new(&limits);
    let mut used = 0;
    for part in pack.chunks(piece) {
        used += gauge.take(part).map_err(|unfit| unfit.to_string())?;
    }
    gauge.end().map_err(|unfit| unfit.to_string())?;
    Ok((used, gauge.is_over()))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, pack)) = data.split_first() else { return };
    let (whole, parts) = (measure(pack, pack.len().max(1)), measure(pack, usize::from(*first) + 1));
    // How far it came when it broke may differ, not whether it did.
    assert_eq!(whole.clone().ok(), parts.ok());
    if let Ok((used, over)) = whole {
        assert!(used <= pack.len() && (over || pack.is_empty()));
    }
});
