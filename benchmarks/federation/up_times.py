"""How long `fedloom up` takes to its page and until everything is ready, and what it then uses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import httpx
import psutil

__all__ = ["measure_up"]

_LIMIT_S = 180.0
_IDLE_S = 20.0
_PAGE = re.compile(r"page ready: (http\S+/ui)")


def measure_up(*, clients: int = 3) -> dict[str, float]:
    """Start a platform in an empty folder, look at it while it is idle, and stop it.

    Returns:
        Seconds until the page answers, until all is ready, and until all has ended; megabytes of
        the process and of its largest client, and the share of a core that a client takes.
    """
    with TemporaryDirectory(prefix="fedloom-up-") as name:
        place = Path(name)
        words = ["up", "--dir", str(place / "state"), "--port", "0", "--clients", str(clients)]
        begun = monotonic()
        with (place / "out.txt").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "fedloom", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "XDG_DATA_HOME": str(place / "home")},
            )
        try:
            page_s = _wait_for_page(place / "out.txt", process, begun)
            ready_s = _wait_for(
                place / "out.txt", process, re.compile("everything is ready"), begun
            )
            idle = _look_at_idle(process)
            asked = monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(_LIMIT_S)
            return {"page_s": page_s, "ready_s": ready_s, "stop_s": monotonic() - asked, **idle}
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(_LIMIT_S)


def _wait_for_page(output: Path, process: subprocess.Popen[bytes], begun: float) -> float:
    _wait_for(output, process, _PAGE, begun)
    found = _PAGE.search(output.read_text())
    assert found is not None
    httpx.get(found[1], follow_redirects=True, timeout=_LIMIT_S).raise_for_status()
    return monotonic() - begun


def _wait_for(
    output: Path, process: subprocess.Popen[bytes], what: re.Pattern[str], begun: float
) -> float:
    while not what.search(output.read_text()):
        if process.poll() is not None or monotonic() - begun > _LIMIT_S:
            raise RuntimeError(f"fedloom up did not come up: {output.read_text()}")
        sleep(0.05)
    return monotonic() - begun


def _look_at_idle(process: subprocess.Popen[bytes]) -> dict[str, float]:
    own = psutil.Process(process.pid)
    clients = [p for p in own.children() if "client_child" in " ".join(p.cmdline())]
    before = [sum(client.cpu_times()[:2]) for client in clients]
    sleep(_IDLE_S)
    after = [sum(client.cpu_times()[:2]) for client in clients]
    shares = [(b - a) / _IDLE_S for a, b in zip(before, after, strict=True)]
    return {
        "up_mb": own.memory_info().rss / 1e6,
        "client_mb": max(client.memory_info().rss for client in clients) / 1e6,
        "client_core_share": max(shares),
    }


if __name__ == "__main__":
    for key, value in measure_up().items():
        print(f"{key:<20}{value:10.3f}")
