//! Numbers and times as people read them: one rule per kind of number, the same on every page, chart and in the browser.
//!
//! Units are preceded by a narrow no-break space (U+202F), a minus is U+2212, unknown is an en dash. English grouping.

use chrono::{Datelike, NaiveDateTime, Timelike};

/// Space between a number and its unit.
pub const NNBSP: char = '\u{202F}';
/// The minus sign; a hyphen is never used for it.
pub const MINUS: char = '\u{2212}';
/// What stands for an unknown value. The reason goes into the title beside it.
pub const UNKNOWN: &str = "–";

const HOUR_MS: f64 = 3_600_000.0;

/// A whole number with thousands separators: `48,200`.
pub fn count(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 3);
    if value < 0 {
        text.push(MINUS);
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number for cards: in full up to 99,999, above that three significant digits with k, M, G or T: `1.24 M`.
pub fn count_short(value: i64) -> String {
    if value.unsigned_abs() < 100_000 {
        return count(value);
    }
    let sign = if value < 0 { MINUS.to_string() } else { String::new() };
    let mut scaled = value.unsigned_abs() as f64;
    for unit in ["k", "M", "G", "T"] {
        scaled /= 1_000.0;
        // 999.5 would round up to four digits, so it moves on to the next unit.
        if scaled < 999.5 || unit == "T" {
            return format!("{sign}{}{NNBSP}{unit}", significant3(scaled));
        }
    }
    count(value)
}

fn significant3(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A number with a fixed number of decimals and thousands separators: `1,440.5`.
pub fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let grouped = whole.parse::<i64>().map_or_else(|_| whole.to_owned(), count);
    let is_zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    let sign = if value < 0.0 && !is_zero { MINUS.to_string() } else { String::new() };
    if fraction.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{fraction}") }
}

/// A ratio in percent without the sign, for a number whose unit stands apart: `78.4`, `< 0.1`, `0`.
///
/// One decimal, and it never rounds up to 100: 99.96 % is written `99.9`, because "full" must be true when it is written.
pub fn percent_number(ratio: f64) -> String {
    if !ratio.is_finite() {
        return UNKNOWN.to_owned();
    }
    let percent = ratio * 100.0;
    if percent == 0.0 {
        return "0".to_owned();
    }
    if percent.abs() < 0.1 {
        return if percent > 0.0 { "< 0.1".to_owned() } else { format!("> {MINUS}0.1") };
    }
    if (99.9..100.0).contains(&percent) {
        return "99.9".to_owned();
    }
    decimal(percent, 1)
}

/// A ratio in percent: `78.4 %`.
pub fn percent(ratio: f64) -> String {
    let number = percent_number(ratio);
    if number == UNKNOWN { number } else { format!("{number}{NNBSP}%") }
}

/// A signed difference of two ratios in percentage points: `+6.2 pp`.
pub fn delta_points(difference: f64) -> String {
    format!("{}{NNBSP}pp", signed(difference * 100.0, 1))
}

/// A signed relative change: `+2.6 %`, `−24 %`. One decimal below 10 %.
pub fn delta_percent(relative: f64) -> String {
    let percent = relative * 100.0;
    format!("{}{NNBSP}%", signed(percent, usize::from(percent.abs() < 9.95)))
}

/// A signed whole number: `+1,200`.
pub fn delta_count(difference: i64) -> String {
    if difference > 0 { format!("+{}", count(difference)) } else { count(difference) }
}

fn signed(value: f64, decimals: usize) -> String {
    let text = decimal(value, decimals);
    let is_zero = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    if value > 0.0 && !is_zero { format!("+{text}") } else { text }
}

/// A duration in at most two units: `4 m 12 s`, `9 d 3 h`, `210 ms`.
pub fn duration(millis: i64) -> String {
    let sign = if millis < 0 { MINUS.to_string() } else { String::new() };
    let millis = millis.unsigned_abs();
    if millis < 1_000 {
        return format!("{sign}{millis}{NNBSP}ms");
    }
    let seconds = millis / 1_000;
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{sign}{seconds}{NNBSP}s"),
        60..3_600 => (seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    let large = i64::try_from(large).map_or_else(|_| large.to_string(), count);
    if small == 0 {
        format!("{sign}{large}{NNBSP}{large_unit}")
    } else {
        format!("{sign}{large}{NNBSP}{large_unit} {small}{NNBSP}{small_unit}")
    }
}

/// Slot time in slot-hours: whole from 1,000, one decimal below, two decimals below 10.
pub fn slot_hours(slot_ms: i64) -> String {
    let hours = slot_ms as f64 / HOUR_MS;
    let decimals = match hours.abs() {
        1_000.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    decimal(hours, if slot_ms == 0 { 0 } else { decimals })
}

/// Slot time in slot-hours for cards: `1.24 M`.
pub fn slot_hours_short(slot_ms: i64) -> String {
    let hours = slot_ms as f64 / HOUR_MS;
    if hours.abs() < 100_000.0 { slot_hours(slot_ms) } else { count_short(hours.round() as i64) }
}

/// Slot time in slot-hours with three decimals, for metering tables.
pub fn slot_hours_exact(slot_ms: i64) -> String {
    // Integer arithmetic: sums are exact, and their print must be too (rounded half up to a thousandth of a slot-hour).
    let thousandths = (i128::from(slot_ms).abs() + 1_800) / 3_600;
    let sign = if slot_ms < 0 && thousandths > 0 { MINUS.to_string() } else { String::new() };
    let whole = i64::try_from(thousandths / 1_000).unwrap_or(i64::MAX);
    format!("{sign}{}.{:03}", count(whole), thousandths % 1_000)
}

/// Money from minor units with two decimals: `€ 35,112.18`. Currencies without a known symbol keep their code.
pub fn money(minor: i64, currency: &str) -> String {
    let units = minor.unsigned_abs() / 100;
    let sign = if minor < 0 { MINUS.to_string() } else { String::new() };
    let units = i64::try_from(units).unwrap_or(i64::MAX);
    format!("{sign}{}{NNBSP}{}.{:02}", currency_sign(currency), count(units), minor.unsigned_abs() % 100)
}

/// A price from millionths of a unit: at least two decimals, as many more as it needs: `€ 0.0024`.
pub fn price(micros: i64, currency: &str) -> String {
    let decimals = format!("{:06}", micros.unsigned_abs() % 1_000_000);
    let fine = decimals[2..].trim_end_matches('0');
    let sign = if micros < 0 { MINUS.to_string() } else { String::new() };
    let units = i64::try_from(micros.unsigned_abs() / 1_000_000).unwrap_or(i64::MAX);
    format!("{sign}{}{NNBSP}{}.{}{fine}", currency_sign(currency), count(units), &decimals[..2])
}

/// Money for cards: no decimals from 1,000 units upwards.
pub fn money_short(minor: i64, currency: &str) -> String {
    if minor.unsigned_abs() < 100_000 {
        return money(minor, currency);
    }
    let sign = if minor < 0 { MINUS.to_string() } else { String::new() };
    let units = i64::try_from((minor.unsigned_abs() + 50) / 100).unwrap_or(i64::MAX);
    format!("{sign}{}{NNBSP}{}", currency_sign(currency), count_short(units))
}

fn currency_sign(currency: &str) -> &str {
    match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "JPY" => "¥",
        other => other,
    }
}

/// How many of ten thousand: `1.9 per 10k`. `None` if there is nothing to divide by.
pub fn per_10k(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 {
        return None;
    }
    let rate = part as f64 / whole as f64 * 10_000.0;
    let text = if part > 0 && rate < 0.1 { "< 0.1".to_owned() } else { decimal(rate, 1) };
    Some(format!("{text} per 10k"))
}

/// A day: `21 Nov 2026`.
pub fn day(local: NaiveDateTime) -> String {
    format!("{} {}", day_month(local), local.year())
}

/// A day without its year, for axes and ranges: `21 Nov`.
pub fn day_month(local: NaiveDateTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{} {}", local.day(), MONTHS[local.month0() as usize])
}

/// A time of day: `09:41:58`.
pub fn time(local: NaiveDateTime) -> String {
    format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second())
}

/// A time of day without seconds: `09:41`.
pub fn hour_minute(local: NaiveDateTime) -> String {
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// An instant in tables: `2026-11-21 09:41:58`.
pub fn date_time(local: NaiveDateTime) -> String {
    format!("{:04}-{:02}-{:02} {}", local.year(), local.month(), local.day(), time(local))
}

/// An instant in sentences: `19 Nov 14:05`.
pub fn day_time(local: NaiveDateTime) -> String {
    format!("{} {}", day_month(local), hour_minute(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(NNBSP, " ")
    }

    #[test]
    fn prices_keep_what_they_need() {
        assert_eq!(price(2_400, "EUR"), "€\u{202f}0.0024");
        assert_eq!(price(3_000_000, "EUR"), "€\u{202f}3.00");
        assert_eq!(price(1_234_500_000, "USD"), "$\u{202f}1,234.50");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(48_200), "48,200");
        assert_eq!(count(-1_234_567), "−1,234,567");
        assert_eq!(count(i64::MIN), "−9,223,372,036,854,775,808");
    }

    #[test]
    fn cards_shorten_from_a_hundred_thousand() {
        assert_eq!(count_short(99_999), "99,999");
        assert_eq!(plain(&count_short(100_000)), "100 k");
        assert_eq!(plain(&count_short(123_456)), "123 k");
        assert_eq!(plain(&count_short(999_700)), "1.00 M");
        assert_eq!(plain(&count_short(1_240_000)), "1.24 M");
        assert_eq!(plain(&count_short(12_400_000)), "12.4 M");
        assert_eq!(plain(&count_short(-2_016_591_520)), "−2.02 G");
    }

    #[test]
    fn percent_never_claims_full_or_empty_when_it_is_not() {
        assert_eq!(plain(&percent(0.784)), "78.4 %");
        assert_eq!(plain(&percent(0.9996)), "99.9 %");
        assert_eq!(plain(&percent(0.999_999)), "99.9 %");
        assert_eq!(plain(&percent(1.0)), "100.0 %");
        assert_eq!(plain(&percent(1.042)), "104.2 %");
        assert_eq!(plain(&percent(0.0)), "0 %");
        assert_eq!(plain(&percent(0.000_4)), "< 0.1 %");
        assert_eq!(percent(f64::NAN), UNKNOWN);
    }

    #[test]
    fn deltas_carry_their_sign() {
        assert_eq!(plain(&delta_points(0.062)), "+6.2 pp");
        assert_eq!(plain(&delta_points(-0.011)), "−1.1 pp");
        assert_eq!(plain(&delta_points(0.000_1)), "0.0 pp");
        assert_eq!(plain(&delta_percent(0.026)), "+2.6 %");
        assert_eq!(plain(&delta_percent(-0.24)), "−24 %");
        assert_eq!(delta_count(1_200), "+1,200");
        assert_eq!(delta_count(-12), "−12");
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!(plain(&duration(210)), "210 ms");
        assert_eq!(plain(&duration(30_000)), "30 s");
        assert_eq!(plain(&duration(252_000)), "4 m 12 s");
        assert_eq!(plain(&duration(3_600_000)), "1 h");
        assert_eq!(plain(&duration(788_400_000)), "9 d 3 h");
        assert_eq!(plain(&duration(-1_500)), "−1 s");
        assert!(duration(i64::MIN).starts_with(MINUS));
    }

    #[test]
    fn slot_time_is_printed_exactly_where_it_is_billed() {
        assert_eq!(slot_hours_exact(3_600_000), "1.000");
        assert_eq!(slot_hours_exact(1_800), "0.001");
        assert_eq!(slot_hours_exact(1_799), "0.000");
        assert_eq!(slot_hours_exact(2_016_591_520_000), "560,164.311");
        assert_eq!(slot_hours(0), "0");
        assert_eq!(slot_hours(5_400_000), "1.50");
        assert_eq!(slot_hours(2_016_591_520_000), "560,164");
    }

    #[test]
    fn money_comes_from_minor_units() {
        assert_eq!(plain(&money(3_511_218, "EUR")), "€ 35,112.18");
        assert_eq!(plain(&money_short(3_511_218, "EUR")), "€ 35,112");
        assert_eq!(plain(&money(-5, "CHF")), "−CHF 0.05");
    }

    #[test]
    fn rates_per_ten_thousand() {
        assert_eq!(per_10k(37, 194_736).as_deref(), Some("1.9 per 10k"));
        assert_eq!(per_10k(0, 10).as_deref(), Some("0.0 per 10k"));
        assert_eq!(per_10k(1, 0), None);
    }

    #[test]
    fn times() {
        let at = chrono::DateTime::from_timestamp_millis(1_795_254_118_000).expect("in range").naive_utc();
        assert_eq!(day(at), "21 Nov 2026");
        assert_eq!(date_time(at), "2026-11-21 09:41:58");
        assert_eq!(day_time(at), "21 Nov 09:41");
    }
}
