"""The entry point `predict`: say of each flower for tests which species it is likely to be.

By hand: python predict.py ../model_update.npz ../predictions.json
         --data_path data/clients/1/iris.npz
"""

import argparse
import json
from pathlib import Path

from data import load_data
from model import helper, predict


def write_predictions(model_in, predictions_out, data_path=None):
    """Write the probability of each species, a row for each flower.

    Args:
        model_in: file of the model.
        predictions_out: where the JSON goes.
        data_path: the client's file; None leaves it to `load_data`.
    """
    lengths, _ = load_data(data_path, is_train=False)
    chances = predict(helper.load(model_in), lengths)
    Path(predictions_out).write_text(json.dumps({"chances": chances.round(4).tolist()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_in")
    parser.add_argument("predictions_out")
    parser.add_argument("--data_path")
    write_predictions(**vars(parser.parse_args()))
