"""What is said where Ray ends the program: ``python -m fedloom.fleet.ray.last_words``.

Ray ends a process at once, with no word and no chance to clean up, when the node that it is
connected to dies. This process outlives that: if its input ends without a farewell, it ends what is
left of a cluster of our own, and says on the program's standard error what happened.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from fedloom.fleet.ray.session import end_session

__all__ = ["LastWords"]

_WORDS = (
    "error: the program was ended while it used the Ray cluster at {address}; if nobody killed it, "
    "the cluster is gone. Finished rounds are kept; go on with resume"
)
_END_SECONDS = 30.0


class LastWords:
    """Says them unless it is told that all is well.

    Args:
        address: of the cluster.
        session: number of the session of a cluster of our own, or 0.
        folder: of a cluster of our own, or empty.
    """

    def __init__(self, address: str, session: int = 0, folder: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fedloom.fleet.ray.last_words", address, str(session), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt of the terminal is for the program
        )

    def unsay(self) -> None:
        """All is well; may be called twice."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        try:
            self._process.communicate(b"farewell", timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_SECONDS)


def _listen(address: str, session: str, folder: str) -> None:
    if sys.stdin.read():
        return
    if int(session):
        end_session(int(session))
    if folder and Path(folder).name.startswith("fl-ray-"):
        shutil.rmtree(folder, ignore_errors=True)
    print(_WORDS.format(address=address), file=sys.stderr, flush=True)


if __name__ == "__main__":
    _listen(*sys.argv[1:4])
