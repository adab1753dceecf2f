//! The Git service's limits, out of their settings.

use git::{Limits, key};
use schemas::units::{Size, Span};

use super::Reader;

/// Reads all of them; none: one has a fault.
pub(super) fn limits(reader: &mut Reader<'_>) -> Option<Limits> {
    let size = |reader: &mut Reader<'_>, key| reader.parsed::<Size>(key, "a size with its unit, such as `64MiB`");
    let span = |reader: &mut Reader<'_>, key| reader.parsed::<Span>(key, "a duration with its unit, such as `30s`");
    let pack_bytes = size(reader, key::PACK_BYTES);
    let unpacked_bytes = size(reader, key::UNPACKED_BYTES);
    let blob_bytes = size(reader, key::BLOB_BYTES);
    let held_bytes = size(reader, key::HELD_BYTES);
    let pack_objects = count(reader, key::PACK_OBJECTS, 1);
    let path_bytes = count(reader, key::PATH_BYTES, 1);
    let tree_files = count(reader, key::TREE_FILES, 1);
    let refs = count(reader, key::REFS, 1);
    let pushes = count(reader, key::PUSHES, 1);
    let turn = span(reader, key::TURN);
    let slow = span(reader, key::SLOW);
    let repack = count(reader, key::REPACK, 2);
    Some(Limits {
        pushes: pushes?,
        turn: turn?.into(),
        pack_bytes: pack_bytes?.0,
        pack_objects: pack_objects?,
        unpacked_bytes: unpacked_bytes?.0,
        blob_bytes: blob_bytes?.0,
        held_bytes: held_bytes?.0,
        path_bytes: path_bytes?,
        tree_files: tree_files?,
        refs: refs?,
        slow: slow?.into(),
        repack: repack?,
        ..Limits::default()
    })
}

/// A number of `least` and more.
fn count<N>(reader: &mut Reader<'_>, key: &'static str, least: u32) -> Option<N>
where
    N: std::str::FromStr + PartialOrd + TryFrom<u32>,
{
    let number = reader.parsed::<N>(key, "a number")?;
    if N::try_from(least).is_ok_and(|least| number >= least) {
        return Some(number);
    }
    reader.fault(key, &format!("expected {least} or more"));
    None
}
