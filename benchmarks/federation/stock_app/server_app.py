"""FedAvg in its own loop; the time of every round goes to a file."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds that the configuration asks for."""
    told = context.run_config
    moments: list[float] = []
    first: list[float] = []

    def note(_number: int, arrays: ArrayRecord) -> None:
        moments.append(time.perf_counter())
        first.append(float(arrays.to_numpy_ndarrays()[0][0]))

    nodes = int(told["nodes"])
    strategy = FedAvg(
        fraction_train=1.0,
        fraction_evaluate=0.0,
        min_train_nodes=nodes,
        min_available_nodes=nodes,
    )
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros(int(told["size"]), np.float32)]),
        num_rounds=int(told["rounds"]),
        timeout=600,
        evaluate_fn=note,
    )
    report = Path(str(told["report"]))
    beside = report.with_suffix(".part")
    beside.write_text(json.dumps({"moments": moments, "first": first}))
    beside.replace(report)
