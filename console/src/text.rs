//! How instants, counts, hashes and addresses are written for people.

use chrono::{DateTime, FixedOffset};

/// Civil time of the city, for people only. China has had one zone and no summer time since 1991.
const ZONE_SECONDS: i32 = 8 * 3600;

fn local(us: i64) -> Option<DateTime<FixedOffset>> {
    let zone = FixedOffset::east_opt(ZONE_SECONDS)?;
    Some(DateTime::from_timestamp_micros(us)?.with_timezone(&zone))
}

/// `2025-09-18 09:41`.
pub fn minute(us: i64) -> String {
    local(us).map_or_else(
        || "时间无效".to_owned(),
        |t| t.format("%Y-%m-%d %H:%M").to_string(),
    )
}

/// `2025-09-18`.
pub fn day(us: i64) -> String {
    local(us).map_or_else(
        || "时间无效".to_owned(),
        |t| t.format("%Y-%m-%d").to_string(),
    )
}

/// When the day begins that is so many days behind one written as `2025-09-18`, in microseconds; nothing for what is no day.
pub fn day_begin(text: &str, days: i64) -> Option<i64> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let day = day.checked_add_signed(chrono::TimeDelta::try_days(days)?)?;
    let begin = day.and_hms_opt(0, 0, 0)?;
    let zone = FixedOffset::east_opt(ZONE_SECONDS)?;
    Some(begin.and_local_timezone(zone).single()?.timestamp_micros())
}

/// `2025-09-18 09:41:07`.
pub fn second(us: i64) -> String {
    local(us).map_or_else(
        || "时间无效".to_owned(),
        |t| t.format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// `09:41:07`.
pub fn clock(us: i64) -> String {
    local(us).map_or_else(
        || "时间无效".to_owned(),
        |t| t.format("%H:%M:%S").to_string(),
    )
}

/// The clock alone if `us` lies on the day of `now`, else with the date.
pub fn near(us: i64, now: i64) -> String {
    match (local(us), local(now)) {
        (Some(t), Some(n)) if t.date_naive() == n.date_naive() => t.format("%H:%M:%S").to_string(),
        _ => second(us),
    }
}

/// A span in its largest unit: `12 秒`, `3 分钟`, `2 小时`, `5 天`.
pub fn span(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds} 秒"),
        60..3_600 => format!("{} 分钟", seconds / 60),
        3_600..86_400 => format!("{} 小时", seconds / 3_600),
        _ => format!("{} 天", seconds / 86_400),
    }
}

/// A count with its thousands apart: `96,763`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Percent-encodes for one value of a query or one segment of a path.
pub fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte))
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Groups of four, as people compare fingerprints.
pub fn fours(hex: &str) -> Vec<String> {
    hex.as_bytes()
        .chunks(4)
        .map(|c| String::from_utf8_lossy(c).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_the_citys_time() {
        let us = 1_758_159_667_000_000; // 2025-09-18T01:41:07Z
        assert_eq!(minute(us), "2025-09-18 09:41");
        assert_eq!(second(us), "2025-09-18 09:41:07");
        assert_eq!(near(us, us + 1_000_000), "09:41:07");
        assert_eq!(near(us, us + 86_400_000_000), "2025-09-18 09:41:07");
        assert_eq!(minute(i64::MAX), "时间无效");
    }

    #[test]
    fn days_begin_in_the_citys_time() {
        let begin = 1_758_124_800_000_000; // 2025-09-17T16:00:00Z
        assert_eq!(day_begin("2025-09-18", 0), Some(begin));
        assert_eq!(day_begin("2025-09-18", 1), Some(begin + 86_400_000_000));
        assert_eq!(day(begin), "2025-09-18");
        assert_eq!(day(begin - 1), "2025-09-17");
        for no_day in [
            "",
            "2025-02-30",
            "18.9.2025",
            "2025-09-18x",
            "99999999-01-01",
        ] {
            assert_eq!(day_begin(no_day, 0), None, "{no_day}");
        }
        assert_eq!(day_begin("2025-09-18", i64::MAX), None);
    }

    #[test]
    fn counts_and_spans() {
        let written = [0, 7, 999, 1_000, 96_763, 1_000_000].map(count);
        assert_eq!(written, ["0", "7", "999", "1,000", "96,763", "1,000,000"]);
        let spans = [-5, 12_000_000, 185_000_000, 7_200_000_000, 432_000_000_000].map(span);
        assert_eq!(spans, ["0 秒", "12 秒", "3 分钟", "2 小时", "5 天"]);
    }

    #[test]
    fn addresses_are_encoded() {
        assert_eq!(percent("/e?q=远 a&"), "%2Fe%3Fq%3D%E8%BF%9C%20a%26");
    }
}
