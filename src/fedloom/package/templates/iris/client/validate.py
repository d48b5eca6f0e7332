"""The entry point `validate`: score a model on the flowers for tests and write the scores as JSON.

By hand: python validate.py ../model_update.npz ../validation.json
         --data_path data/clients/1/iris.npz
"""

import argparse

import numpy as np
from fedloom.package.helpers import save_metrics

from data import load_data
from model import helper, predict


def validate(model_in, metrics_out, data_path=None):
    """Write loss and accuracy.

    Args:
        model_in: file of the model.
        metrics_out: where the JSON goes.
        data_path: the client's file; None leaves it to `load_data`.
    """
    lengths, species = load_data(data_path, is_train=False)
    chances = predict(helper.load(model_in), lengths)
    loss = -np.log(chances[np.arange(len(species)), species] + 1e-12).mean()
    accuracy = (chances.argmax(1) == species).mean()
    save_metrics({"test_loss": loss, "test_accuracy": accuracy}, metrics_out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("metrics_out")
    parser.add_argument("--data_path")
    validate(**vars(parser.parse_args()))
