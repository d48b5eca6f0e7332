"""The client side of the Flower engine: what Ray's actors import, once each.

A module of its own, so that actors load it by name and keep model and rows between messages; a
function defined in the started script would travel by value with every message.
"""

from __future__ import annotations

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from engines.torch_parts import build_net, run_epoch
from harness.assignment import DATA_FOLDER
from harness.rows import ClientRows, load_rows
from harness.workloads import Workload, find_workload

__all__ = ["app"]

app = ClientApp()
_kept: dict[str, tuple[Workload, ClientRows, torch.nn.Module]] = {}


def _recall(name: str, layout: str, device: str) -> tuple[Workload, ClientRows, torch.nn.Module]:
    if name not in _kept:
        torch.set_num_threads(1)
        workload = find_workload(name)
        net = build_net(workload.model, layout).to(device)
        _kept[name] = workload, load_rows(workload, DATA_FOLDER, shared=True), net
    return _kept[name]


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train one client for one epoch and return its weights."""
    config = message.content["config"]
    device = str(config["device"])
    workload, rows, net = _recall(str(config["workload"]), str(config["layout"]), device)
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    client = int(context.node_config["partition-id"])
    order = np.random.default_rng().permutation(workload.rows_per_client)
    x = torch.from_numpy(rows.features[client][order]).to(device)
    y = torch.from_numpy(rows.labels[client][order]).to(device)
    run_epoch(net, x, y, workload.batch_size, workload.learning_rate)
    count = MetricRecord({"num-examples": workload.rows_per_client})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": count})
    return Message(content=content, reply_to=message)
