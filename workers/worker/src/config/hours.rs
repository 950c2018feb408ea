//! When a worker works: hours of days of the week.

use std::str::FromStr;

use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Hours of some days: `mon-fri 18:00-08:00`, `sat,sun`, `22:00-06:00`. What goes beyond midnight belongs to the day on which it
/// began.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    /// From Monday.
    days: [bool; 7],
    /// Minutes of the day; an end before the beginning is one of the next day.
    from: u16,
    to: u16,
}

/// A time zone by its name: `local`, `UTC`, or one such as `Europe/Rome`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::system())
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "local" => Ok(Self::default()),
            name => TimeZone::get(name)
                .map(Self)
                .map_err(|e| format!("expected \"local\", \"UTC\" or a time zone such as \"Europe/Rome\": {e}")),
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("expected hours such as \"mon-fri 18:00-08:00\", \"sat,sun\" or \"22:00-06:00\", found {text:?}")
        };
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let is_time = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let (days, hours) = match words[..] {
            [hours] if is_time(&hours) => (None, Some(hours)),
            [days] => (Some(days), None),
            [days, hours] => (Some(days), Some(hours)),
            _ => return Err(wrong()),
        };
        let days = days.map_or(Some([true; 7]), read_days).ok_or_else(wrong)?;
        let (from, to) = match hours {
            None => (0, DAY),
            Some(hours) => {
                hours.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?))).ok_or_else(wrong)?
            }
        };
        if from == to || from == DAY {
            return Err(wrong());
        }
        Ok(Self { days, from, to })
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // A range may go over the end of the week.
        let count = (last + 7 - first) % 7;
        (0..=count).for_each(|i| days[(first + i) % 7] = true);
    }
    Some(days)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60).then_some(hour * 60 + minute).filter(|found| *found <= DAY)
}

impl Window {
    fn contains(&self, day: usize, minute: u16) -> bool {
        let yesterday = (day + 6) % 7;
        if self.from < self.to {
            self.days[day] && (self.from..self.to).contains(&minute)
        } else {
            (self.days[day] && minute >= self.from) || (self.days[yesterday] && minute < self.to)
        }
    }
}

/// Whether any of `windows` is open at `now`; without any it always is.
#[must_use]
pub fn are_open(windows: &[Window], zone: &Zone, now: Timestamp) -> bool {
    let now = now.to_zoned(zone.0.clone());
    let day = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or_default();
    let minute = u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
    windows.is_empty() || windows.iter().any(|window| window.contains(day, minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(windows: &[&str], zone: &str, at: &str) -> bool {
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().unwrap()).collect();
        are_open(&windows, &Zone::try_from(zone.to_owned()).unwrap(), at.parse().unwrap())
    }

    #[test]
    fn hours_of_days() {
        // 2026-11-23 is a Monday.
        let nights = ["mon-fri 18:00-08:00", "sat,sun"];
        for (at, expected) in [
            ("2026-11-23T17:59:00Z", false),
            ("2026-11-23T18:00:00Z", true),
            ("2026-11-24T07:59:00Z", true),
            ("2026-11-24T08:00:00Z", false),
            // The night after Friday, and before Monday.
            ("2026-11-28T07:00:00Z", true),
            ("2026-11-29T23:59:59Z", true),
            ("2026-11-23T07:00:00Z", false),
        ] {
            assert_eq!(open(&nights, "UTC", at), expected, "{at}");
        }
        assert!(open(&[], "UTC", "2026-11-23T12:00:00Z"));
        assert!(
            open(&["fri-mon"], "UTC", "2026-11-23T12:00:00Z") && !open(&["fri-mon"], "UTC", "2026-11-24T12:00:00Z")
        );
        assert!(open(&["22:00-24:00"], "UTC", "2026-11-24T23:59:00Z"));
        // In Tokyo it is nine hours later.
        assert!(!open(&["0:00-12:00"], "Asia/Tokyo", "2026-11-24T03:00:00Z"));
        assert!(open(&["0:00-12:00"], "Asia/Tokyo", "2026-11-24T02:59:00Z"));
    }

    #[test]
    fn mistakes_are_named() {
        for text in
            ["", "someday", "mon-", "25:00-26:00", "8:00", "8:00-8:00", "mon 8-9", "mon 8:60-9:00", "mon tue 8:00-9:00"]
        {
            let e = text.parse::<Window>().unwrap_err();
            assert!(e.contains("mon-fri 18:00-08:00"), "{text}: {e}");
        }
        assert!(Zone::try_from("Atlantis".to_owned()).unwrap_err().contains("Europe/Rome"));
    }
}
