"""Packages of a few lines of NumPy, which start in a tenth of a second, and clients that fail."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import fedloom

# Client i (from 0) holds the points (x, y) with x = 1 … i + 1 and y = 3 x.
TRAIN = """
    import json, os, sys, time
    import numpy as np
    from scaleoututil.helpers.helpers import get_helper, load_metadata, save_metadata

    helper = get_helper("numpyhelper")
    index = int(os.environ["FEDLOOM_CLIENT_INDEX"])
    settings = load_metadata(sys.argv[1])
    (w,) = helper.load(sys.argv[1])
    x = np.arange(1.0, index + 2)
    examples = len(x)
    w = w - 0.01 * 2 * (x * (w * x - 3 * x)).sum(keepdims=True) / examples
    arrays = [w]
    FAULT
    save_metadata({"num_examples": examples, "train_loss": 0.5, "note": "kept"}, sys.argv[2])
    helper.save(arrays, sys.argv[2])
"""

VALIDATE = """
    import os, sys
    from scaleoututil.helpers.helpers import get_helper, save_metrics

    (w,) = get_helper("numpyhelper").load(sys.argv[1])
    index = int(os.environ["FEDLOOM_CLIENT_INDEX"])
    report = {"test_loss": float(w[0]) + index, "test_accuracy": index / 10, "deep": {"a": 1}}
    save_metrics(report | {"labels": ["x"]}, sys.argv[2])
"""

BUILD = """
    import numpy as np
    from scaleoututil.helpers.helpers import get_helper

    get_helper("numpyhelper").save([np.zeros(1)], "../seed.npz")
"""


def write_package(
    folder: Path, *, fault: str = "", startup: str | None = None, **scripts: str | None
) -> Path:
    """Write a package into ``folder/client``.

    Args:
        folder: the project's folder.
        fault: what client_2 does before it saves; it may change `arrays` and `examples`.
        startup: the script of that entry point, if there is to be one.
        scripts: in place of the ones above; None leaves the entry point out.
    """
    wrong = textwrap.indent(textwrap.dedent(fault).strip() or "pass", " " * 4)
    train = textwrap.dedent(TRAIN).replace("FAULT", f"if index == 1:\n{wrong}")
    default = {"build": BUILD, "train": train, "validate": VALIDATE, "startup": startup}
    chosen = {k: v for k, v in (default | scripts).items() if v is not None}
    client = folder / "client"
    client.mkdir(parents=True)
    lines = [f"  {name}: python {name}.py" for name in chosen]
    client.joinpath("fedloom.yaml").write_text("\n".join(["entry_points:", *lines, ""]))
    for name, script in chosen.items():
        client.joinpath(f"{name}.py").write_text(textwrap.dedent(script))
    return client


def run_package(client: Path, **options: Any) -> fedloom.Run:
    """Run three clients for two rounds, unless `options` say otherwise."""
    given = {"package": client, "clients": 3, "rounds": 2, "cold": True, "output": "x"}
    return fedloom.simulate(**given | options)
