//! Medians with their intervals.

/// A median with the interval that holds it 19 times in 20, from order statistics: nothing is assumed of the shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Median {
    /// The median.
    pub middle: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The median of a sample that is not empty.
pub fn median(sample: &[f64]) -> Median {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let middle = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0;
    let rank = lower_rank(count);
    Median { middle, low: sorted[rank], high: sorted[count - 1 - rank] }
}

/// The highest rank from below that lies under the median with less than 2.5 % chance (binomial, p = ½).
fn lower_rank(count: usize) -> usize {
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = chance;
    let mut rank = 0;
    while below + next(chance, count, rank) < 0.025 {
        chance = next(chance, count, rank);
        below += chance;
        rank += 1;
    }
    rank
}

/// From the chance of `k` heads to that of `k + 1`.
fn next(chance: f64, count: usize, k: usize) -> f64 {
    chance * (count - k) as f64 / (k + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_order_statistics() {
        let sample: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(median(&sample), Median { middle: 5.5, low: 2.0, high: 9.0 });
        let sample: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(median(&sample), Median { middle: 10.5, low: 6.0, high: 15.0 });
        assert_eq!(median(&[3.0]), Median { middle: 3.0, low: 3.0, high: 3.0 });
    }
}
