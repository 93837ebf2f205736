//! Text for a terminal: ages.

use time::{Duration, OffsetDateTime};

/// How long ago something was, in its two largest units: `12s`, `3m 5s`, `2h 30m`, `4d 1h`.
pub(super) fn age(since: OffsetDateTime, now: OffsetDateTime) -> String {
    span(now - since)
}

fn span(span: Duration) -> String {
    let seconds = span.whole_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let (large, small) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds}s"),
        (0, 0, _) => ((minutes, 'm'), (seconds % 60, 's')),
        (0, _, _) => ((hours, 'h'), (minutes % 60, 'm')),
        _ => ((days, 'd'), (hours % 24, 'h')),
    };
    match small.0 {
        0 => format!("{}{}", large.0, large.1),
        _ => format!("{}{} {}{}", large.0, large.1, small.0, small.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, text) in [
            (-3, "0s"),
            (59, "59s"),
            (60, "1m"),
            (185, "3m 5s"),
            (3600, "1h"),
            (9000, "2h 30m"),
            (86_399, "23h 59m"),
            (349_200, "4d 1h"),
        ] {
            assert_eq!(span(Duration::seconds(seconds)), text);
        }
    }
}
