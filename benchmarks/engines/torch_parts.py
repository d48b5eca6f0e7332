"""What the PyTorch engines share: the models, a client's epoch, and the layout of weights."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from harness.reference import Weights
from harness.workloads import ModelName

__all__ = ["build_net", "export_weights", "import_weights", "load_weights", "run_epoch"]

_FLATTENED = (7, 7, 64)  # height, width, channels before the CNN's first dense layer


def build_net(model: ModelName, layout: str = "plain") -> nn.Sequential:
    """Return a workload's model; `layout` "channels_last" orders images as oneDNN likes them."""
    if model is ModelName.LOGISTIC:
        return nn.Sequential(nn.Linear(64, 10))
    if model is ModelName.MLP:
        layers = [nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(200, 10))
    net = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10)),
    )
    return net.to(memory_format=torch.channels_last) if layout == "channels_last" else net


def import_weights(weights: Weights) -> list[Tensor]:
    """Turn weights in Keras's layout into those of `build_net`, in the order of parameters."""
    return [torch.from_numpy(np.ascontiguousarray(_to_torch(array))) for array in weights]


def load_weights(net: nn.Module, weights: Weights) -> None:
    """Set a model's parameters from weights in Keras's layout."""
    with torch.no_grad():
        for parameter, tensor in zip(net.parameters(), import_weights(weights), strict=True):
            parameter.copy_(tensor)


def export_weights(tensors: list[Tensor]) -> Weights:
    """Turn parameters of `build_net` into weights in Keras's layout."""
    return [_to_keras(tensor.detach().cpu().numpy()) for tensor in tensors]


def run_epoch(net: nn.Module, x: Tensor, y: Tensor, batch_size: int, learning_rate: float) -> None:
    """Train one epoch of plain SGD as a PyTorch user writes it; rows come in a random order."""
    optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate)
    for features, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(net(features), labels).backward()
        optimizer.step()


def _to_torch(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[0] == np.prod(_FLATTENED):
        return array.reshape(*_FLATTENED, -1).transpose(3, 2, 0, 1).reshape(array.shape[1], -1)
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def _to_keras(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == np.prod(_FLATTENED):
        height, width, channels = _FLATTENED
        images = array.reshape(-1, channels, height, width)
        return images.transpose(2, 3, 1, 0).reshape(array.shape[1], -1)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
