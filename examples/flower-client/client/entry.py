"""All entry points but `startup`, around a Flower client: files in, one call of it, files out.

Put your own client into `make_client`; nothing else here knows what it trains.

By hand: python entry.py train ../seed.npz ../model_update.npz --data_path data/clients/1/digits.npz
"""

import argparse

from fedloom.package.helpers import get_helper, load_metadata, save_metadata, save_metrics

from client import DigitsClient
from data import load_data

helper = get_helper("numpyhelper")


def make_client(data_path):
    """Return the Flower client that holds the data in a file."""
    return DigitsClient(load_data(data_path), load_data(data_path, is_train=False))


def build():
    """Write the seed model beside the package."""
    client = DigitsClient(train=None, test=None)  # its data is not needed for this
    helper.save(client.get_parameters({}), "../seed.npz")


def train(model_in, model_out, data_path=None):
    """Let the client fit; the settings of the round are its config, its metrics go along."""
    client = make_client(data_path)
    parameters, num_examples, metrics = client.fit(helper.load(model_in), read_settings(model_in))
    helper.save(parameters, model_out)
    save_metadata({"num_examples": num_examples, **metrics}, model_out)


def validate(model_in, metrics_out, data_path=None):
    """Let the client evaluate, and write loss and metrics as JSON."""
    loss, num_examples, metrics = make_client(data_path).evaluate(helper.load(model_in), {})
    save_metrics({"loss": loss, "num_examples": num_examples, **metrics}, metrics_out)


def read_settings(model_in):
    """Return what the round asks of this client; by hand there need not be anything."""
    try:
        return load_metadata(model_in)
    except FileNotFoundError:
        return {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    for command, out in {"train": "model_out", "validate": "metrics_out"}.items():
        inner = commands.add_parser(command)
        inner.add_argument("model_in")
        inner.add_argument(out)
        inner.add_argument("--data_path")
    given = vars(parser.parse_args())
    {"build": build, "train": train, "validate": validate}[given.pop("command")](**given)
