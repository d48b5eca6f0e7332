"""``server.py``: a package that chooses, configures and aggregates by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedloom.errors import InputError, PackageError

from .light_packages import run_package, write_package

SERVER = """
    import os
    import numpy as np

    def select(round, clients):
        assert [c["num_examples"] for c in clients] == ([0, 0, 0] if round == 1 else [1, 0, 3])
        return ["client_3", 0]

    def configure(round, client):
        return {"for": client["client_id"], "turn": round * 10}

    def aggregate(weights, updates):
        assert [u["num_examples"] for u in updates] == [1, 3]
        assert os.path.exists("fedloom.yaml")
        return [max((u["weights"][0] for u in updates), key=sum) + 1]
"""
ECHO = """
    import sys
    from scaleoututil.helpers.helpers import get_helper, load_metadata, save_metadata
    import os

    helper = get_helper("numpyhelper")
    helper.save(helper.load(sys.argv[1]), sys.argv[2])
    rows = int(os.environ["FEDLOOM_CLIENT_INDEX"]) + 1
    save_metadata({"num_examples": rows, **load_metadata(sys.argv[1])}, sys.argv[2])
"""


def write_server(client: Path, script: str) -> Path:
    import textwrap

    client.joinpath("server.py").write_text(textwrap.dedent(script))
    return client


@pytest.mark.parametrize("cold", [True, False])
def test_its_functions_take_the_place_of_the_algorithm_s(tmp_path: Path, cold: bool) -> None:
    client = write_server(write_package(tmp_path, train=ECHO), SERVER)
    run = run_package(client, cold=cold)
    assert run.clients["client_id"].to_list() == ["client_1", "client_3"] * 2
    assert run.weights(1)[0].tolist() == [1.0]
    assert run.weights(2)[0].tolist() == [2.0]
    document = run.path / "metrics/round_0002/client_0003.train.json"
    told = json.loads(document.read_text())
    assert told == {"round": 2, "seed": 42, "for": "client_3", "turn": 20}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("def aggregate(w, u):\n    raise ValueError('no mean')", "aggregate.*no mean"),
        ("def aggregate(w, u):\n    return [w[0], w[0]]", "aggregate: .*2 arrays"),
        ("def aggregate(w, u):\n    return [w[0] * float('nan')]", "NaN or infinity"),
        ("def select(r, c):\n    return ['me']", "select returned .*me"),
        ("def configure(r, c):\n    return 3", "configure returned 3"),
        ("def other():\n    pass", "defines none of select, configure, aggregate"),
        ("def (", "no valid Python"),
    ],
)
def test_what_it_does_wrong_ends_the_run_in_words(tmp_path: Path, server: str, words: str) -> None:
    client = write_server(write_package(tmp_path), server)
    with pytest.raises(PackageError, match=words):
        run_package(client, rounds=1)


def test_it_does_not_go_with_privacy(tmp_path: Path) -> None:
    client = write_server(write_package(tmp_path), SERVER)
    with pytest.raises(InputError, match="its privacy does not hold with aggregate"):
        run_package(client, algorithm="DPFedAvg")
