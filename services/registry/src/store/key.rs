//! The key of a version: its object and its position in one number. SQLite finds a row by one number faster than by two,
//! and has hundreds of them on a page of its index.

/// Positions of one object; the log is far from that many events. A change is a new shape version.
pub(super) const POSITIONS: i64 = 1 << 36;

/// The key of an object's version at a position.
pub(super) fn key(object: i64, position: u64) -> i64 {
    let position = i64::try_from(position).unwrap_or(i64::MAX).min(POSITIONS - 1);
    object.saturating_mul(POSITIONS).saturating_add(position)
}

/// The position of a version.
pub(super) fn position(key: i64) -> u64 {
    key.rem_euclid(POSITIONS).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_position_and_is_in_the_order_of_objects_and_positions() {
        let all = [(1, 0), (1, 1), (1, u64::from(u32::MAX) * 15), (2, 0), (2, 7), (100_000_000, 3)];
        let keys: Vec<_> = all.iter().map(|(object, position)| key(*object, *position)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(all.iter().zip(keys).all(|(it, key)| position(key) == it.1));
        assert!(key(1, u64::MAX) < key(2, 0));
    }
}
