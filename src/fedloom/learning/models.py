"""The built-in models, sized by the data, and the way to a user's own Keras model."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from fedloom.errors import ModelError
from fedloom.learning.describe import describe_error
from fedloom.learning.model_names import MODEL_NAMES, is_user_model
from fedloom.learning.user_model import load_user_model
from fedloom.naming import match_name
from fedloom.randomness import derive_seed

__all__ = ["build_model"]

_LARGE_IMAGE_PIXELS = 16
"""From this side length on, convolutions are 5×5 as in McMahan et al. (2017), else 3×3."""


def build_model(
    name: str,
    feature_shape: Sequence[int],
    outputs: int,
    *,
    hidden: Sequence[int] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a Keras model for rows of one shape.

    Args:
        name: ``logistic``, ``mlp``, ``cnn``, ``package.module:function``, ``file.py``,
            ``file.py:function`` or ``file.keras``.
        feature_shape: shape of one row, such as (28, 28, 1).
        outputs: width of the last layer; built-in models give logits, or one number.
        hidden: widths of the hidden dense layers; None takes the model's own default.
        seed: determines the initial weights, and nothing else: Python's and NumPy's global
            generators are restored.

    Raises:
        UnknownNameError: no model has that name.
        ModelError: the model cannot be loaded or does not fit the data.
    """
    with _seeded_globals(derive_seed(seed, "initial weights") % 2**32):
        if is_user_model(name):
            if hidden is not None:
                raise ModelError(f"hidden: {name!r} is a model of its own; leave hidden out")
            model = load_user_model(name, tuple(feature_shape), outputs)
        else:
            build = _BUILDERS[match_name("model", name, MODEL_NAMES)]
            model = build(tuple(feature_shape), outputs, hidden)
    _check_fit(name, model, tuple(feature_shape), outputs)
    return model


def _build_logistic(
    shape: tuple[int, ...], outputs: int, hidden: Sequence[int] | None
) -> keras.Model:
    """Multinomial logistic regression, or linear regression for one output."""
    if hidden is not None:
        raise ModelError("hidden: model 'logistic' has no hidden layer; leave hidden out")
    return _stack(shape, [], outputs)


def _build_mlp(shape: tuple[int, ...], outputs: int, hidden: Sequence[int] | None) -> keras.Model:
    """Fully connected layers with ReLU."""
    widths = (64,) if hidden is None else hidden
    return _stack(shape, [keras.layers.Dense(w, activation="relu") for w in widths], outputs)


def _build_cnn(shape: tuple[int, ...], outputs: int, hidden: Sequence[int] | None) -> keras.Model:
    """Two convolutions with pooling and dense layers; 28×28 and hidden 512 is McMahan's CNN."""
    if len(shape) != 3 or min(shape[:2]) < 4:
        raise ModelError(
            f"model 'cnn' needs images of at least 4×4 pixels, not rows of shape {shape}; "
            "choose mlp or logistic"
        )
    size = 5 if min(shape[:2]) >= _LARGE_IMAGE_PIXELS else 3
    layers: list[Any] = []
    for filters in (32, 64):
        layers += [
            keras.layers.Conv2D(filters, size, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
        ]
    layers.append(keras.layers.Flatten())
    widths = (128,) if hidden is None else hidden
    layers += [keras.layers.Dense(w, activation="relu") for w in widths]
    return keras.Sequential([keras.Input(shape), *layers, keras.layers.Dense(outputs)])


_BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "logistic": _build_logistic,
    "mlp": _build_mlp,
    "cnn": _build_cnn,
}


def _stack(shape: tuple[int, ...], layers: list[Any], outputs: int) -> keras.Model:
    flatten = [keras.layers.Flatten()] if len(shape) > 1 else []
    return keras.Sequential([keras.Input(shape), *flatten, *layers, keras.layers.Dense(outputs)])


def _check_fit(name: str, model: keras.Model, shape: tuple[int, ...], outputs: int) -> None:
    """Call the model on symbolic rows, which also builds one that was not built yet."""
    try:
        given = model(keras.Input(shape))
    except Exception as error:  # Keras and layers of the user's raise many kinds
        raise ModelError(
            f"model {name!r} does not take rows of shape {shape}: {describe_error(error)}"
        ) from error
    found = getattr(given, "shape", None)
    if not isinstance(found, tuple) or len(found) != 2 or found[-1] != outputs:
        what = "several outputs" if found is None else f"outputs of shape {found}"
        raise ModelError(f"model {name!r} gives {what}; this data set needs (rows, {outputs})")
    if not model.trainable_variables:
        raise ModelError(f"model {name!r} has no trainable weights")


@contextmanager
def _seeded_globals(seed: int) -> Iterator[None]:
    """Seed the generators that Keras initialisers draw from, and restore Python's and NumPy's."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
