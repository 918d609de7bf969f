"""Layers of a small network: what each computes forward, and its gradients backward, in plain NumPy.

A layer keeps nothing: its parameters and its input are arguments. Products and sums are the
arrays' own, float32 in a training run, and nothing is rounded here besides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Parameters = tuple[Array, ...]


class Layer(ABC):
    """One step of a network. Arrays begin with the axis of the examples."""

    def initial(self, rng: np.random.Generator) -> Parameters:
        """Parameters to begin with, float32; none, unless a layer says so."""
        return ()

    @abstractmethod
    def forward(self, x: Array, *parameters: Array) -> Array:
        """The output for the input x."""

    @abstractmethod
    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        """From the gradient of the output, those of the input and of the parameters."""


@dataclass(frozen=True)
class Dense(Layer):
    """y = x W^T + b, for x of shape (n, inputs) and W of shape (outputs, inputs)."""

    inputs: int
    outputs: int

    def initial(self, rng: np.random.Generator) -> Parameters:
        return _initial(rng, self.outputs, self.inputs)

    def forward(self, x: Array, *parameters: Array) -> Array:
        weight, bias = parameters
        return np.asarray(x @ weight.T + bias)

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        return dy @ parameters[0], (dy.T @ x, dy.sum(axis=0))


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution without padding, for x of shape (n, height, width, inputs).

    Its weight has the shape (outputs, size * size * inputs): a row for each output channel.
    """

    inputs: int
    outputs: int
    size: int = 3

    def initial(self, rng: np.random.Generator) -> Parameters:
        return _initial(rng, self.outputs, self.size * self.size * self.inputs)

    def forward(self, x: Array, *parameters: Array) -> Array:
        weight, bias = parameters
        return np.asarray(self._patches(x) @ weight.T + bias)

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        flat = dy.reshape(-1, self.outputs)
        patches = self._patches(x)
        dweight = flat.T @ patches.reshape(len(flat), -1)
        return self._gathered(dy @ parameters[0], x.shape), (dweight, flat.sum(axis=0))

    def _patches(self, x: Array) -> Array:
        """What each output sees, shape (n, rows, columns, size * size * inputs)."""
        windows = np.lib.stride_tricks.sliding_window_view(x, (self.size, self.size), axis=(1, 2))
        return np.moveaxis(windows, 3, 5).reshape(*windows.shape[:3], -1)

    def _gathered(self, dpatches: Array, shape: tuple[int, ...]) -> Array:
        """The gradient of the input: each element takes that of every patch it is in."""
        dx = np.zeros(shape, dpatches.dtype)
        rows, columns = dpatches.shape[1:3]
        parts = dpatches.reshape(*dpatches.shape[:3], self.size, self.size, self.inputs)
        for i, j in np.ndindex(self.size, self.size):
            dx[:, i : i + rows, j : j + columns] += parts[:, :, :, i, j]
        return dx


@dataclass(frozen=True)
class Rectifier(Layer):
    """max(x, 0); the gradient at 0 is 0."""

    def forward(self, x: Array, *parameters: Array) -> Array:
        return np.maximum(x, 0)

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        return dy * (x > 0), ()


@dataclass(frozen=True)
class Reshape(Layer):
    """Each example in another shape, of as many elements."""

    shape: tuple[int, ...]

    def forward(self, x: Array, *parameters: Array) -> Array:
        return x.reshape(len(x), *self.shape)

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        return dy.reshape(x.shape), ()


@dataclass(frozen=True)
class Levels(Layer):
    """Each input, from 0 to 1, as one of so many tokens: 1 at its nearest level, 0 at the others.

    >>> Levels(3).forward(np.float32([[0.0, 0.6]]))
    array([[1., 0., 0., 0., 1., 0.]], dtype=float32)
    """

    count: int

    def forward(self, x: Array, *parameters: Array) -> Array:
        last = self.count - 1
        level = np.rint(x.reshape(len(x), -1).clip(0, 1) * last).astype(np.intp)
        return np.eye(self.count, dtype=np.float32)[level].reshape(len(x), -1)

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        return np.zeros_like(x), ()


@dataclass(frozen=True)
class Embedding(Layer):
    """y = x W, for x of shape (n, tokens) and W of shape (tokens, outputs): the sum of the rows of the tokens.

    So `drawn` tokens an example make outputs of variance 2 to begin with.
    """

    tokens: int
    outputs: int
    drawn: int

    def initial(self, rng: np.random.Generator) -> Parameters:
        weight = rng.standard_normal((self.tokens, self.outputs)) * np.sqrt(2 / self.drawn)
        return (weight.astype(np.float32),)

    def forward(self, x: Array, *parameters: Array) -> Array:
        return np.asarray(x @ parameters[0])

    def backward(self, x: Array, dy: Array, *parameters: Array) -> tuple[Array, Parameters]:
        return dy @ parameters[0].T, (x.T @ dy,)


def _initial(rng: np.random.Generator, outputs: int, inputs: int) -> Parameters:
    """Weights of variance 2 / inputs (He et al. 2015, equation 10), and no bias."""
    weight = rng.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)
    return weight.astype(np.float32), np.zeros(outputs, np.float32)


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """The mean of -log softmax at the labels, and its gradient.

    logits : (n, classes); labels : (n,), integers

    >>> loss, gradient = cross_entropy(np.float32([[0.0, 0.0]]), np.array([1]))
    >>> round(loss, 4), gradient
    (0.6931, array([[ 0.5, -0.5]], dtype=float32))
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    totals = shares.sum(axis=1, keepdims=True)
    chosen = (np.arange(len(labels)), labels)
    gradient = shares / totals
    gradient[chosen] -= 1
    return float((np.log(totals[:, 0]) - shifted[chosen]).mean()), gradient / len(labels)
