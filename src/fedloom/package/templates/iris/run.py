"""The whole way on one machine: a platform, three nodes of unequal size, a task, and its model.

By hand: python run.py
         python run.py --url https://fedloom.example.org:8000 --rounds 8

Without an address it starts a platform of its own and stops it at the end; with one, the platform
must have nodes that hold data for `iris` and allow this package. A token comes from FEDLOOM_TOKEN.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import fedloom

PACKAGE = Path(__file__).parent / "client"
LIMIT_S = 300


@contextmanager
def start_platform(folder):
    """Run `fedloom up` in a process of its own; lend its address and token."""
    command = [sys.executable, "-m", "fedloom", "up", "--dir", str(folder), "--port", "0"]
    address = folder / "address"
    address.unlink(missing_ok=True)  # of an earlier run
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: process.poll() is not None or address.exists(), "the platform")
        if process.poll() is not None:
            sys.exit(f"fedloom up ended: {(folder / 'up.out').read_text()}")
        yield address.read_text().strip(), (folder / "token").read_text().strip()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until(done, what):
    """Look until something is so, but not for ever."""
    ends = time.monotonic() + LIMIT_S
    while not done():
        if time.monotonic() > ends:
            sys.exit(f"{what} is not there after {LIMIT_S} s")
        time.sleep(0.2)


def train_together(platform, rounds, nodes, output):
    """Push the package, train it, fetch the model; return each round's accuracy."""

    def holders():
        return [h for h in platform.datasets.list().get("iris", ()) if h.online]

    wait_until(lambda: len(holders()) >= nodes, f"a number of {nodes} nodes")
    for holder in holders():
        print(f"{holder.node} holds {holder.rows} flowers")

    version = platform.packages.push(PACKAGE, "iris", use_case="iris")
    print(f"pushed as {version}")
    task = platform.tasks.create(
        model_name=version.name,
        model_version=version.version,
        use_case="iris",
        num_global_iterations=rounds,
        min_clients=nodes,
    )
    scores = []

    def show(row, _task):
        scores.append(row["global_score"])
        print(f"round {row['round']}: accuracy {row['global_score']:.3f}")

    task = platform.tasks.wait(task.id, LIMIT_S, on_round=show)
    if task.status != "success":
        sys.exit(f"task {task.id} {task.status}: {task.reason}")
    platform.tasks.result(task.id, output)
    print(f"{task.result_model} version {task.result_version} is in {output}")
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="address of a platform; by default one is started")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--nodes", type=int, default=3, help="nodes to wait for")
    parser.add_argument("--dir", type=Path, help="state of the platform that is started")
    parser.add_argument("--output", type=Path, default=Path("iris-model.npz"))
    given = parser.parse_args()
    walk = (given.rounds, given.nodes, given.output)
    if given.url:
        with fedloom.connect(given.url) as platform:
            train_together(platform, *walk)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="fedloom-iris-") as scratch,
            start_platform(given.dir or Path(scratch)) as access,
            fedloom.connect(*access) as platform,
        ):
            train_together(platform, *walk)
