"""The network, and how it travels: as the list of its arrays, in the order of its state.

Run as a script, this is the entry point `build`: it writes the seed model beside the package.
"""

import torch
from fedloom.package.helpers import get_helper

PIXELS = 64
CLASSES = 10

helper = get_helper("numpyhelper")


def build_model():
    """Return a new network with one hidden layer; it gives logits."""
    return torch.nn.Sequential(
        torch.nn.Linear(PIXELS, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, CLASSES),
    )


def read_model(path):
    """Return a network with the weights in a file."""
    model = build_model()
    arrays = helper.load(path)
    names = model.state_dict()
    state = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
    model.load_state_dict(state)
    return model


def write_model(model, path):
    """Write the weights of a network to a file."""
    helper.save([tensor.numpy() for tensor in model.state_dict().values()], path)


if __name__ == "__main__":
    torch.manual_seed(0)
    write_model(build_model(), "../seed.npz")
