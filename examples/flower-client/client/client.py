"""A Flower client as it would be written for Flower alone: softmax regression in NumPy."""

import numpy as np
from flwr.client import NumPyClient

PIXELS = 64
CLASSES = 10


class DigitsClient(NumPyClient):
    """A client that holds digits.

    Args:
        train: pixels and labels to train on.
        test: pixels and labels to score with.
    """

    def __init__(self, train, test):
        self.train = train
        self.test = test

    def get_parameters(self, config):  # noqa: ARG002 - Flower's signature
        """Return the weights that a federation starts from."""
        return [np.zeros((PIXELS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)]

    def fit(self, parameters, config):
        """Train by gradient steps; return the weights, the rows and the metrics."""
        kernel, bias = (np.array(array) for array in parameters)
        pixels, labels = self.train
        rate = config.get("learning_rate") or 0.1
        rng = np.random.default_rng()
        for _ in range(config.get("epochs") or 5):
            order = rng.permutation(len(pixels))
            for rows in np.array_split(order, max(1, len(order) // 32)):
                slope = softmax(pixels[rows] @ kernel + bias)
                slope[np.arange(len(rows)), labels[rows]] -= 1
                kernel -= rate * pixels[rows].T @ slope / len(rows)
                bias -= rate * slope.mean(0)
        return [kernel, bias], len(pixels), {"learning_rate": rate}

    def evaluate(self, parameters, config):  # noqa: ARG002 - Flower's signature
        """Return the loss, the rows it is the mean over, and the accuracy."""
        kernel, bias = parameters
        pixels, labels = self.test
        chances = softmax(pixels @ kernel + bias)
        loss = -np.log(chances[np.arange(len(labels)), labels] + 1e-12).mean()
        accuracy = (chances.argmax(1) == labels).mean()
        return float(loss), len(labels), {"accuracy": float(accuracy)}


def softmax(logits):
    """Return the probabilities that logits stand for, row by row."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
