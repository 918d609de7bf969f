"""Ternary neurons: an integer sum compared with two thresholds gives -1, 0 or 1.

H. Alemdar, V. Leroy, A. Prost-Boucle, F. Petrot, "Ternary neural networks for resource-efficient AI
applications", IJCNN 2017.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .levels import finite_numbers

Array = np.ndarray[Any, Any]


class TernaryNeuron(NamedTuple):
    """Two thresholds on a neuron's sum.

    Attributes
    ----------
    low, high : low <= high
    agreement : share of the targets that it was fitted to and gives

    Source: Alemdar et al. (the student's step with two thresholds); that a sum on a threshold gives 0 is this
    library's choice.
    """

    low: float
    high: float
    agreement: float = 1.0

    def output(self, sums: Any) -> Array:
        """-1 below low, 1 above high, else 0: int8, shape of the sums.

        >>> TernaryNeuron(-1.5, 2.0).output([-2, -1, 2, 3]).tolist()
        [-1, 0, 0, 1]
        """
        if not self.low <= self.high:
            raise ValueError(f"a ternary neuron has low <= high, got {self.low} and {self.high}")
        numbers = finite_numbers(sums, "a ternary neuron")
        return (numbers > self.high).astype(np.int8) - (numbers < self.low).astype(np.int8)


def ternary_neuron(sums: Any, targets: Any) -> TernaryNeuron:
    """The thresholds whose outputs agree with the most targets, exactly, in n log n.

    With A, Z and P the targets -1, 0 and 1 among the sums below a place, thresholds at places i <= j agree
    with (A_i - Z_i) + (Z_j - P_j) + all P. So a running maximum finds the best pair, the lowest of several.
    Thresholds lie half way between neighbouring sums, or 1/2 beyond them.

    Parameters
    ----------
    sums : array_like of finite numbers, any shape: the ternary student's sums on samples
    targets : array_like of -1, 0 and 1, that shape: what the teacher gives there

    Source: Alemdar et al.; the agreement as the aim and the search are this library's.

    >>> ternary_neuron([-3, -1, 0, 2, 5], [-1, -1, 0, 0, 1])
    TernaryNeuron(low=-0.5, high=3.5, agreement=1.0)
    """
    x, wished = finite_numbers(sums, "a ternary neuron"), np.asarray(targets)
    if wished.shape != x.shape or not np.isin(wished, (-1, 0, 1)).all():
        raise ValueError(
            f"targets are -1, 0 or 1 in the shape of the sums {x.shape}, got shape {wished.shape}"
        )
    values, places = np.unique(x, return_inverse=True)
    counts = [np.bincount(places.reshape(-1), (wished == t).reshape(-1), values.size) for t in (-1, 0, 1)]
    a, z, p = (np.concatenate([[0.0], np.cumsum(c)]) for c in counts)
    best_low = np.maximum.accumulate(a - z)
    j = int(np.argmax(best_low + z - p))
    i = int(np.argmax(a - z == best_low[j]))
    edges = np.concatenate([[values[0] - 0.5], (values[:-1] + values[1:]) / 2, [values[-1] + 0.5]])
    agreed = float(best_low[j] + z[j] - p[j] + p[-1])
    return TernaryNeuron(float(edges[i]), float(edges[j]), agreed / x.size)
