"""Data and model, as a plain app has them."""

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

__all__ = ["build", "load"]


def load(seed: int = 42) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the images and labels of both parts."""
    digits = load_digits()
    images = (digits.images[..., None] / 16.0).astype(np.float32)
    parts = train_test_split(images, digits.target, test_size=0.2, random_state=seed)
    return (parts[0], parts[2]), (parts[1], parts[3])


def build() -> keras.Model:
    """Return a compiled model: the layers of Fedloom's cnn for images of 8×8."""
    layers: list[keras.layers.Layer] = []
    for filters in (32, 64):
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss, metrics=["accuracy"])
    return model
