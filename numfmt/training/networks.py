"""The networks that are trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from .layers import Convolution, Dense, Embedding, Layer, Levels, Rectifier, Reshape

HIDDEN = 64  # units of each hidden layer of the perceptron
CHANNELS = (8, 16)  # of the two convolutions
SIZE = 3  # of their windows
LEVELS = 17  # of gray, each a token for each pixel
Layers = tuple[Layer, ...]


def perceptron(shape: tuple[int, ...], classes: int) -> Layers:
    """Two hidden layers; examples of any shape.

    >>> len(perceptron((8, 8), 10))
    6
    """
    inputs = prod(shape)
    return (
        Reshape((inputs,)), Dense(inputs, HIDDEN), Rectifier(), Dense(HIDDEN, HIDDEN), Rectifier(),
        Dense(HIDDEN, classes),
    )  # fmt: skip


def convolutional(shape: tuple[int, ...], classes: int) -> Layers:
    """Two convolutions and a layer that reads them; examples are images, with or without channels.

    >>> convolutional((8, 8), 10)[-1]
    Dense(inputs=256, outputs=10)
    """
    lost = len(CHANNELS) * (SIZE - 1)
    if len(shape) not in (2, 3) or min(shape[:2]) <= lost:
        raise ValueError(
            f"'convolution' takes images of at least {lost + 1} x {lost + 1} pixels, shape (n, height, width) or "
            f"(n, height, width, channels); these examples have the shape {shape}: use network='mlp'"
        )
    image = (*shape, 1)[:3]
    first, second = CHANNELS
    outputs = (image[0] - lost) * (image[1] - lost) * second
    return (
        Reshape(image), Convolution(image[2], first, SIZE), Rectifier(), Convolution(first, second, SIZE),
        Rectifier(), Reshape((outputs,)), Dense(outputs, classes),
    )  # fmt: skip


def embedding(shape: tuple[int, ...], classes: int) -> Layers:
    """The sum of a row for each input and level, of which some are rare; then the layers of the perceptron.

    >>> embedding((8, 8), 10)[1]
    Embedding(tokens=1088, outputs=64, drawn=64)
    """
    inputs = prod(shape)
    return (
        Levels(LEVELS), Embedding(inputs * LEVELS, HIDDEN, inputs), Rectifier(), Dense(HIDDEN, HIDDEN),
        Rectifier(), Dense(HIDDEN, classes),
    )  # fmt: skip


NETWORKS: dict[str, Callable[[tuple[int, ...], int], Layers]] = {
    "mlp": perceptron,
    "convolution": convolutional,
}
# of these, layers are large enough that optimizers keep their states in 8 bits
LARGE_NETWORKS: dict[str, Callable[[tuple[int, ...], int], Layers]] = {
    "mlp": perceptron,
    "embedding": embedding,
}
