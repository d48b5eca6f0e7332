"""The entry point `validate`: score a model on this client's images and write the scores as JSON.

By hand: python validate.py ../model_update.npz ../validation.json
         --data_path data/clients/1/mnist.pt
"""

import argparse

import torch
from scaleoututil.helpers.helpers import save_metrics

from data import load_data
from model import read_model


def validate(model_in, metrics_out, data_path=None):
    """Write loss and accuracy on both parts of the client's images.

    Args:
        model_in: file of the model.
        metrics_out: where the JSON goes.
        data_path: the client's file; None leaves it to `load_data`.
    """
    model = read_model(model_in)
    model.eval()
    metrics = {}
    for part in ("training", "test"):
        images, labels = load_data(data_path, is_train=part == "training")
        with torch.no_grad():
            logits = model(images)
        metrics[f"{part}_loss"] = torch.nn.functional.cross_entropy(logits, labels).item()
        metrics[f"{part}_accuracy"] = (logits.argmax(1) == labels).float().mean().item()
    save_metrics(metrics, metrics_out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("metrics_out")
    parser.add_argument("--data_path")
    validate(**vars(parser.parse_args()))
