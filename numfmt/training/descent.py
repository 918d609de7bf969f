"""One training run: a network, a policy and a seed, from its first weights to its last step.

What is rounded, each once and each by a rounder of its own: the input and the output of every layer that
has parameters; the gradients of the loss, of such a layer's input, and of its parameters; the parameters and
their velocities after each update. Rectifiers and reshapes only select, and round nothing. The products
and sums within a layer, softmax, loss and the sums of an update are float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .layers import Array, Layer, Parameters, cross_entropy
from .networks import Layers
from .numerics import Numerics, Tally
from .policies import Policy


class Descent(NamedTuple):
    """Stochastic gradient descent with momentum: v <- momentum v - rate g, then w <- w + v."""

    rate: float
    momentum: float
    batch: int


@dataclass
class Parameter:
    """A weight or a bias: what products see, what updates are added to, and its velocity."""

    name: str
    value: Array
    held: Array
    velocity: Array


@dataclass
class Stage:
    """A layer with its parameters, in the place that its name says."""

    name: str
    layer: Layer
    parameters: list[Parameter]

    def forward(self, x: Array) -> Array:
        return self.layer.forward(x, *(p.value for p in self.parameters))

    def backward(self, x: Array, dy: Array) -> tuple[Array, Parameters]:
        return self.layer.backward(x, dy, *(p.value for p in self.parameters))


class Run:
    """A network in training.

    layers : as `numfmt.training.NETWORKS` builds them
    seed : of the first weights, of the order of the examples, and of stochastic rounding
    """

    def __init__(self, layers: Layers, policy: Policy, descent: Descent, seed: int) -> None:
        self.descent, self.policy = descent, policy
        self.rng = np.random.default_rng(seed)
        self.numerics = Numerics(policy, seed)
        self.scale, self.good, self.skipped = float(policy.loss_scale.start), 0, 0
        self.stages = [self._stage(f"layer {i}", layer) for i, layer in enumerate(layers)]

    def _stage(self, name: str, layer: Layer) -> Stage:
        drawn = enumerate(layer.initial(self.rng))
        return Stage(name, layer, [self._parameter(f"{name}, parameter {j}", x) for j, x in drawn])

    def _parameter(self, name: str, x: Array) -> Parameter:
        held = self.numerics.write(x, "master", name)
        return Parameter(name, self._seen(held, name), held, np.zeros_like(held))

    def _seen(self, held: Array, name: str) -> Array:
        """What products see of a parameter; without a master copy, the parameter itself."""
        return held if self.policy.master is None else self.numerics.write(held, "weights", name)

    def epoch(self, x: Array, labels: Array) -> float:
        """One pass over the examples in a new order; the mean loss of its steps."""
        self.numerics.tally, self.skipped = Tally(), 0
        order, size = self.rng.permutation(len(x)), self.descent.batch
        batches = [order[i : i + size] for i in range(0, len(x), size)]
        return float(np.mean([self.step(x[batch], labels[batch]) for batch in batches]))

    @np.errstate(all="ignore")
    def step(self, x: Array, labels: Array) -> float:
        """One update, or none where the loss or a gradient is not finite; returns the loss."""
        inputs, logits = self.forward(x, "training")
        loss, gradient = cross_entropy(logits, labels)
        gradients = self.backward(inputs, gradient * np.float32(self.scale))
        skip = not (math.isfinite(loss) and all(np.isfinite(g).all() for _, g in gradients))
        for parameter, g in [] if skip else gradients:
            self.update(parameter, g / np.float32(self.scale))
        self.skipped += skip
        self.scale, self.good = self.policy.loss_scale.next(self.scale, self.good, skip)
        return loss

    def forward(self, x: Array, use: str) -> tuple[list[Array], Array]:
        """The input of every layer, and the output of the last; each use has tensors of its own."""
        x = self.numerics.write(x, "activations", f"input in {use}")
        inputs = []
        for stage in self.stages:
            inputs.append(x)
            x = stage.forward(x)
            if stage.parameters:
                x = self.numerics.write(x, "activations", f"{stage.name} in {use}")
        return inputs, x

    def backward(self, inputs: list[Array], dy: Array) -> list[tuple[Parameter, Array]]:
        """The gradient of each parameter, the last layer's first."""
        found: list[tuple[Parameter, Array]] = []
        first = next(i for i, stage in enumerate(self.stages) if stage.parameters)
        dy = self.numerics.write(dy, "gradients", "loss")
        for stage, x in reversed(list(zip(self.stages, inputs, strict=True))[first:]):
            dy, gradients = stage.backward(x, dy)
            for parameter, g in zip(stage.parameters, gradients, strict=True):
                found.append((parameter, self.numerics.write(g, "gradients", parameter.name)))
            if stage.parameters and stage is not self.stages[first]:
                dy = self.numerics.write(dy, "gradients", f"{stage.name}, input")
        return found

    def update(self, parameter: Parameter, gradient: Array) -> None:
        """One step of the descent for one parameter."""
        rate, momentum = np.float32(self.descent.rate), np.float32(self.descent.momentum)
        velocity = momentum * parameter.velocity - rate * gradient
        parameter.velocity = self.numerics.write(velocity, "master", f"{parameter.name}, velocity")
        parameter.held = self.numerics.write(parameter.held + parameter.velocity, "master", parameter.name)
        parameter.value = self._seen(parameter.held, parameter.name)

    @np.errstate(all="ignore")
    def accuracy(self, x: Array, labels: Array) -> float:
        """The share of examples whose largest output is at the label; NaN counts for no class."""
        _, logits = self.forward(x, "test")
        return float((~np.isnan(logits).any(axis=1) & (logits.argmax(axis=1) == labels)).mean())
