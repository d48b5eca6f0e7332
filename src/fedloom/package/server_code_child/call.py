"""Calls one function of a package's ``server.py``: ``python call.py FOLDER FUNCTION``.

Runs in the package's environment and folder, so it imports the standard library and NumPy only.
What goes in and out lies in FOLDER; see `fedloom.package.server_code`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]


def main(folder: Path, name: str) -> None:
    """Call the function that the request names and write what it returns."""
    function = getattr(_load(), name)
    request = json.loads((folder / "request.json").read_text("utf-8"))
    if name == "aggregate":
        updates = [
            {"weights": _read(folder / f"update_{index}.npz"), **update}
            for index, update in enumerate(request["updates"])
        ]
        result = function(_read(folder / "weights.npz"), updates)
        arrays: dict[str, Any] = {str(i): np.asarray(a) for i, a in enumerate(result)}
        np.savez(folder / "result.npz", **arrays)
        return
    if name == "select":
        answer: Any = list(function(request["round"], request["clients"]))
    else:
        answer = [function(request["round"], client) or {} for client in request["clients"]]
    (folder / "result.json").write_text(json.dumps(answer), "utf-8")


def _load() -> Any:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as Python itself would put it there
    spec = importlib.util.spec_from_file_location("server", "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["server"] = module
    spec.loader.exec_module(module)
    return module


def _read(path: Path) -> list[Any]:
    with np.load(path) as arrays:
        return [arrays[str(index)] for index in range(len(arrays.files))]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
