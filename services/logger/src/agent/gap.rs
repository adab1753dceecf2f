//! Lines that say which lines could not be had.

use schemas::logs::{Cursor, Line, Origin, Stream};
use streams::clock;

use super::join::Missing;

/// Says that lines of a container that is gone could not be had.
pub(super) fn lost(origin: &Origin, cursor: Cursor) -> Line {
    let read_ns = cursor.stdout.0.max(cursor.stderr.0);
    let since = match jiff::Timestamp::from_nanosecond(i128::from(read_ns)) {
        Ok(time) if read_ns > 0 => format!("after {time}"),
        _ => "from its start on".to_owned(),
    };
    let what = if origin.run.is_some() { "task container" } else { "container" };
    let text = format!(
        "gap: {what} `{}` ({}) was removed before its last lines could be read: lines {since} may be missing",
        origin.container, origin.id
    );
    let now_ns = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX);
    Line { ns: now_ns, stream: Stream::Gap, text, cut: false }
}

/// Says that Docker has thrown lines away before they were read.
pub(super) fn rotated(missing: &Missing) -> Line {
    let time = |ns: i64| jiff::Timestamp::from_nanosecond(i128::from(ns)).map(|it| it.to_string()).unwrap_or_default();
    let text = format!(
        "gap: Docker no longer had the lines after {}: its log was rotated or cut before they could be read",
        time(missing.after_ns)
    );
    Line { ns: missing.before_ns, stream: Stream::Gap, text, cut: false }
}
