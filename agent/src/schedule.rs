//! When a source is read: at fixed intervals, or by a cron expression.
//!
//! The cron crate is Quartz-like: six fields, numbered weekdays that begin with 1 = Sunday, and a schedule that never
//! fires is simply silent. Here five fields are accepted (seconds are then 0), weekdays must be named, and a schedule
//! without an upcoming time is refused.

use std::str::FromStr as _;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use runtime::config::Period;

/// When a source is read.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// Again so long after the last reading ended.
    Every(Duration),
    /// At these times (Beijing time).
    Cron(Box<cron::Schedule>),
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a period.
    #[error("间隔 {0} 无法识别；请写成 \"500ms\"、\"2s\"、\"5m\" 这样的形式，最短 100ms")]
    Period(String),
    /// Not a cron expression.
    #[error(
        "定时表达式 {text} 无法识别：{detail}。格式为「分 时 日 月 星期」，例如 \"30 2 * * MON-FRI\""
    )]
    Cron {
        /// The expression.
        text: String,
        /// What is wrong.
        detail: String,
    },
    /// Numbered weekdays mean different days to different programs.
    #[error(
        "定时表达式 {0} 的星期请写英文缩写 MON、TUE、WED、THU、FRI、SAT、SUN，不要写数字（各系统对数字的解释不同）"
    )]
    NumberedWeekday(String),
    /// Both a day of the month and a weekday: other programs read that as "either", this one as "both".
    #[error(
        "定时表达式 {0} 同时限定了日期和星期，只有两者都符合才会执行，多半不是本意；请只限定一个，另一个写 *"
    )]
    DayAndWeekday(String),
    /// It never fires.
    #[error("定时表达式 {0} 今后不会再到点（例如 2 月 31 日）；请改正")]
    Never(String),
}

impl Schedule {
    /// Reads `500ms`, `2s`, `5m` and so on.
    pub fn every(text: &str) -> Result<Self, ScheduleError> {
        match Period::parse(text) {
            Some(Period(period)) if period >= SHORTEST => Ok(Self::Every(period)),
            _ => Err(ScheduleError::Period(text.to_owned())),
        }
    }

    /// Reads a cron expression of five fields, or of six with seconds in front. `now_ms` is milliseconds since 1970.
    pub fn cron(text: &str, now_ms: i64) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let wrong = |detail: &str| ScheduleError::Cron {
            text: text.to_owned(),
            detail: detail.to_owned(),
        };
        let (seconds, rest) = match fields.as_slice() {
            rest @ [_, _, _, _, _] => ("0", rest),
            [seconds, rest @ ..] if rest.len() == 5 => (*seconds, rest),
            _ => return Err(wrong("应为 5 个字段（或前面加秒，6 个）")),
        };
        let (day, weekday) = (rest[2], rest[4]);
        if weekday.bytes().any(|b| b.is_ascii_digit()) {
            return Err(ScheduleError::NumberedWeekday(text.to_owned()));
        }
        if !matches!(day, "*" | "?") && !matches!(weekday, "*" | "?") {
            return Err(ScheduleError::DayAndWeekday(text.to_owned()));
        }
        let schedule = cron::Schedule::from_str(&format!("{seconds} {}", rest.join(" ")))
            .map_err(|e| wrong(&e.to_string()))?;
        let schedule = Self::Cron(Box::new(schedule));
        if schedule.upcoming(now_ms, 1).is_empty() {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        Ok(schedule)
    }

    /// The next times it fires, in Beijing time as people read it; none for intervals.
    pub fn upcoming(&self, now_ms: i64, count: usize) -> Vec<String> {
        let (Self::Cron(schedule), Some(now)) = (self, beijing(now_ms)) else {
            return Vec::new();
        };
        schedule
            .after(&now)
            .take(count)
            .map(|t| t.format("%Y-%m-%d %H:%M:%S").to_string())
            .collect()
    }

    /// How long to wait from `now_ms` until the next reading; `None` if there will be none.
    pub fn wait(&self, now_ms: i64) -> Option<Duration> {
        match self {
            Self::Every(period) => Some(*period),
            Self::Cron(schedule) => {
                let next = schedule.after(&beijing(now_ms)?).next()?;
                let wait_ms = next.timestamp_millis() - now_ms;
                Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
            }
        }
    }
}

/// A time as people here read it.
pub fn beijing(now_ms: i64) -> Option<DateTime<FixedOffset>> {
    Some(DateTime::from_timestamp_millis(now_ms)?.with_timezone(&FixedOffset::east_opt(8 * 3600)?))
}

const SHORTEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_714_536_000_000; // Wednesday 2024-05-01 12:00:00 in Beijing

    #[test]
    fn five_fields_and_named_weekdays_fire_when_people_expect() {
        let cases = [
            ("30 2 * * *", "2024-05-02 02:30:00"),
            ("0 9 * * MON-FRI", "2024-05-02 09:00:00"),
            ("0 9 * * SUN", "2024-05-05 09:00:00"),
            ("*/15 * * * * *", "2024-05-01 12:00:15"),
            ("0 0 31 * *", "2024-05-31 00:00:00"),
            ("0 13 1 5 ?", "2024-05-01 13:00:00"),
        ];
        for (text, first) in cases {
            let schedule = Schedule::cron(text, NOON).unwrap_or_else(|e| panic!("{text}: {e}"));
            let upcoming = schedule.upcoming(NOON, 5);
            assert_eq!(upcoming[0], first, "{text}");
            assert_eq!(upcoming.len(), 5, "{text}");
        }
        let schedule = Schedule::cron("0 13 * * *", NOON).expect("a schedule");
        assert_eq!(schedule.wait(NOON), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn what_would_surprise_is_refused() {
        type Is = fn(&ScheduleError) -> bool;
        let cases: [(&str, Is); 6] = [
            ("0 9 * * 1-5", |e| {
                matches!(e, ScheduleError::NumberedWeekday(_))
            }),
            ("0 9 13 * FRI", |e| {
                matches!(e, ScheduleError::DayAndWeekday(_))
            }),
            ("0 0 31 2 *", |e| matches!(e, ScheduleError::Never(_))),
            ("0 9 * *", |e| matches!(e, ScheduleError::Cron { .. })),
            ("每天九点", |e| matches!(e, ScheduleError::Cron { .. })),
            ("99 9 * * *", |e| matches!(e, ScheduleError::Cron { .. })),
        ];
        for (text, is) in cases {
            let error = Schedule::cron(text, NOON).expect_err(text);
            assert!(is(&error), "{text}: {error}");
        }
        for text in ["2", "2 seconds", "10ms", ""] {
            assert!(Schedule::every(text).is_err(), "{text}");
        }
        assert!(matches!(Schedule::every("2s"), Ok(Schedule::Every(d)) if d.as_secs() == 2));
    }
}
