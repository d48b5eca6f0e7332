"""The models in plain NumPy: the weights that every engine starts from, and who scores the result.

No engine scores itself: each hands over its weights after `CHECK_ROUND` rounds, and the same NumPy
code computes loss and accuracy from them. As all start from the same weights and train on the same
rows, the losses agree but for the order of the rows.

Weights are a list in Keras's order and layout: kernel, bias, kernel, bias, …; a dense kernel is
(inputs, outputs), a convolution's (height, width, inputs, outputs), images are (height, width,
channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.rows import ClientRows
from harness.workloads import ModelName

__all__ = ["Weights", "compute_logits", "make_initial_weights", "score_weights"]

Floats: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = list[Floats]

_KERNELS: dict[ModelName, list[tuple[int, ...]]] = {
    ModelName.MLP: [(784, 200), (200, 200), (200, 10)],
    ModelName.CNN: [(5, 5, 1, 32), (5, 5, 32, 64), (3136, 512), (512, 10)],
    ModelName.LOGISTIC: [(64, 10)],
}
_CHUNK = 100
_CHECK_ROWS = {ModelName.MLP: 6000, ModelName.CNN: 1000, ModelName.LOGISTIC: 6000}


def make_initial_weights(model: ModelName) -> Weights:
    """Return Glorot-uniform kernels and zero biases, the same on every call."""
    rng = np.random.default_rng(1)
    weights: Weights = []
    for shape in _KERNELS[model]:
        field = int(np.prod(shape[:-2]))
        limit = (6 / (field * (shape[-2] + shape[-1]))) ** 0.5
        weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
        weights.append(np.zeros(shape[-1], np.float32))
    return weights


def compute_logits(model: ModelName, weights: Sequence[Floats], rows: Floats) -> Floats:
    """Return the model's outputs before the softmax, shape (rows, 10)."""
    hidden = rows.reshape(-1, 28, 28, 1) if model is ModelName.CNN else rows
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for kernel, bias in layers[:-1]:
        if kernel.ndim == 4:
            hidden = _halve(np.maximum(_convolve(hidden, kernel) + bias, 0))
        else:
            hidden = np.maximum(hidden.reshape(len(rows), -1) @ kernel + bias, 0)
    kernel, bias = layers[-1]
    return hidden @ kernel + bias


def score_weights(
    model: ModelName, weights: Sequence[Floats], rows: ClientRows
) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy on the first rows of the clients."""
    count = _CHECK_ROWS[model]
    features = rows.features.reshape(-1, rows.features.shape[-1])[:count]
    labels = rows.labels.reshape(-1)[:count]
    chunks = [features[i : i + _CHUNK] for i in range(0, len(features), _CHUNK)]
    logits = np.concatenate([compute_logits(model, weights, chunk) for chunk in chunks])
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1))
    losses = log_total - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


def _convolve(images: Floats, kernel: Floats) -> Floats:
    edge = kernel.shape[0] // 2
    padded = np.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))
    return np.asarray(np.tensordot(windows, kernel, axes=([3, 4, 5], [2, 0, 1])), np.float32)


def _halve(images: Floats) -> Floats:
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels)
    return np.asarray(blocks.max(axis=(2, 4)))
