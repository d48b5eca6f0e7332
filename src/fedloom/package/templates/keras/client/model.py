"""The network, and how it travels: as the list of arrays that Keras gives.

Run as a script, this is the entry point `build`: it writes the seed model beside the package.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # read when Keras is imported

import keras
from fedloom.package.helpers import get_helper

PIXELS = 64
CLASSES = 10

helper = get_helper("numpyhelper")


def build_model():
    """Return a new network with one hidden layer; it gives logits."""
    return keras.Sequential(
        [
            keras.Input((PIXELS,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )


def read_model(path, learning_rate=0.1):
    """Return a network with the weights in a file, ready to be trained and scored."""
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.set_weights(helper.load(path))
    return model


def write_model(model, path):
    """Write the weights of a network to a file."""
    helper.save(model.get_weights(), path)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    write_model(build_model(), "../seed.npz")
