"""The entry point `train`: read the global model, train it on this client's images, write it.

By hand: python train.py ../seed.npz ../model_update.npz --data_path data/clients/1/mnist.pt
"""

import argparse

import torch
from scaleoututil.helpers.helpers import load_metadata, save_metadata

from data import load_data
from model import read_model, write_model


def train(model_in, model_out, data_path=None):
    """Train for the epochs that the round's settings ask for, or one.

    Args:
        model_in: file of the global model, with the settings in `<model_in>-metadata`.
        model_out: where the update goes, with its metadata in `<model_out>-metadata`.
        data_path: the client's file; None leaves it to `load_data`.
    """
    settings = read_settings(model_in)
    epochs = settings.get("epochs") or 1
    batch_size = settings.get("batch_size") or 32
    learning_rate = settings.get("learning_rate") or 0.1

    images, labels = load_data(data_path)
    model = read_model(model_in)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(images)).split(batch_size):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(images):.4f}")

    write_model(model, model_out)
    metadata = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    metadata |= {"num_examples": len(images), "training_loss": total / len(images)}
    save_metadata(metadata, model_out)


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
