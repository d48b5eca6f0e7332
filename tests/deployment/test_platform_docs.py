"""What docs/platform.md shows, on a platform: its blocks under `<!-- live -->`, in their order."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "platform.md"
READY_SECONDS, BLOCK_SECONDS, END_SECONDS = 300, 300, 60
SCRIPTS = Path(sys.executable).parent

Block = tuple[int, str, str]
"""Line, language and text."""


def live_blocks() -> list[Block]:
    text = PAGE.read_text("utf-8")
    pattern = r"^<!-- live -->\n```(bash|python)\n(.*?)^```$"
    found = re.finditer(pattern, text, re.MULTILINE | re.DOTALL)
    return [(text[: one.start()].count("\n") + 2, one[1], one[2]) for one in found]


@dataclass(frozen=True)
class Live:
    """A platform for the page's blocks, and where they run."""

    url: str
    token: str
    folder: Path

    def run(self, language: str, text: str) -> str:
        shell = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
        own = {"FEDLOOM_URL": self.url, "FEDLOOM_TOKEN": self.token}
        ended = subprocess.run(
            [*shell[language], text],
            cwd=self.folder,
            env=os.environ | own | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_SECONDS,
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    state, work = folder / "state", folder / "work"
    work.mkdir()
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [SCRIPTS / "fedloom", "up", "--dir", state, "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Live(_wait(process, log), (state / "token").read_text().strip(), work)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=END_SECONDS)


def _wait(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the API's address once everything is ready."""
    until = monotonic() + READY_SECONDS
    while "everything is ready" not in (said := log.read_text("utf-8")):
        assert process.poll() is None, said
        assert monotonic() < until, said
        sleep(0.2)
    address = re.search(r"http://[\d.:]+", said)
    assert address is not None, said
    return address[0]


def test_the_blocks_of_the_page_run_in_their_order(live: Live) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here, with which the page shows the API")
    blocks = live_blocks()
    assert len(blocks) >= 9
    said = {}
    for line, language, text in blocks:
        said[line] = live.run(language, text)
    files = {path.name for path in live.folder.iterdir()}
    assert {"iris.csv", "iris.html", "model.npz", "history.json", "iris.tgz"} <= files
    outputs = "\n".join(said.values())
    assert "task 1: success after 4 rounds" in outputs
    assert "task 2: success after 3 rounds" in outputs
    assert outputs.count(": failed") == 0
