"""Irises on a platform: one command, from nothing to a better model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedloom.package.archive import digest_folder
from fedloom.platform.demo import demo_digest

from .trial import EXAMPLES

SECONDS = 420


def test_the_nodes_of_a_demo_allow_the_example() -> None:
    assert digest_folder(EXAMPLES / "iris" / "client") == demo_digest()


@pytest.mark.skipif(os.name != "posix", reason="the platform runs on Linux")
def test_the_accuracy_rises(tmp_path: Path) -> None:
    variables = {
        **os.environ,
        "XDG_DATA_HOME": str(tmp_path / "home"),
        "FEDLOOM_CACHE_DIR": str(tmp_path / "cache"),
    }
    model = tmp_path / "model.npz"
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "iris" / "run.py"), "--rounds", "3", "--output", model],
        env=variables,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    held = re.findall(r"^(client-\d) holds (\d+) flowers$", ended.stdout, re.MULTILINE)
    assert held == [("client-1", "60"), ("client-2", "34"), ("client-3", "26")]
    scores = [float(found) for found in re.findall(r"accuracy ([\d.]+)", ended.stdout)]
    assert len(scores) == 3
    assert scores[-1] > max(scores[0], 0.6)
    assert "trained_iris version 1" in ended.stdout
    with np.load(model) as found:
        assert [found[name].shape for name in sorted(found.files)] == [(4, 3), (3,)]
