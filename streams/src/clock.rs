//! Where acting code gets the time and new ids from. Deciding code takes both as arguments.

use jiff::Timestamp;
use uuid::Uuid;

/// The time of this machine.
#[allow(clippy::disallowed_methods)] // this is the place that the ban points to
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A new id (UUIDv7: ids made later sort later).
#[allow(clippy::disallowed_methods)] // this is the place that the ban points to
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
