"""Fixed-point factorization: a matrix as a sum of ternary outer products, each with one scale.

P. Wang, J. Cheng, "Fixed-point factorized networks", CVPR 2017; the decomposition is the semidiscrete one of
T. Kolda, D. O'Leary, "A semidiscrete matrix decomposition for latent semantic indexing", ACM Transactions on
Information Systems 16(4), 1998.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arguments import integer_in
from .levels import finite_numbers

Array = np.ndarray[Any, Any]


class TernaryFactors(NamedTuple):
    """W ~ left diag(scales) right^T.

    Attributes
    ----------
    left : int8, (m, k), of -1, 0, 1
    scales : float64, (k,)
    right : int8, (n, k), of -1, 0, 1
    residuals : float64, (k + 1,): the Frobenius norm of what is left after 0, 1, ... k terms
    """

    left: Array
    scales: Array
    right: Array
    residuals: Array

    def decode(self) -> Array:
        """left diag(scales) right^T, float64, (m, n).

        >>> ternary_factorization([[2.0, -2.0], [0.0, 0.0]], 1).decode().tolist()
        [[2.0, -2.0], [0.0, 0.0]]
        """
        return np.asarray(self.left * self.scales @ self.right.T)


def best_ternary(s: Any) -> Array:
    """The x in {-1, 0, 1}^n of the largest (x s)**2 / ||x||**2: the signs of the j largest |s|, for the best j.

    Parameters
    ----------
    s : array_like of finite numbers, (n,), not all 0

    Returns
    -------
    int8, (n,). Of several best the one with the fewest entries; among equal |s| the first come first.

    Source: Kolda, O'Leary (the subproblem of x); Wang, Cheng.

    >>> best_ternary([3.0, -2.5, 0.5]).tolist()
    [1, -1, 0]
    """
    numbers = finite_numbers(s, "a ternary vector")
    if numbers.ndim != 1 or not numbers.any():
        raise ValueError(
            f"a ternary vector needs one row of numbers that are not all 0, got {numbers.tolist()}"
        )
    order = np.argsort(-np.abs(numbers), kind="stable")
    sums = np.cumsum(np.abs(numbers)[order])
    taken = order[: 1 + int(np.argmax(sums * sums / np.arange(1, numbers.size + 1)))]
    x = np.zeros(numbers.size, np.int8)
    x[taken] = np.sign(numbers[taken])
    return x


def ternary_factorization(w: Any, terms: int, *, sweeps: int = 100) -> TernaryFactors:
    """The greedy decomposition: one ternary outer product after another, of what the others have left.

    A term starts with the y that picks the column of the largest norm; x = `best_ternary` of R y and
    y = `best_ternary` of R^T x alternate until x and y stay, then d = x R y / (||x||**2 ||y||**2). The
    residual falls by d**2 ||x||**2 ||y||**2 with each term.

    Parameters
    ----------
    w : array_like of finite numbers, (m, n)
    terms : k, at least 1; fewer come where nothing is left
    sweeps : at most, for each term

    Errors: `ValueError` for data that are empty, not finite, no matrix, or all 0.

    Source: Wang, Cheng, without the recovery of full-precision weights;
    the start of y is this library's choice.

    >>> factors = ternary_factorization([[3.0, 1.0], [-3.0, 0.5]], 2)
    >>> factors.left.tolist(), factors.scales.tolist(), factors.residuals.round(6).tolist()
    ([[1, 1], [-1, 1]], [3.0, 0.75], [4.387482, 1.118034, 0.353553])
    """
    rest = finite_numbers(w, "a factorization").copy()
    if rest.ndim != 2 or not rest.any():
        raise ValueError(f"a factorization needs a matrix that is not all 0, got shape {rest.shape}")
    integer_in("terms", terms, 1)
    integer_in("sweeps", sweeps, 0)
    found: list[tuple[Array, float, Array]] = []
    residuals = [float(np.linalg.norm(rest))]
    while len(found) < terms and rest.any():
        x, d, y = _term(rest, sweeps)
        rest -= d * np.outer(x, y)
        found.append((x, d, y))
        residuals.append(float(np.linalg.norm(rest)))
    left, scales, right = zip(*found, strict=True)
    return TernaryFactors(np.stack(left, 1), np.array(scales), np.stack(right, 1), np.array(residuals))


def _term(rest: Array, sweeps: int) -> tuple[Array, float, Array]:
    """One ternary outer product and its scale."""
    y = np.zeros(rest.shape[1], np.int8)
    y[np.argmax((rest * rest).sum(axis=0))] = 1
    x = best_ternary(rest @ y)
    for _ in range(sweeps):
        before, y = (x, y), best_ternary(x @ rest)
        x = best_ternary(rest @ y)
        if np.array_equal(before[0], x) and np.array_equal(before[1], y):
            break
    weight = np.count_nonzero(x) * np.count_nonzero(y)
    return x, float(x @ rest @ y) / weight, y
