"""`compare_training`: a small network trained under each policy, from the same first weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from ..errors import choose
from ..flexpoint.arguments import whole
from .descent import Descent, Run
from .examples import Examples, examples_of
from .networks import NETWORKS
from .policies import Policy, policy_list
from .records import Epoch, Training

SEEDS = (1 << 64) - 1  # the last


def compare_training(
    formats: Any = None, network: str | Iterable[str] = "mlp", *, epochs: int = 10,
    seed: int | Iterable[int] = 0, data: Any = None, batch: int = 32, learning_rate: float = 0.05,
    momentum: float = 0.9,
) -> Training:  # fmt: skip
    """Train a small network in several formats; accuracy and gradient underflow, epoch by epoch.

    Parameters
    ----------
    formats : str, Format, dtype, Policy or list of them, optional
        A name in `numfmt.training.POLICIES`; or what `numfmt.cast` takes, and then everything is in
        that format, weights too, without a master copy and without loss scaling; or a `Policy`. One
        string may hold several, with commas. All of `POLICIES`, if not given.
    network : {"mlp", "convolution"} or several of them
        "mlp": two hidden layers of 64 units; "convolution": two convolutions of 3 x 3 with 8 and 16
        channels, then one layer that reads them. Rectified; some 9 000 and 4 000 parameters.
    epochs : int, at least 1
    seed : int or several of them, 0 <= seed < 2**64
        One run each. The first weights and the order of the examples are those of the seed under
        every policy.
    data : pair (x, labels), optional
        x of shape (n, ...), real, finite, taken as it is; labels of shape (n,), integers from 0 on.
        scikit-learn's digits, if not given. A quarter, always the same, is held back for the accuracy.
    batch, learning_rate, momentum : int, float, float
        Of stochastic gradient descent on the mean cross-entropy.

    Returns
    -------
    Training
        A sequence of `Epoch`, one an epoch of a run; prints as a table of how the runs ended, and has
        `outcomes`, `to_csv`, `to_json` and `to_pandas`. `numfmt.plotting.training` draws it.

    Raises
    ------
    SpecError : an unknown format, policy or network
    ImportError : the digits are asked for, and scikit-learn is not installed
    RangeError : NaN in a tensor of a format that has none; `Policy(..., nan=0)` goes on
    TypeError, ValueError : data or numbers that cannot serve

    Notes
    -----
    A step whose loss, or a gradient of a parameter, is not finite changes no weight, under every policy,
    and counts as skipped. Same arguments, same table, on one machine with one BLAS: float32 products of
    another may differ in their last bit, and training enlarges that.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 4))
    >>> runs = compare_training("f32, e5m2", data=(x, x[:, 0] > 0), epochs=2)
    >>> [(row.policy, row.epoch, row.underflow > 0) for row in runs]
    [('f32', 1, False), ('f32', 2, False), ('e5m2', 1, True), ('e5m2', 2, True)]
    """
    descent, last = _descent(learning_rate, momentum, batch), whole(epochs, "epochs", 1)
    runs = list(product(networks_of(network, NETWORKS), policy_list(formats), seeds_of(seed)))
    examples = examples_of(data)
    return Training(tuple(row for which in runs for row in _records(examples, *which, descent, last)))


def _records(
    examples: Examples, network: str, policy: Policy, seed: int, descent: Descent, epochs: int
) -> Iterator[Epoch]:
    layers = NETWORKS[network](examples.shape, examples.classes)
    run = Run(layers, policy, descent, seed)
    for epoch in range(1, epochs + 1):
        loss = run.epoch(examples.x, examples.labels)
        tally = run.numerics.tally
        yield Epoch(
            network=network, policy=policy.name, **policy.formats, seed=seed, epoch=epoch, loss=loss,
            accuracy=run.accuracy(examples.test_x, examples.test_labels),
            underflow=_share(tally.lost, tally.nonzero), overflow=_share(tally.clipped, tally.elements),
            nonfinite=_share(tally.nonfinite, tally.elements), steps=-(-len(examples.x) // descent.batch),
            skipped=run.skipped, loss_scale=run.scale,
        )  # fmt: skip


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan


def networks_of(given: str | Iterable[str], known: Iterable[str]) -> list[str]:
    """Names of networks, each once."""
    names = [n.strip() for n in given.split(",")] if isinstance(given, str) else list(given)
    return _some("network", [choose("network", name, known) for name in names])


def seeds_of(given: Any) -> list[int]:
    """A seed or several, each once."""
    return _some(
        "seed", [whole(s, "seed", 0, SEEDS) for s in (given if isinstance(given, Iterable) else [given])]
    )


def _some(what: str, given: list[Any]) -> list[Any]:
    """Without repetition, and not nothing."""
    if not given:
        raise ValueError(f"a comparison needs at least one {what}, got none")
    return list(dict.fromkeys(given))


def _descent(rate: float, momentum: float, batch: int) -> Descent:
    if not 0 < rate < math.inf:
        raise ValueError(f"learning_rate must be above 0 and finite, got {rate!r}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, got {momentum!r}")
    return Descent(float(rate), float(momentum), whole(batch, "batch", 1))
