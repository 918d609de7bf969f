"""Speed of quantizers that learn their levels from data, and scikit-learn's k-means, in one run.
`python benchmarks/quantizers.py [--write] [section ...]`.

Ratios are of least times over interleaved rounds, one thread unless said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import Row, best, module, normal, report, threads

from numfmt.quantizers import density_levels, kmeans, lloyd_max, optimal_levels

N, K = 10_000_000, 256
FEW, PEER_ITERATIONS = 100_000, 20  # for a peer that is slow
ROUNDS = 3
LIMIT = 2.0  # seconds
TASKS = {
    "k-means, linear start, 300 iterations": lambda x: kmeans(x, K, iterations=300),
    "k-means, linear start, 1000 iterations": lambda x: kmeans(x, K),
    "k-means, density start, 300 iterations": lambda x: kmeans(x, K, init="density", iterations=300),
    "Lloyd-Max, to 1e-6 of the error": lambda x: lloyd_max(x, K),
}


def learning_rows() -> Iterator[Row]:
    """float32 numbers of a normal density into 256 levels."""
    x = normal(N)
    t = best({name: lambda task=task: task(x) for name, task in TASKS.items()}, ROUNDS)
    for name in TASKS:
        yield Row(f"{name}, n = {N:.0e}: {t[name]:.2f} s", t[name], f"{LIMIT:g} s", LIMIT, 1, at_least=True)


def thread_rows() -> Iterator[Row]:
    x = normal(N)

    def run(task: Any, count: int) -> Any:
        threads(count)
        return task(x)

    for name, task in TASKS.items():
        t = best({str(n): lambda task=task, n=n: run(task, n) for n in (1, 2)}, ROUNDS)
        threads(1)
        yield Row(f"two threads, {name}", t["2"], "one thread", t["1"], 1, at_least=True)


def error_rows() -> Iterator[Row]:
    """No times: mean squared errors over those of the best levels there are."""
    x = normal(N)
    least = density_levels("gauss", K).mse
    for name, task in TASKS.items():
        yield Row(f"error of {name}", task(x).mse, "the density's best", least)
    some = x[:20_000]
    yield Row(
        "error of Lloyd-Max, n = 2e+04", lloyd_max(some, K).mse, "the optimum", optimal_levels(some, K).mse
    )


def peer_rows() -> Iterator[Row]:
    """The same start and number of iterations; fewer elements, since the peer passes over all of them each time."""
    cluster, pools = module("sklearn.cluster"), module("threadpoolctl")
    if not (cluster and pools):
        return
    x = normal(FEW).astype(np.float64)
    start = np.sort(x)[(2 * np.arange(K) + 1) * FEW // (2 * K), None]
    peer = cluster.KMeans(K, init=start, n_init=1, max_iter=PEER_ITERATIONS, tol=0)
    with pools.threadpool_limits(1):
        t = best({
            "peer": lambda: peer.fit(x[:, None]),
            "numfmt": lambda: kmeans(x, K, init="density", iterations=PEER_ITERATIONS),
        }, ROUNDS)  # fmt: skip
    found = kmeans(x, K, init="density", iterations=PEER_ITERATIONS)
    assert np.allclose(found.levels.values, peer.cluster_centers_.ravel(), rtol=0, atol=1e-6)
    what = f"k-means, {PEER_ITERATIONS} iterations, n = {FEW:.0e}"
    yield Row(what, t["numfmt"], "scikit-learn KMeans", t["peer"], at_least=True)


SECTIONS = {
    "Learning 256 levels": learning_rows,
    "Threads": thread_rows,
    "Errors": error_rows,
    "Against scikit-learn": peer_rows,
}


if __name__ == "__main__":
    report("quantizers", ["## Quantizers", "", "`python benchmarks/quantizers.py`", ""], SECTIONS)
