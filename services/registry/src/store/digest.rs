//! The digest of all that the database holds, so that one that grew and one that was made anew can be compared.

use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};

use super::read::Snapshot;
use super::{SHAPE, StoreError};

/// Every table, each in the order of its key: the ids are part of the content, because the fold gives them.
const TABLES: [&str; 9] = [
    "SELECT * FROM actors ORDER BY id",
    "SELECT * FROM events ORDER BY position",
    "SELECT * FROM fleets ORDER BY id",
    "SELECT * FROM pushes ORDER BY fleet, position",
    "SELECT * FROM objects ORDER BY fleet, kind, name",
    "SELECT * FROM shared ORDER BY id",
    "SELECT * FROM versions ORDER BY id",
    "SELECT * FROM rollouts ORDER BY planned_at",
    "SELECT * FROM changes ORDER BY rollout, step, position",
];

impl Snapshot<'_> {
    /// SHA-256 over projection, shape version, incarnation, position and every row, in hexadecimal.
    pub fn digest(&self) -> Result<String, StoreError> {
        let digest = || {
            let mut hash = Sha256::new();
            hash.update(format!("registry v{SHAPE}\n"));
            for sql in ["SELECT * FROM meta", "SELECT * FROM runs ORDER BY fleet, queued"].iter().chain(&TABLES) {
                hash.update(sql);
                let mut rows = self.db.prepare(sql)?;
                let columns = rows.column_count();
                let mut rows = rows.query([])?;
                while let Some(row) = rows.next()? {
                    for column in 0..columns {
                        take(&mut hash, row.get_ref(column)?);
                    }
                }
            }
            Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
        };
        digest().map_err(self.failed())
    }
}

/// A value with its kind and its length, so that no two rows read the same.
fn take(hash: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => return hash.update([0]),
        ValueRef::Integer(number) => {
            hash.update([1]);
            return hash.update(number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            hash.update([2]);
            return hash.update(number.to_le_bytes());
        }
        ValueRef::Text(bytes) => (3, bytes),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}
