//! A vector in one byte per number, and how far that can be from the truth. A row is made from its own vector alone
//! (nothing is learned from other vectors, so a hidden one cannot move it), and what it gives is never a score: only
//! bounds between which the score lies.
//!
//! A vector x becomes s·i (s = the largest |x|/127, i whole numbers) and its loss ‖x − s·i‖; a query y becomes t·j with 14
//! bits a number. y·x differs from (t·j)·(s·i) by at most ‖y − t·j‖ ‖s·i‖ + |y·(x − s·i)|, and the latter is at most
//! ‖y‖ ‖x − s·i‖ (Cauchy and Schwarz), and at most Σ|y| s/2 (Hölder), which is less where a query has few numbers. To that
//! comes what the f32 of [`dot`](super::scan::dot) rounds away (Higham, Accuracy and Stability of Numerical Algorithms,
//! section 3.1).

use super::scan::{LANES, WIDTH};

/// Bytes of a row before its numbers: step and loss, each a little-endian f32.
pub(super) const ROW_HEADER: usize = 8;
/// The largest number of a query, so that products of 32 numbers and more fit into a lane's i32.
const MOST: f64 = 8191.0;
/// How much longer than 1 a stored vector or a query may be.
const UNIT: f64 = 1.0 + 2e-5;

/// Bytes of a row.
pub(super) fn row_length(dimension: usize) -> usize {
    ROW_HEADER + dimension
}

/// Writes the row of a vector of little-endian f32 behind `rows`.
pub(super) fn encode(vector: &[u8], rows: &mut Vec<u8>) {
    let numbers = || vector.as_chunks::<WIDTH>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let step = numbers().fold(0.0f32, |most, number| most.max(number.abs())) / 127.0;
    let whole = |number: f32| if step > 0.0 { (number / step).round().clamp(-127.0, 127.0) } else { 0.0 };
    let loss = numbers().map(|number| {
        let lost = f64::from(number) - f64::from(step) * f64::from(whole(number));
        lost * lost
    });
    // Upwards, also past what this sum itself has rounded away.
    let loss = ((loss.sum::<f64>().sqrt() * (1.0 + 1e-9)) as f32).next_up();
    rows.extend_from_slice(&step.to_le_bytes());
    rows.extend_from_slice(&loss.to_le_bytes());
    rows.extend(numbers().map(|number| (whole(number) as i8).to_le_bytes()[0]));
}

/// A row's step and loss.
#[inline]
pub(super) fn header(row: &[u8]) -> Option<(f64, f64)> {
    let (step, rest) = row.split_first_chunk::<WIDTH>()?;
    let loss = rest.first_chunk::<WIDTH>()?;
    Some((f64::from(f32::from_le_bytes(*step)), f64::from(f32::from_le_bytes(*loss))))
}

/// A query in whole numbers.
pub(super) struct Query {
    pub(super) numbers: Vec<i16>,
    step: f64,
    /// The length of what that loses.
    loss: f64,
    /// How many steps of a row its numbers can be off at most, all together.
    steps: f64,
    /// What f32 rounds away.
    rounded: f64,
}

impl Query {
    /// Of a query of unit length.
    pub(super) fn new(query: &[f32]) -> Self {
        let most = query.iter().fold(0.0f64, |most, number| most.max(f64::from(*number).abs()));
        let step = if most > 0.0 { most / MOST } else { 1.0 };
        let numbers: Vec<i16> =
            query.iter().map(|number| (f64::from(*number) / step).round() as i16).collect();
        let loss = query.iter().zip(&numbers).map(|(number, whole)| {
            let lost = f64::from(*number) - step * f64::from(*whole);
            lost * lost
        });
        let loss = loss.sum::<f64>().sqrt() * (1.0 + 1e-9);
        // Each lane adds so many products one after the other, each of which and each sum of which is rounded.
        let roundings = (query.len() / LANES + 3) as f64;
        let rounded = roundings * f64::from(f32::EPSILON) * UNIT * UNIT + 1e-12;
        // A number is half a step off at most, and what its division by the step in f32 rounds away.
        let steps = query.iter().map(|number| f64::from(number.abs())).sum::<f64>() * 0.50002;
        Self { numbers, step, loss, steps, rounded }
    }

    /// Between what the score of a row lies, given the sum of products of its numbers with the query's; `None` if the
    /// row cannot be one that was written.
    pub(super) fn bounds(&self, sum: i64, step: f64, loss: f64) -> Option<(f64, f64)> {
        let about = self.step * step * sum as f64;
        let off = self.loss * (UNIT + loss) + (UNIT * loss).min(self.steps * step) + self.rounded;
        (about.is_finite() && off.is_finite() && off >= 0.0).then_some((about - off, about + off))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::sums;
    use super::super::scan::dot;
    use super::*;
    use proptest::prelude::*;

    fn unit(numbers: &[f32]) -> Vec<f32> {
        let length = numbers.iter().map(|n| f64::from(*n) * f64::from(*n)).sum::<f64>().sqrt();
        numbers.iter().map(|n| (f64::from(*n) / length) as f32).collect()
    }

    fn bytes(vector: &[f32]) -> Vec<u8> {
        vector.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![-1.0f32..1.0, Just(0.0), Just(1.0), -1e-6f32..1e-6]
    }

    #[test]
    fn a_query_of_few_numbers_is_bounded_nearly() {
        let y = unit(&(0..384).map(|at| if at % 80 == 3 { 1.0 } else { 0.0 }).collect::<Vec<_>>());
        let x = unit(&(0..384).map(|at| ((at * 37) % 101) as f32 - 50.0).collect::<Vec<_>>());
        let mut row = Vec::new();
        encode(&bytes(&x), &mut row);
        let (step, loss) = header(&row).unwrap();
        let query = Query::new(&y);
        let mut sum = [0];
        sums(&query.numbers, &[&row], &mut sum);
        let (least, most) = query.bounds(sum[0], step, loss).unwrap();
        let score = dot(&y, &bytes(&x));
        assert!(least <= score && score <= most && most - least < loss, "{least} {score} {most} {loss}");
    }

    proptest! {
        #[test]
        fn a_score_lies_between_its_bounds(pairs in prop::collection::vec((number(), number()), 1..900)) {
            let (x, y): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            prop_assume!(x.iter().any(|n| n.abs() > 1e-3) && y.iter().any(|n| n.abs() > 1e-3));
            let (x, y) = (bytes(&unit(&x)), unit(&y));
            let mut row = Vec::new();
            encode(&x, &mut row);
            prop_assert_eq!(row.len(), row_length(y.len()));
            let (step, loss) = header(&row).unwrap();
            let query = Query::new(&y);
            let mut sum = [0];
            sums(&query.numbers, &[&row], &mut sum);
            let (least, most) = query.bounds(sum[0], step, loss).unwrap();
            let score = dot(&y, &x);
            prop_assert!(least <= score && score <= most, "{least} {score} {most}");
            // And they are of use: a step of 1/127 of the largest number, so many times.
            prop_assert!(most - least < 0.01 * (y.len() as f64).sqrt() + 1e-3, "{}", most - least);
        }
    }

    #[test]
    fn a_row_of_other_bytes_has_no_bounds() {
        let query = Query::new(&[1.0, 0.0]);
        assert!(query.bounds(1, f64::NAN, 0.1).is_none());
        assert!(query.bounds(1, 0.1, f64::INFINITY).is_none());
        assert!(query.bounds(1, 0.1, -8.0).is_none());
    }
}
