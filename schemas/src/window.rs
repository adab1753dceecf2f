//! Whether a moment lies in a window of `guards`, and how a window is told. "Now" comes in as an argument; the time zones
//! are those that were built in.

use jiff::Timestamp;
use jiff::civil::Weekday;

use crate::cron::time_zone;
use crate::descriptors::{Day, Window};

/// Minutes of a day.
const DAY: u32 = 24 * 60;

/// Whether `now` lies in one of the windows; in none where there are some and no time zone of theirs is known.
pub fn is_open(windows: &[Window], now: Timestamp) -> bool {
    windows.is_empty() || windows.iter().any(|window| holds(window, now))
}

fn holds(window: &Window, now: Timestamp) -> bool {
    let Some(zone) = time_zone(&window.timezone) else { return false };
    let (Some(from), Some(to)) = (minutes(&window.from), minutes(&window.to)) else { return false };
    // As the clock on the wall shows it: an hour that clocks skip or repeat is skipped or repeated here too.
    let local = zone.to_datetime(now);
    let minute = u32::from(local.hour().unsigned_abs()) * 60 + u32::from(local.minute().unsigned_abs());
    let begins_on = |day: Weekday| window.days.is_empty() || window.days.contains(&named(day));
    let today = local.date().weekday();
    if from < to {
        return begins_on(today) && (from..to).contains(&minute);
    }
    // Over midnight: it began today, or it began yesterday and has not ended.
    (begins_on(today) && minute >= from) || (begins_on(today.previous()) && minute < to)
}

/// `09:30` → 570.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?);
    (hour * 60 + minute <= DAY && minute < 60).then_some(hour * 60 + minute)
}

fn named(day: Weekday) -> Day {
    match day {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    }
}

/// The windows for people.
pub fn describe(windows: &[Window]) -> String {
    let one = |window: &Window| {
        let days: Vec<&str> = window.days.iter().map(|day| day.as_str()).collect();
        let days = if days.is_empty() { "every day".to_owned() } else { days.join(", ") };
        format!("{days} from {} to {} ({})", window.from, window.to, window.timezone)
    };
    windows.iter().map(one).collect::<Vec<_>>().join("; or ")
}

/// The moment as the clocks of the windows show it, for people.
pub fn clock(windows: &[Window], now: Timestamp) -> String {
    let zone = windows.first().and_then(|window| Some((time_zone(&window.timezone)?, &window.timezone)));
    match zone {
        None => now.to_string(),
        Some((zone, name)) => {
            let local = zone.to_datetime(now);
            let day = named(local.date().weekday()).as_str();
            format!("{day} {:02}:{:02} ({name})", local.hour(), local.minute())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(json: &str) -> Vec<Window> {
        serde_json::from_str(json).unwrap()
    }

    fn open(windows: &[Window], times: &[(&str, bool)]) {
        for (time, expected) in times {
            assert_eq!(is_open(windows, time.parse().unwrap()), *expected, "{time}");
        }
    }

    #[test]
    fn working_hours_are_those_of_the_place() {
        let weekdays = window(
            r#"[{ "days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00", "timezone": "Europe/Berlin" }]"#,
        );
        // Friday 27 November 2026: winter, an hour ahead of UTC.
        open(
            &weekdays,
            &[
                ("2026-11-27T07:59:59Z", false),
                ("2026-11-27T08:00:00Z", true),
                ("2026-11-27T15:59:59Z", true),
                ("2026-11-27T16:00:00Z", false),
                ("2026-11-28T10:00:00Z", false),
                // In summer two.
                ("2026-07-03T07:00:00Z", true),
                ("2026-07-03T15:00:00Z", false),
            ],
        );
        assert_eq!(describe(&weekdays), "mon, tue, wed, thu, fri from 09:00 to 17:00 (Europe/Berlin)");
        assert_eq!(clock(&weekdays, "2026-11-28T10:05:00Z".parse().unwrap()), "sat 11:05 (Europe/Berlin)");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_that_it_begins_on() {
        let night = window(r#"[{ "days": ["fri"], "from": "22:00", "to": "02:00" }]"#);
        open(
            &night,
            &[
                ("2026-11-27T21:59:00Z", false),
                ("2026-11-27T22:00:00Z", true),
                ("2026-11-28T01:59:00Z", true),
                ("2026-11-28T02:00:00Z", false),
                ("2026-11-27T01:00:00Z", false),
                ("2026-11-28T22:00:00Z", false),
            ],
        );
    }

    #[test]
    fn whole_days_several_windows_and_none() {
        let weekend = window(r#"[{ "days": ["sat"] }, { "days": ["sun"], "to": "12:00" }]"#);
        open(
            &weekend,
            &[
                ("2026-11-28T00:00:00Z", true),
                ("2026-11-28T23:59:59Z", true),
                ("2026-11-29T11:59:00Z", true),
                ("2026-11-29T12:00:00Z", false),
                ("2026-11-30T00:00:00Z", false),
            ],
        );
        open(&[], &[("2026-11-30T00:00:00Z", true)]);
        assert_eq!(describe(&weekend), "sat from 00:00 to 24:00 (UTC); or sun from 00:00 to 12:00 (UTC)");
    }
}
