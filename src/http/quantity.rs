//! Sizes and durations as people write them.

use std::time::Duration;

/// Bytes: a number, alone or with `K`, `M` or `G` (powers of 1024). A number beyond 64 bits is the
/// largest of them.
pub fn bytes(text: &str) -> Option<u64> {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let unit = units.iter().find_map(|&(letter, shift)| {
        let digits = text.strip_suffix([letter, letter.to_ascii_lowercase()])?;
        Some((digits, shift))
    });
    let (digits, shift) = unit.unwrap_or((text, 0));
    Some(whole(digits)?.saturating_mul(1 << shift))
}

/// A duration: `0s`, `500ms`, `30s`, `2m`, `1h`, `1d`. A duration beyond 64 bits of milliseconds is the
/// longest of them.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let number = whole(text.strip_suffix(unit)?)?;
    Some(Duration::from_millis(number.saturating_mul(milliseconds)))
}

/// A number of digits alone; one beyond 64 bits is the largest of them.
fn whole(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_never_too_large_to_compare() {
        assert_eq!(bytes("0"), Some(0));
        assert_eq!(bytes("64K"), Some(65_536));
        assert_eq!(bytes("1m"), Some(1 << 20));
        assert_eq!(bytes("2G"), Some(2 << 30));
        assert_eq!(bytes("99999999999999999999999K"), Some(u64::MAX));
        for text in ["", "K", "1.5M", "-1", "+1", "1T", "é", "1KK", "1 K"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(duration("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert!(duration("99999999999999999999999d") > Some(Duration::from_secs(1 << 40)));
        for text in ["", "s", "1", "1y", "-1s", "1 s", "é", "1é"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
