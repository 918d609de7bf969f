"""How a clipping threshold is chosen from data: not at all (absmax), or by what saturating buys.

`threshold` takes an array, `observer` batches, `compare_thresholds` shows what each method costs.
`METHODS` names what `threshold` knows, `STREAMED` what can be observed in batches: all but two of them.
The searches on a histogram stand beside them under names of their own.

>>> import numfmt
>>> x = np.append(np.random.default_rng(0).laplace(size=10_000), 50.0)
>>> numfmt.calibration.threshold(x, "absmax"), round(numfmt.calibration.threshold(x, "kl"), 1)
(50.0, 8.5)
"""

from __future__ import annotations

from .analytic import gauss_ratio, laplace_ratio, sigma_from_range
from .divergence import divergences, least_divergence
from .histograms import Histogram
from .methods import METHODS, percentile_of_bins, scale, threshold
from .observers import ACIQ, KL, L2, MSE, STREAMED, MinMax, MovingAverage, Observer, Percentile, observer
from .squared_error import (
    least_squares,
    least_squares_of_middles,
    mean_squared_errors,
    range_of_least_squares,
)
from .thresholds import ThresholdRow, Thresholds, compare_thresholds
from .windows import window_divergences, window_threshold

__all__ = [
    "ACIQ",
    "KL",
    "L2",
    "METHODS",
    "MSE",
    "STREAMED",
    "Histogram",
    "MinMax",
    "MovingAverage",
    "Observer",
    "Percentile",
    "ThresholdRow",
    "Thresholds",
    "compare_thresholds",
    "divergences",
    "gauss_ratio",
    "laplace_ratio",
    "least_divergence",
    "least_squares",
    "least_squares_of_middles",
    "mean_squared_errors",
    "observer",
    "percentile_of_bins",
    "range_of_least_squares",
    "scale",
    "sigma_from_range",
    "threshold",
    "window_divergences",
    "window_threshold",
]
