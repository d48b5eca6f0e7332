"""JAX starts once in a test process, with two host devices: two lanes to compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedloom.learning import use_backend

use_backend("jax")
import jax  # noqa: E402 - the backend is chosen before anything imports Keras

if jax.config.jax_num_cpu_devices < 2:
    jax.config.update("jax_num_cpu_devices", 2)

USER_MODEL = """
import keras

def build_model(feature_shape, outputs):
    return keras.Sequential([
        keras.Input(feature_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.4),
        keras.layers.Dense(outputs, activation="softmax", kernel_regularizer="l2"),
    ])
"""


@pytest.fixture(scope="session")
def user_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with batch statistics, dropout, a regulariser and probabilities."""
    path = tmp_path_factory.mktemp("models") / "noisy.py"
    path.write_text(USER_MODEL)
    return path
