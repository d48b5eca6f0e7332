"""FedAvg in its own loop, scored after every round; the time of every round goes to a file."""

import json
import time
from pathlib import Path

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from stock_keras_app.model import build, load

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds that the configuration asks for."""
    told = context.run_config
    model, (_, (images, labels)) = build(), load()
    moments: list[float] = []
    scores: list[float] = []

    def score(_number: int, arrays: ArrayRecord) -> MetricRecord:
        model.set_weights(arrays.to_numpy_ndarrays())
        loss, accuracy = model.evaluate(images, labels, verbose=0)
        moments.append(time.perf_counter())
        scores.append(float(accuracy))
        return MetricRecord({"loss": loss, "score": accuracy})

    nodes = int(told["nodes"])
    strategy = FedAvg(
        fraction_train=1.0,
        fraction_evaluate=1.0,
        min_train_nodes=nodes,
        min_evaluate_nodes=nodes,
        min_available_nodes=nodes,
    )
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(model.get_weights()),
        num_rounds=int(told["rounds"]),
        timeout=600,
        evaluate_fn=score,
    )
    report = Path(str(told["report"]))
    beside = report.with_suffix(".part")
    beside.write_text(json.dumps({"moments": moments, "scores": scores}))
    beside.replace(report)
