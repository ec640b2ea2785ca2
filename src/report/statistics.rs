//! How sure a share is, given how many there were.

/// The quantile of the normal distribution for 95% confidence.
const Z: f64 = 1.959_963_984_540_054;

/// The interval in which a share lies with 95% confidence.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The Wilson score interval of a share (Wilson, 1927), without a correction for continuity; from 0 to 1 if there were
/// no trials.
pub(crate) fn wilson(successes: u64, trials: u64) -> Interval {
    if trials == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Exact at the ends, where rounding would leave a trace.
    Interval {
        low: match successes {
            0 => 0.0,
            _ => (centre - half).max(0.0),
        },
        high: match successes == trials {
            true => 1.0,
            false => (centre + half).min(1.0),
        },
    }
}

/// The interval of the difference between two independent shares, of successes and trials (Newcombe, 1998, method 10).
pub(crate) fn difference(a: (u64, u64), b: (u64, u64)) -> Interval {
    let share = |(successes, trials): (u64, u64)| successes as f64 / trials.max(1) as f64;
    let (of_a, of_b) = (wilson(a.0, a.1), wilson(b.0, b.1));
    let (a, b) = (share(a), share(b));
    Interval {
        low: a - b - (a - of_a.low).hypot(of_b.high - b),
        high: a - b + (of_a.high - a).hypot(b - of_b.low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_interval(found: Interval, low: f64, high: f64) {
        let is_near = |a: f64, b: f64| (a - b).abs() < 0.000_06;
        assert!(
            is_near(found.low, low) && is_near(found.high, high),
            "{found:?} is not {low} to {high}"
        );
    }

    /// Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
    #[test]
    fn wilson_has_the_published_values() {
        assert_interval(wilson(81, 263), 0.2553, 0.3662);
        assert_interval(wilson(15, 148), 0.0624, 0.1605);
        assert_interval(wilson(0, 20), 0.0, 0.1611);
        assert_interval(wilson(1, 29), 0.0061, 0.1718);
        assert_interval(wilson(0, 0), 0.0, 1.0);
        assert_interval(wilson(20, 20), 0.8389, 1.0);
    }

    /// Newcombe, Interval estimation for the difference between independent proportions (1998), table II, method 10.
    #[test]
    fn a_difference_has_the_published_values() {
        assert_interval(difference((56, 70), (48, 80)), 0.0524, 0.3339);
        assert_interval(difference((9, 10), (3, 10)), 0.1705, 0.8090);
        assert_interval(difference((5, 56), (0, 29)), -0.0381, 0.1926);
        assert_interval(difference((0, 10), (0, 20)), -0.1611, 0.2775);
    }
}
