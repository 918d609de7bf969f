"""What a network learns from: scikit-learn's digits, or the caller's examples; one part held back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .layers import Array

HELD_BACK = 0.25  # of the examples, for the accuracy
SPLIT_SEED = 0


class Examples(NamedTuple):
    """Inputs, float32 with the examples along the first axis, and their classes, integers from 0 on."""

    x: Array
    labels: Array
    test_x: Array
    test_labels: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.x.shape[1:]

    @property
    def classes(self) -> int:
        return int(max(self.labels.max(), self.test_labels.max())) + 1


def examples_of(data: Any = None) -> Examples:
    """The examples of a pair (x, labels), or the digits; a quarter, drawn once and for all, is held back.

    >>> examples_of((np.zeros((8, 3)), [0, 1] * 4)).x.shape
    (6, 3)
    """
    x, labels = _checked(digits() if data is None else data)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    test, rest = np.split(order, [max(1, round(HELD_BACK * len(x)))])
    return Examples(x[rest], labels[rest], x[test], labels[test])


def digits() -> tuple[Array, Array]:
    """1797 images of handwritten digits, (n, 8, 8), from 0 to 1 in sixteenths, and the digits.

    Those of `sklearn.datasets.load_digits`: Alpaydin and Kaynak 1998, the UCI repository's
    "Optical Recognition of Handwritten Digits", its test set.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "the digits are scikit-learn's: pip install scikit-learn, or give data=(x, labels) of your own"
        ) from None
    found = load_digits()
    return np.asarray(found.images / 16, np.float32), np.asarray(found.target, np.int64)


def _checked(data: Any) -> tuple[Array, Array]:
    try:
        x, labels = (np.asarray(part) for part in data)
    except (TypeError, ValueError):
        raise ValueError("data is a pair (x, labels): inputs of shape (n, ...), and n classes") from None
    if x.ndim < 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"data is a pair (x, labels) of shapes (n, ...) and (n,), got {x.shape} and {labels.shape}"
        )
    if x.dtype.kind not in "biuf" or labels.dtype.kind not in "biu":
        raise TypeError(
            f"inputs are real numbers and labels integers, got dtypes {x.dtype} and {labels.dtype}"
        )
    with np.errstate(over="ignore"):
        inputs = x.astype(np.float32)
    if not np.isfinite(inputs).all():
        raise ValueError("inputs must be finite in float32: leave out examples with NaN, scale the others")
    if len(x) < 2 or labels.min() < 0 or labels.max() < 1:
        raise ValueError("at least 2 examples, of classes 0, 1, ...: labels count from 0, and not all are 0")
    return inputs, labels.astype(np.int64)
