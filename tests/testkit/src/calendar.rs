//! Civil dates out of seconds since 1970, in the three spellings that Sigstore's formats use.
//!
//! Time is always an argument in this crate; nothing reads a clock.

/// A moment, in seconds since 1970-01-01T00:00:00Z.
pub type Time = i64;

/// The moment at which a [`crate::Sigstore`] signs unless told otherwise: 2025-03-01T12:00:00Z.
///
/// It lies in the past of every machine that runs the tests, because some verifiers refuse log entries
/// that are in the future of the machine's own clock.
pub const BASE_TIME: Time = 1_740_830_400;

/// Seconds of a minute.
pub const MINUTE: Time = 60;
/// Seconds of an hour.
pub const HOUR: Time = 60 * MINUTE;
/// Seconds of a day.
pub const DAY: Time = 24 * HOUR;
/// Seconds of 365 days.
pub const YEAR: Time = 365 * DAY;

/// Year, month, day, hour, minute, second.
fn civil(time: Time) -> (i64, u32, u32, u32, u32, u32) {
    let days = time.div_euclid(DAY);
    let rest = time.rem_euclid(DAY);
    // Days are counted from 0000-03-01, so that the leap day is the last day of a year of the count.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |n: i64| u32::try_from(n).unwrap();
    (year, small(month), small(day), small(rest / HOUR), small(rest % HOUR / MINUTE), small(rest % MINUTE))
}

/// `2025-03-01T12:00:00Z`, as JSON documents spell it (RFC 3339).
pub fn rfc3339(time: Time) -> String {
    let (year, month, day, hour, minute, second) = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `250301120000Z`, the `UTCTime` of certificates until 2049 (RFC 5280 §4.1.2.5.1).
pub fn utc_time(time: Time) -> String {
    let (year, month, day, hour, minute, second) = civil(time);
    format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", year % 100)
}

/// `20250301120000Z`, the `GeneralizedTime` of certificates from 2050 (RFC 5280 §4.1.2.5.2).
pub fn generalized_time(time: Time) -> String {
    let (year, month, day, hour, minute, second) = civil(time);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

/// The year of a moment.
pub fn year(time: Time) -> i64 {
    civil(time).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(BASE_TIME), "2025-03-01T12:00:00Z");
        assert_eq!(rfc3339(1_709_164_799), "2024-02-28T23:59:59Z");
        assert_eq!(rfc3339(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(4_102_444_800), "2100-01-01T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc_time(BASE_TIME), "250301120000Z");
        assert_eq!(generalized_time(2_556_144_000), "20510101000000Z");
    }
}
