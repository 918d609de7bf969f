"""`compare_states`: a network trained by Adam with moments in each of several formats.

What 20 epochs of five seeds have shown on the digits, `python plots/adam_states.py FOLDER 20 5`; of two numbers the
first is the perceptron's, the second that of the embedding, means over the seeds, errors those of the last epoch:

- Equal steps end in losses above 1e19 or in NaN in all runs, under one scale and in blocks of 256 alike: where v
  is kept as 0 and m is not, the next update is m over eps.
- The tree, under one scale, trains: its second moments are off by 49 and 22 % in the median, 5 and 0.7 % of them are
  kept as 0. Of the perceptrons one in five ends with a loss of 1.4, the others with that of f32, 0.04; all
  embeddings end higher than those of f32, 0.006 to 0.013 against 0.004 to 0.005, and 3 points less accurate.
- Blocks of 256 beside the tree: 20 and 8 % of error, 1 and 0.2 % kept as 0, and the losses of f32.
- Errors of v grow while that of m stays: v is read and rounded again in each step, and remembers a thousand.
- The largest updates are some 8000 and 4000 learning rates even with the tree in blocks, where f32 has 3: what is
  lost of v is rare but not gone. bitsandbytes' CPU code has no 0 among its codes of v in a block, and with it
  the largest update is 4 and 3.

What it does not show:

- That equal steps cannot be used. With eps = 1e-4, in place of 1e-8, all of these train (the perceptron, 6 epochs,
  two seeds).
- Which of the losses of f32 and of the tree in blocks is lower: they differ by less than seeds do.
- Outliers of large models. The rows of the embedding that are rare, and pixels that are seldom set, are what
  blocks keep apart here; paper and library had language models, stable embedding layers, more steps.
- Biases and small layers, which keep float32 as in the library, learning rates that fall, weight decay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from ..flexpoint.arguments import whole
from .examples import Examples, examples_of
from .moments import Adam, AdamRun
from .networks import LARGE_NETWORKS
from .runs import networks_of, seeds_of
from .state_records import StateEpoch, StateTraining
from .states import States, state_list

LEAST = 4096  # bitsandbytes' min_8bit_size


def compare_states(
    states: Any = None, network: str | Iterable[str] = "mlp", *, epochs: int = 10,
    seed: int | Iterable[int] = 0, data: Any = None, batch: int = 32, learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, least: int = LEAST,
) -> StateTraining:  # fmt: skip
    """Train a small network by Adam with moments in several formats; losses and errors of the moments.

    Parameters
    ----------
    states : str, States, Format, dtype or list of them, optional
        A name in `numfmt.training.STATES`; or what `numfmt.cast` takes, for both moments; or `States`. One
        string may hold several, with commas. All of `STATES`, if not given.
    network : {"mlp", "embedding"} or both
        "mlp": that of `compare_training`. "embedding": each input, from 0 to 1, at one of 17 levels; the sum of a
        row of 64 for each input at its level, of which some are rare, then the layers of the perceptron.
    epochs, seed, data, batch : as in `compare_training`
    learning_rate, betas, eps : float, pair of floats, float
        Of Adam.
    least : int, at least 0
        Parameters of fewer elements keep float32 moments; 4096 as in bitsandbytes.

    Returns
    -------
    StateTraining
        A sequence of `StateEpoch`, one an epoch of a run; prints as a table of how the runs ended, and has
        `outcomes`, `to_csv`, `to_json` and `to_pandas`. `numfmt.plotting.states` draws it.

    Raises
    ------
    SpecError : unknown states or an unknown network
    ImportError : the digits are asked for, and scikit-learn is not installed
    TypeError, ValueError : data or numbers that cannot serve

    Notes
    -----
    Weights, gradients and all else are float32; a step whose loss or gradient is not finite changes nothing.
    Moments are rounded to nearest by their format; a step of a library, with its code for the sign of m, is
    `numfmt.adam8bit`. Same arguments, same table, on one machine with one BLAS.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 16))
    >>> runs = compare_states("f32, bf16, linear", data=(x, x[:, 0] > 0), epochs=2, least=0)
    >>> [(o.states, o.m_error < 0.01, o.lost > 0.1) for o in runs.outcomes()]
    [('f32', True, False), ('bf16', True, False), ('linear', False, True)]
    """
    adam, last = _adam(learning_rate, betas, eps, batch, least), whole(epochs, "epochs", 1)
    runs = list(product(networks_of(network, LARGE_NETWORKS), state_list(states), seeds_of(seed)))
    examples = examples_of(data)
    return StateTraining(tuple(row for which in runs for row in _records(examples, *which, adam, last)))


def _records(
    examples: Examples, network: str, states: States, seed: int, adam: Adam, epochs: int
) -> Iterator[StateEpoch]:
    run = AdamRun(LARGE_NETWORKS[network](examples.shape, examples.classes), states, adam, seed)
    for epoch in range(1, epochs + 1):
        loss = run.epoch(examples.x, examples.labels)
        losses = run.losses
        yield StateEpoch(
            network=network, states=states.name, m=states.m, v=states.v, seed=seed, epoch=epoch,
            steps=epoch * -(-len(examples.x) // adam.batch), loss=loss,
            accuracy=run.accuracy(examples.test_x, examples.test_labels), m_error=losses.mean("m"),
            v_error=losses.mean("v"), update_error=losses.mean("update"), lost=losses.lost,
            largest=losses.largest, skipped=run.skipped,
        )  # fmt: skip


def _adam(rate: float, betas: Any, eps: float, batch: int, least: int) -> Adam:
    if not 0 < rate < math.inf:
        raise ValueError(f"learning_rate must be above 0 and finite, got {rate!r}")
    if not isinstance(betas, (tuple, list)) or len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas are two numbers, each at least 0 and below 1, got {betas!r}")
    if not 0 < eps < math.inf:
        raise ValueError(f"eps must be above 0 and finite, got {eps!r}")
    beta1, beta2 = map(float, betas)
    return Adam(float(rate), beta1, beta2, float(eps), whole(batch, "batch", 1), whole(least, "least", 0))
