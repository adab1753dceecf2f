//! Cron expressions: five fields, a time zone, and the next time that they name. Pure: the time zones are those that were
//! built in, and "now" comes in as an argument.
//!
//! As in Vixie's cron: where both the day of the month and the day of the week are restricted, either is enough. Where
//! clocks are put forward, a time that does not exist is taken right after the gap; where they are put back, a time that
//! comes twice counts once, unless the hour is `*`: then real time goes on.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Zoned};

/// What five fields look like.
pub const FORM: &str = "five fields: minute, hour, day of month, month, day of week, such as \"*/5 * * * *\"";

/// So many days ahead are looked at: a 29 February comes at least every eight years.
const DAYS: usize = 3_000;

/// A cron expression, read. Each field is a set of numbers, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the field says anything but `*`.
    day_restricted: bool,
    weekday_restricted: bool,
}

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{seen}")]
pub struct CronError {
    /// What was seen.
    pub seen: String,
    /// What would have been right.
    pub expected: String,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    low: u64,
    high: u64,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of month", low: 1, high: 31, names: &[] },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// The time zone of this name, from the data that was built in.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl std::str::FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            let seen = match (fields.len(), text.starts_with('@')) {
                (_, true) => format!("`{text}` is a nickname"),
                (1, _) => format!("`{text}` has 1 field"),
                (count, _) => format!("`{text}` has {count} fields"),
            };
            return Err(CronError { seen, expected: FORM.to_owned() });
        };
        let weekdays = FIELDS[4].read(weekday)?;
        let cron = Self {
            minutes: FIELDS[0].read(minute)?,
            hours: FIELDS[1].read(hour)?,
            days: FIELDS[2].read(day)?,
            months: FIELDS[3].read(month)?,
            // 7 is Sunday as well.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            day_restricted: !day.starts_with('*'),
            weekday_restricted: !weekday.starts_with('*'),
        };
        let mut days = Date::constant(2024, 1, 1).series(Span::new().days(1)).take(DAYS);
        if days.any(|day| cron.is_on(day)) {
            return Ok(cron);
        }
        let expected = "a day that exists in some year".to_owned();
        Err(CronError { seen: format!("`{text}` never comes"), expected })
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part).ok_or_else(|| self.error(text))?;
        }
        Ok(set)
    }

    fn error(&self, text: &str) -> CronError {
        let names = match self.names {
            [first, .., last] => format!(", or `{first}` to `{last}`"),
            _ => String::new(),
        };
        CronError {
            seen: format!("`{text}` is no {}", self.name),
            expected: format!(
                "`*`, a number from {} to {}{names}, a range `a-b`, a step `*/n`, or several of them with commas",
                self.low, self.high
            ),
        }
    }

    /// `*`, `a` or `a-b`, each with or without `/n`.
    fn part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            // `5/10` goes on to the end.
            None => (self.value(range)?, if step.is_some() { self.high } else { self.value(range)? }),
        };
        if from > to {
            return None;
        }
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        Some((from..=to).step_by(step).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Option<u64> {
        let lower = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| *name == lower).and_then(|at| u64::try_from(at).ok());
        let value = named.map(|at| at + self.low).or_else(|| number(text))?;
        (self.low..=self.high).contains(&value).then_some(value)
    }
}

/// Digits and nothing else, at most three of them.
fn number(text: &str) -> Option<u64> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1)
}

impl Cron {
    /// The first time that it names after `after`, by the clocks of `zone`.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let every_hour = self.hours == (1 << 24) - 1;
        if every_hour { self.next_in_any_hour(after, zone) } else { self.next_at_set_hours(after, zone) }
    }

    /// The last time that it names after `after` and not after `now`.
    pub fn last(&self, after: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // From near to far, so that a long downtime is not walked through minute by minute.
        for hours in [1, 26, 24 * 32, 24 * 367, 24 * 367 * 9] {
            let from = now.checked_sub(Span::new().hours(hours)).unwrap_or(Timestamp::MIN).max(after);
            let mut last = None;
            while let Some(next) = self.next(last.unwrap_or(from), zone).filter(|next| *next <= now) {
                last = Some(next);
            }
            if last.is_some() || from == after {
                return last;
            }
        }
        None
    }

    /// Whether it names times of this day at all.
    fn is_on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let either = self.day_restricted && self.weekday_restricted;
        has(self.months, date.month()) && if either { day || weekday } else { day && weekday }
    }

    /// Walks through real time, minute by minute on days that count.
    fn next_in_any_hour(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let minute = after.as_second().div_euclid(60).checked_add(1)?.checked_mul(60)?;
        let mut at: Zoned = Timestamp::from_second(minute).ok()?.to_zoned(zone.clone());
        for _ in 0..DAYS {
            if !self.is_on(at.date()) {
                at = at.tomorrow().ok()?.start_of_day().ok()?;
                continue;
            }
            let today = at.date();
            while at.date() == today {
                if has(self.minutes, at.minute()) {
                    return Some(at.timestamp());
                }
                at = at.checked_add(Span::new().minutes(1)).ok()?;
            }
        }
        None
    }

    /// Walks through the calendar: each named time of a day, as an instant.
    fn next_at_set_hours(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A gap can move a time past midnight.
        let from = after.to_zoned(zone.clone()).date().yesterday().ok()?;
        let days = from.series(Span::new().days(1)).take(DAYS).filter(|day| self.is_on(*day));
        days.into_iter().find_map(|day| {
            let hours = (0..24).filter(|hour| has(self.hours, *hour));
            let times = hours.flat_map(|hour| (0..60).filter(|it| has(self.minutes, *it)).map(move |it| (hour, it)));
            let instants = times
                .filter_map(|(hour, minute)| zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0)).compatible().ok());
            instants.filter(|at| *at > after).min()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, zone: &str, after: &str) -> String {
        let (cron, zone) = (cron.parse::<Cron>().unwrap(), time_zone(zone).unwrap());
        cron.next(after.parse().unwrap(), &zone).unwrap().to_string()
    }

    #[test]
    fn fields_name_times() {
        for (cron, after, expected) in [
            ("* * * * *", "2026-03-01T10:00:00Z", "2026-03-01T10:01:00Z"),
            ("* * * * *", "2026-03-01T10:00:59.9Z", "2026-03-01T10:01:00Z"),
            ("*/5 * * * *", "2026-03-01T10:04:59Z", "2026-03-01T10:05:00Z"),
            ("0 0 1 1 *", "2026-03-01T10:00:00Z", "2027-01-01T00:00:00Z"),
            ("30 4 * * mon-fri", "2026-02-28T10:00:00Z", "2026-03-02T04:30:00Z"),
            ("0 12 * * 7", "2026-03-02T00:00:00Z", "2026-03-08T12:00:00Z"),
            ("0 12 * * SUN", "2026-03-02T00:00:00Z", "2026-03-08T12:00:00Z"),
            // Either the 13th or a Friday.
            ("0 0 13 * fri", "2026-03-07T00:00:00Z", "2026-03-13T00:00:00Z"),
            ("0 0 13 * fri", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z"),
            ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("10-20/5,59 3 * jan,feb *", "2026-02-28T03:20:00Z", "2026-02-28T03:59:00Z"),
            ("5/20 * * * *", "2026-03-01T10:05:00Z", "2026-03-01T10:25:00Z"),
        ] {
            assert_eq!(next(cron, "UTC", after), expected, "{cron} after {after}");
        }
    }

    #[test]
    fn clocks_that_are_put_forward_or_back_lose_nothing_and_double_nothing() {
        let (berlin, new_york, howe) = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe");
        for (cron, zone, after, expected) in [
            // 29 March 2026 in Berlin: from 02:00 to 03:00. 02:30 does not exist: right after the gap, and once.
            ("30 2 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
            ("30 2 * * *", berlin, "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            ("0 2 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("0 2,3 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("0 2,3 * * *", berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"),
            ("30 1,3 * * *", berlin, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            // 25 October 2026: from 03:00 to 02:00. 02:30 comes twice, and counts once: the first.
            ("30 2 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("30 2 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("0 3 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T02:00:00Z"),
            ("30 1,2,3 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"),
            // With hour `*`, real time goes on: every quarter of an hour means every quarter of an hour.
            ("*/15 * * * *", berlin, "2026-10-25T00:45:00Z", "2026-10-25T01:00:00Z"),
            ("30 * * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("*/15 * * * *", berlin, "2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z"),
            ("30 * * * *", berlin, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
            // West of Greenwich: 8 March from 02:00 to 03:00, 1 November from 02:00 to 01:00.
            ("30 2 * * *", new_york, "2026-03-08T00:00:00Z", "2026-03-08T07:30:00Z"),
            ("30 1 * * *", new_york, "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z"),
            ("30 1 * * *", new_york, "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
            // Half an hour: 5 April from 02:00 to 01:30, 4 October from 02:00 to 02:30.
            ("45 1 * * *", howe, "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z"),
            ("45 1 * * *", howe, "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"),
            ("15 2 * * *", howe, "2026-10-03T00:00:00Z", "2026-10-03T15:45:00Z"),
            // A zone without any of it.
            ("0 9 * * *", "Asia/Kolkata", "2026-03-01T00:00:00Z", "2026-03-01T03:30:00Z"),
        ] {
            assert_eq!(next(cron, zone, after), expected, "{cron} in {zone} after {after}");
        }
    }

    #[test]
    fn the_last_of_many_missed_times_is_found_without_walking_through_all_of_them() {
        let (cron, zone) = ("* * * * *".parse::<Cron>().unwrap(), time_zone("UTC").unwrap());
        let (after, now) = ("2016-01-01T00:00:00Z".parse().unwrap(), "2026-03-01T10:00:30Z".parse().unwrap());
        assert_eq!(cron.last(after, now, &zone), Some("2026-03-01T10:00:00Z".parse().unwrap()));
        let yearly = "0 0 1 1 *".parse::<Cron>().unwrap();
        assert_eq!(yearly.last(after, now, &zone), Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(yearly.last(now, now, &zone), None);
    }

    #[test]
    fn what_is_no_cron_expression_is_said() {
        for (cron, seen) in [
            ("* * *", "`* * *` has 3 fields"),
            ("* * * * * *", "`* * * * * *` has 6 fields"),
            ("@daily", "`@daily` is a nickname"),
            ("60 * * * *", "`60` is no minute"),
            ("* 24 * * *", "`24` is no hour"),
            ("* * 0 * *", "`0` is no day of month"),
            ("* * * 13 *", "`13` is no month"),
            ("* * * * 8", "`8` is no day of week"),
            ("*/0 * * * *", "`*/0` is no minute"),
            ("5-1 * * * *", "`5-1` is no minute"),
            ("1,,2 * * * *", "`1,,2` is no minute"),
            ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
            ("0 0 31 4,6,9,11 *", "`0 0 31 4,6,9,11 *` never comes"),
        ] {
            assert_eq!(cron.parse::<Cron>().unwrap_err().to_string(), seen);
        }
    }
}
