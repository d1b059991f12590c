//! Dates of a listing. Files of one directory are often of one day, so the text of the day is remembered.

use std::time::SystemTime;

use crate::http::date;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The last second that has a date: the end of the year 9999.
const LATEST: u64 = 253_402_300_799;

/// The text of a day: `01 Jan 2026 `. The day that was told last is not formatted again.
#[derive(Debug, Default)]
pub(super) struct DayText {
    /// Days since 1970.
    day: Option<u64>,
    text: String,
}

impl DayText {
    /// Appends a date in the form `01 Jan 2026 00:00`, the middle of an HTTP date.
    pub(super) fn push_minute(&mut self, out: &mut String, time: SystemTime) {
        let seconds = date::seconds(time).min(LATEST);
        if self.day != Some(seconds / DAY) {
            self.day = Some(seconds / DAY);
            self.text.clear();
            let whole = date::format(time);
            self.text.push_str(whole.get(5..17).unwrap_or_default());
        }
        out.push_str(&self.text);
        let minutes = seconds % DAY / 60;
        push_two(out, minutes / 60);
        out.push(':');
        push_two(out, minutes % 60);
    }
}

/// Appends a number of two digits.
fn push_two(out: &mut String, number: u64) {
    for digit in [number / 10, number % 10] {
        out.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_minute_is_the_middle_of_an_http_date() {
        let mut day = DayText::default();
        let times = [0, 59, 60, 86_399, 86_400, 784_111_777, 784_111_837, LATEST];
        for seconds in times.into_iter().chain([5, 1 << 40]) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let mut text = String::new();
            day.push_minute(&mut text, time);
            assert_eq!(Some(text.as_str()), date::format(time).get(5..22));
        }
        let mut text = String::new();
        day.push_minute(&mut text, UNIX_EPOCH - Duration::from_secs(90));
        assert_eq!(text, "01 Jan 1970 00:00");
    }
}
