"""The entry point `train`: read the global model, train it on this client's flowers, write it.

By hand: python train.py ../seed.npz ../model_update.npz --data_path data/clients/1/iris.npz
"""

import argparse

import numpy as np
from fedloom.package.helpers import load_metadata, save_metadata

from data import load_data
from model import helper, predict


def train(model_in, model_out, data_path=None):
    """Take as many gradient steps on all flowers as the round's settings ask for, or twenty.

    Args:
        model_in: file of the global model, with the settings in `<model_in>-metadata`.
        model_out: where the update goes, with its metadata in `<model_out>-metadata`.
        data_path: the client's file; None leaves it to `load_data`.
    """
    settings = read_settings(model_in)
    steps = settings.get("steps") or 20
    learning_rate = settings.get("learning_rate") or 2.0

    lengths, species = load_data(data_path)
    kernel, bias = helper.load(model_in)
    wanted = np.eye(len(bias), dtype=np.float32)[species]
    for _ in range(steps):
        slope = (predict((kernel, bias), lengths) - wanted) / len(species)
        kernel = kernel - learning_rate * lengths.T @ slope
        bias = bias - learning_rate * slope.sum(0)

    helper.save([kernel, bias], model_out)
    save_metadata({"num_examples": len(species), "learning_rate": learning_rate}, model_out)


def read_settings(model_in):
    """Return what the round asks of this client; by hand there need not be anything."""
    try:
        return load_metadata(model_in)
    except FileNotFoundError:
        return {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("model_out")
    parser.add_argument("--data_path")
    train(**vars(parser.parse_args()))
