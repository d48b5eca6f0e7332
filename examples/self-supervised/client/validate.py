"""The entry point `validate`: see what the features are worth, and write that as JSON.

By hand: python validate.py ../model_update.npz ../validation.json
         --data_path data/clients/1/digits.npz
"""

import argparse

import torch
from fedloom.package.helpers import save_metrics

from data import load_data
from model import make_view, read_model


def validate(model_in, metrics_out, data_path=None):
    """Write three numbers about the model.

    `test_loss` is that of training, on the images for tests; `test_accuracy` is that of giving each
    of them the label of the image for training with the most similar features; `spread` is the mean
    standard deviation of the features, which goes to 0 if they all become the same.

    Args:
        model_in: file of the model.
        metrics_out: where the JSON goes.
        data_path: the client's file; None leaves it to `load_data`.
    """
    model = read_model(model_in)
    known, known_labels = (torch.from_numpy(array) for array in load_data(data_path))
    pixels, labels = (torch.from_numpy(array) for array in load_data(data_path, is_train=False))
    same_views = torch.Generator().manual_seed(0)
    with torch.no_grad():
        loss = model(make_view(pixels, same_views), make_view(pixels, same_views))
        references, features = encode(model, known), encode(model, pixels)
    nearest = (features @ references.T).argmax(1)
    accuracy = (known_labels[nearest] == labels).float().mean()
    spread = features.std(0).mean()
    save_metrics({"test_loss": loss, "test_accuracy": accuracy, "spread": spread}, metrics_out)


def encode(model, pixels):
    """Return the features of images, each of length 1."""
    return torch.nn.functional.normalize(model.encoder(pixels))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("metrics_out")
    parser.add_argument("--data_path")
    validate(**vars(parser.parse_args()))
