"""A client that trains for one epoch on its shard, and scores weights on its test rows."""

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from stock_keras_app.model import build, load

app = ClientApp()


def _shard(context: Context, part: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = load()[part]
    number, nodes = int(context.node_config["partition-id"]), int(context.run_config["nodes"])
    rows = np.array_split(np.arange(len(labels)), nodes)[number]
    return images[rows], labels[rows]


@app.train()
def train(message: Message, context: Context) -> Message:
    """Return the weights after one epoch."""
    model = build()
    model.set_weights(message.content["arrays"].to_numpy_ndarrays())
    images, labels = _shard(context, 0)
    told = model.fit(images, labels, batch_size=32, epochs=1, verbose=0)
    metrics = MetricRecord({"num-examples": len(labels), "loss": told.history["loss"][0]})
    arrays = ArrayRecord(model.get_weights())
    content = RecordDict({"arrays": arrays, "metrics": metrics})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Return loss and accuracy on this client's test rows."""
    model = build()
    model.set_weights(message.content["arrays"].to_numpy_ndarrays())
    images, labels = _shard(context, 1)
    loss, score = model.evaluate(images, labels, verbose=0)
    metrics = MetricRecord({"num-examples": len(labels), "loss": loss, "score": score})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
