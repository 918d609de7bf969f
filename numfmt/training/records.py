"""What training runs have shown: a record an epoch, and the table of how they ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from ..table import Column, Table, percent


@dataclass(frozen=True)
class Epoch:
    """One epoch of one run. Shares are from 0 to 1.

    Attributes
    ----------
    network, policy : names
    weights, activations, gradients, master : formats; master is '' where there is none
    seed : of the run
    epoch : 1, 2, ...
    loss : mean cross-entropy of the epoch's steps, in nats
    accuracy : of the held-back examples after the epoch, through the rounded network
    underflow : of the gradient elements that are not 0 before they are rounded, those that are after
    overflow : of all gradient elements, those that are finite and past the last value of the format
    nonfinite : of all gradient elements, those infinite or NaN after they are rounded
    steps, skipped : steps of the epoch, and how many changed nothing as a loss or gradient was not finite
    loss_scale : after the epoch
    """

    network: str
    policy: str
    weights: str
    activations: str
    gradients: str
    master: str
    seed: int
    epoch: int
    loss: float
    accuracy: float
    underflow: float
    overflow: float
    nonfinite: float
    steps: int
    skipped: int
    loss_scale: float


@dataclass(frozen=True)
class Outcome:
    """How the runs of one network under one policy ended.

    Attributes
    ----------
    network, policy, weights, activations, gradients, master, epochs : as in `Epoch`
    seeds : number of runs
    accuracy, least, most : after the last epoch: the mean of the runs, the lowest, the highest
    loss : of the last epoch, mean of the runs
    underflow_first, underflow_last : of the first and of the last epoch, means of the runs
    overflow, nonfinite : the worst epoch
    skipped : share of all steps
    """

    network: str
    policy: str
    weights: str
    activations: str
    gradients: str
    master: str
    seeds: int
    epochs: int
    accuracy: float
    least: float
    most: float
    loss: float
    underflow_first: float
    underflow_last: float
    overflow: float
    nonfinite: float
    skipped: float


WIDEST = 17  # letters of a format in print


def _format(name: str) -> str:
    """A name as far as there is room for it.

    >>> _format(""), _format("int16[scale=0.5]"), _format("int16[scale=0.0625]")
    ('-', 'int16[scale=0.5]', 'int16[scale=0.06…')
    """
    return (name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…") or "-"


def _loss(x: float) -> str:
    return "-" if math.isnan(x) else f"{x:.3f}"


@dataclass(frozen=True, repr=False)
class Outcomes(Table[Outcome]):
    """The rows of `Training.outcomes`."""

    kind = Outcome
    by = "network"
    nothing = "no runs"

    def columns(self) -> Sequence[Column]:
        return (
            Column("", "policy", "policy", str),
            Column("", "weights", "weights", _format),
            Column("", "gradients", "gradients", _format),
            Column("", "master", "master", _format),
            Column("accu-", "racy%", "accuracy", percent),
            Column("", "least", "least", percent),
            Column("", "most", "most", percent),
            Column("", "loss", "loss", _loss),
            Column("underflow%", "first", "underflow_first", percent),
            Column("", "last", "underflow_last", percent),
            Column("over", "flow%", "overflow", percent),
            Column("steps", "lost%", "skipped", percent),
        )

    def group(self, row: Outcome) -> tuple[str, int, int]:
        return row.network, row.seeds, row.epochs

    def title(self, row: Outcome) -> str:
        return f"{row.network}: {row.epochs} epochs, {row.seeds} seed{'s' * (row.seeds != 1)}"


@dataclass(frozen=True, repr=False)
class Training(Table[Epoch]):
    """The records of `compare_training`, in the order of networks, policies, seeds and epochs.

    It prints as the table of `outcomes`; `to_csv`, `to_json` and `to_pandas` have every epoch.
    """

    kind = Epoch
    by = "network"
    nothing = "no runs"

    def outcomes(self) -> Outcomes:
        """A row for each network and policy."""
        groups = groupby(self.rows, lambda row: (row.network, row.policy))
        return Outcomes(tuple(_outcome(list(rows)) for _, rows in groups))

    def __str__(self) -> str:
        return str(self.outcomes())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.outcomes()._repr_html_()


def _outcome(rows: Sequence[Epoch]) -> Outcome:
    last = max(row.epoch for row in rows)
    ends = [row for row in rows if row.epoch == last]
    accuracies = [row.accuracy for row in ends]
    one = rows[0]
    return Outcome(
        network=one.network, policy=one.policy, weights=one.weights, activations=one.activations,
        gradients=one.gradients, master=one.master,
        seeds=len(ends), epochs=last, accuracy=fmean(accuracies), least=min(accuracies), most=max(accuracies),
        loss=fmean(row.loss for row in ends),
        underflow_first=fmean(row.underflow for row in rows if row.epoch == 1),
        underflow_last=fmean(row.underflow for row in ends),
        overflow=max(row.overflow for row in rows), nonfinite=max(row.nonfinite for row in rows),
        skipped=sum(row.skipped for row in rows) / sum(row.steps for row in rows),
    )  # fmt: skip
