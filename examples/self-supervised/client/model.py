"""A Siamese network that learns features without labels, and how it travels.

After Chen and He, "Exploring Simple Siamese Representation Learning" (CVPR 2021): two views of one
image go through the same encoder, a predictor maps the features of one view to those of the other,
and the other side gets no gradient, without which all features would become the same.

Run as a script, this is the entry point `build`: it writes the seed model beside the package.
"""

import torch
from fedloom.package.helpers import get_helper

SIDE = 8
FEATURES = 32

helper = get_helper("numpyhelper")


class Siamese(torch.nn.Module):
    """An encoder and a predictor."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(
            torch.nn.Linear(SIDE * SIDE, 128),
            normalize(128),
            torch.nn.ReLU(),
            torch.nn.Linear(128, FEATURES),
            normalize(FEATURES),
        )
        self.predictor = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, 16),
            normalize(16),
            torch.nn.ReLU(),
            torch.nn.Linear(16, FEATURES),
        )

    def forward(self, first, second):
        """Return the loss of two views, from -1 (features agree) to 1."""
        one, two = self.encoder(first), self.encoder(second)
        return (self._compare(one, two) + self._compare(two, one)) / 2

    def _compare(self, features, target):
        predicted = self.predictor(features)
        return -torch.nn.functional.cosine_similarity(predicted, target.detach()).mean()


def normalize(width):
    """Return a layer that normalises each feature over the batch, and remembers no batch.

    Without running averages, all that a model holds are weights, which may be averaged.
    """
    return torch.nn.BatchNorm1d(width, track_running_stats=False)


def make_view(pixels, generator=None):
    """Return images shifted by up to a pixel, with noise, and some pixels wiped out.

    Args:
        pixels: 64 for each image, from 0 to 1.
        generator: of the random numbers; None takes PyTorch's own.
    """
    images = pixels.reshape(-1, SIDE, SIDE)
    down, right = torch.randint(-1, 2, (2,), generator=generator).tolist()
    images = torch.roll(images, (down, right), (1, 2)).reshape(pixels.shape)
    kept = torch.rand(images.shape, generator=generator) > 0.2
    return images * kept + 0.1 * torch.randn(images.shape, generator=generator)


def read_model(path):
    """Return a network with the weights in a file."""
    model = Siamese()
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
    write_model(Siamese(), "../seed.npz")
