"""What a client takes before its first task: memory, and processor time while it waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil

from fedloom.fleet.flower.admission import list_nodes
from fedloom.fleet.flower.superlink import SuperLink
from harness.federation_times import FederationTimes, parse_federation_options, print_federation

__all__ = ["measure_client"]

_START_SECONDS, _END_SECONDS = 120.0, 30.0
_SETTLE_SECONDS, _WATCH_SECONDS = 70.0, 60.0
_ROWS = 150


def measure_client(*, quick: bool) -> list[FederationTimes]:
    """Run `fedloom client` with a data set of 150 rows and no task.

    Args:
        quick: watch it for a shorter time, in which it still looks more often.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        folder = Path(name)
        rows = "".join(f"{n},{n % 7},{n % 3}\n" for n in range(_ROWS))
        (folder / "data.csv").write_text(f"a,b,label\n{rows}")
        with SuperLink(folder / "superlink") as link:
            config = folder / "node.yaml"
            config.write_text(
                f"name: bench\nstate: state\nsuperlink: {link.endpoint.address}\ninsecure: true\n"
                "datasets:\n  demo: {path: data.csv, label: label}\n"
            )
            program = Path(sys.executable).parent / "fedloom"
            command = [str(program), "client", "--config", str(config)]
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                return _watch(link, psutil.Process(process.pid), quick=quick)
            finally:
                process.terminate()
                process.wait(_END_SECONDS)


def _watch(link: SuperLink, client: psutil.Process, *, quick: bool) -> list[FederationTimes]:
    until = monotonic() + _START_SECONDS
    while not any(node.online for node in list_nodes(link.endpoint)):
        if monotonic() > until or not client.is_running():
            raise SystemExit(f"the client was not there after {_START_SECONDS:.0f} s")
        sleep(0.2)
    sleep(15.0 if quick else _SETTLE_SECONDS)
    begun, before = monotonic(), sum(client.cpu_times()[:2])
    sleep(15.0 if quick else _WATCH_SECONDS)
    share = 100 * (sum(client.cpu_times()[:2]) - before) / (monotonic() - begun)
    family = [client, *client.children(recursive=True)]
    held = sum(one.memory_info().rss for one in family) / 1e6
    return [
        FederationTimes("client-memory", (held,)),
        FederationTimes("client-cpu", (share,)),
    ]


def main() -> None:
    """Run what the command line says."""
    print_federation(*measure_client(quick=parse_federation_options().quick))


if __name__ == "__main__":
    main()
