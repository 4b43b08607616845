//! What are the weights of a ridge regression: a small symmetric positive system, solved by Cholesky's factors.

/// Solves `matrix * x = right` in place: `matrix` is symmetric, by rows, `size * size`, and is overwritten; `right` becomes `x`.
///
/// Only the lower half is read. Returns whether the matrix was positive definite; if not, `right` is of no use.
pub(super) fn solve(matrix: &mut [f64], right: &mut [f64]) -> bool {
    let size = right.len();
    for row in 0..size {
        let (above, below) = matrix.split_at_mut(row * size);
        let this = &mut below[..=row];
        for column in 0..row {
            let other = &above[column * size..=column * size + column];
            let known = dot(&this[..column], &other[..column]);
            this[column] = (this[column] - known) / other[column];
        }
        let rest = this[row] - dot(&this[..row], &this[..row]);
        if !(rest > 0.0 && rest.is_finite()) {
            return false;
        }
        this[row] = rest.sqrt();
    }
    for row in 0..size {
        let line = &matrix[row * size..=row * size + row];
        right[row] = (right[row] - dot(&line[..row], &right[..row])) / line[row];
    }
    for row in (0..size).rev() {
        let mut value = right[row];
        for below in row + 1..size {
            value -= matrix[below * size + row] * right[below];
        }
        right[row] = value / matrix[row * size + row];
    }
    right.iter().all(|value| value.is_finite())
}

/// Sum of products, in four lanes: the order of additions is fixed, so that the result is the same everywhere.
pub(super) fn dot(one: &[f64], other: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (ones, others) = (one.chunks_exact(4), other.chunks_exact(4));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in ones.zip(others) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_worked_out_by_hand() {
        // 4x + 2y = 10, 2x + 3y = 9: x = 1.5, y = 2.
        let mut matrix = [4.0, 2.0, 2.0, 3.0];
        let mut right = [10.0, 9.0];
        assert!(solve(&mut matrix, &mut right));
        assert!((right[0] - 1.5).abs() < 1e-12 && (right[1] - 2.0).abs() < 1e-12, "{right:?}");
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_refused() {
        assert!(!solve(&mut [1.0, 2.0, 2.0, 1.0], &mut [1.0, 1.0]));
        assert!(!solve(&mut [0.0], &mut [1.0]));
        assert!(!solve(&mut [f64::NAN], &mut [1.0]));
    }

    #[test]
    fn products_are_summed_whatever_the_length() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let sums: Vec<f64> = (0..=6).map(|length| dot(&values[..length], &values[..length])).collect();
        assert_eq!(sums, [0.0, 1.0, 5.0, 14.0, 30.0, 55.0, 91.0]);
    }
}
