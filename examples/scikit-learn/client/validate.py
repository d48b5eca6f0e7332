"""The entry point `validate`: score a model on this client's rows and write the scores as JSON.

By hand: python validate.py ../model_update.npz ../validation.json
         --data_path data/clients/1/digits.npz
"""

import argparse

from fedloom.package.helpers import save_metrics
from sklearn.metrics import log_loss

from data import load_data
from model import CLASSES, read_model


def validate(model_in, metrics_out, data_path=None):
    """Write loss and accuracy on both parts of the client's rows.

    Args:
        model_in: file of the model.
        metrics_out: where the JSON goes.
        data_path: the client's file; None leaves it to `load_data`.
    """
    model = read_model(model_in)
    metrics = {}
    for part in ("training", "test"):
        pixels, labels = load_data(data_path, is_train=part == "training")
        probabilities = model.predict_proba(pixels)
        metrics[f"{part}_loss"] = log_loss(labels, probabilities, labels=CLASSES)
        metrics[f"{part}_accuracy"] = model.score(pixels, labels)
    save_metrics(metrics, metrics_out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("metrics_out")
    parser.add_argument("--data_path")
    validate(**vars(parser.parse_args()))
