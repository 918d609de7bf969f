"""What the runs of Adam record, epoch by epoch, and the table of how they ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from ..table import Column, Table, percent, short


@dataclass(frozen=True)
class StateEpoch:
    """One epoch of one run. Shares and relative errors are 1 for all.

    Errors compare the moments as they are kept with the float32 moments of the same gradients: the median over
    the elements of a parameter, then the mean over steps and elements. Parameters that are too small for 8 bits
    do not count; NaN where there are no others, or no step was made.

    Attributes
    ----------
    network, states : names
    m, v : formats of the moments
    seed : of the run
    epoch : 1, 2, ...
    steps : up to the end of the epoch
    loss : mean cross-entropy of the epoch's steps, in nats
    accuracy : of the held-back examples after the epoch
    m_error, v_error : relative error of the moments
    update_error : relative error of m / (sqrt(v) + eps)
    lost : share of the elements of v, not 0 in float32, that are kept as 0
    largest : update of an element that was made, in learning rates
    skipped : steps of the epoch that changed nothing, as a loss or gradient was not finite
    """

    network: str
    states: str
    m: str
    v: str
    seed: int
    epoch: int
    steps: int
    loss: float
    accuracy: float
    m_error: float
    v_error: float
    update_error: float
    lost: float
    largest: float
    skipped: int


@dataclass(frozen=True)
class StateOutcome:
    """How the runs of one network with one kind of states ended.

    Attributes
    ----------
    network, states, m, v, epochs : as in `StateEpoch`
    seeds : number of runs
    loss, least, most : of the last epoch: the mean of the runs, the lowest, the highest; NaN is the highest
    accuracy : after the last epoch, mean of the runs
    m_error, v_error, update_error, lost : of the last epoch, means of the runs
    largest : of all epochs and runs
    """

    network: str
    states: str
    m: str
    v: str
    seeds: int
    epochs: int
    loss: float
    least: float
    most: float
    accuracy: float
    m_error: float
    v_error: float
    update_error: float
    lost: float
    largest: float


@dataclass(frozen=True, repr=False)
class StateOutcomes(Table[StateOutcome]):
    """The rows of `StateTraining.outcomes`."""

    kind = StateOutcome
    by = "network"
    nothing = "no runs"

    def columns(self) -> Sequence[Column]:
        return (
            Column("", "states", "states", str),
            Column("", "loss", "loss", short),
            Column("", "least", "least", short),
            Column("", "most", "most", short),
            Column("accu-", "racy%", "accuracy", percent),
            Column("error", "of m%", "m_error", percent),
            Column("error", "of v%", "v_error", percent),
            Column("of the", "update%", "update_error", percent),
            Column("v kept", "as 0%", "lost", percent),
            Column("largest", "update", "largest", short),
        )

    def group(self, row: StateOutcome) -> tuple[str, int, int]:
        return row.network, row.seeds, row.epochs

    def title(self, row: StateOutcome) -> str:
        return f"{row.network}: {row.epochs} epochs, {row.seeds} seed{'s' * (row.seeds != 1)}"


@dataclass(frozen=True, repr=False)
class StateTraining(Table[StateEpoch]):
    """The records of `compare_states`, in the order of networks, states, seeds and epochs.

    It prints as the table of `outcomes`; `to_csv`, `to_json` and `to_pandas` have every epoch.
    """

    kind = StateEpoch
    by = "network"
    nothing = "no runs"

    def outcomes(self) -> StateOutcomes:
        """A row for each network and kind of states."""
        groups = groupby(self.rows, lambda row: (row.network, row.states))
        return StateOutcomes(tuple(_outcome(list(rows)) for _, rows in groups))

    def __str__(self) -> str:
        return str(self.outcomes())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.outcomes()._repr_html_()


def _outcome(rows: Sequence[StateEpoch]) -> StateOutcome:
    last = max(row.epoch for row in rows)
    ends = [row for row in rows if row.epoch == last]
    losses = sorted((row.loss for row in ends), key=lambda loss: (math.isnan(loss), loss))
    one = rows[0]
    return StateOutcome(
        network=one.network, states=one.states, m=one.m, v=one.v, seeds=len(ends), epochs=last,
        loss=_mean(ends, lambda row: row.loss), least=losses[0], most=losses[-1],
        accuracy=_mean(ends, lambda row: row.accuracy), m_error=_mean(ends, lambda row: row.m_error),
        v_error=_mean(ends, lambda row: row.v_error), update_error=_mean(ends, lambda row: row.update_error),
        lost=_mean(ends, lambda row: row.lost), largest=max(row.largest for row in rows),
    )  # fmt: skip


def _mean(rows: Sequence[StateEpoch], value: Callable[[StateEpoch], float]) -> float:
    values = [value(row) for row in rows]
    return fmean(values) if all(map(math.isfinite, values)) else sum(values)
