"""The process of one client: ``python -m fedloom.fleet.process.worker DESCRIPTOR``.

It waits for work on the pipe that it was started with and ends when the other side is gone.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from fedloom.fleet.local_client import LocalClient
from fedloom.fleet.process.messages import Done, Failed, Welcome
from fedloom.learning.describe import describe_error

__all__ = ["serve"]


def serve(pipe: Connection) -> None:
    """Do what comes through the pipe until the other side closes it."""
    try:
        welcome, client = pipe.recv(), None
        while True:
            order = pipe.recv()
            try:
                client = client or _open(welcome)
                answer: Done | Failed = client.train(order, welcome.client)
            except Exception as error:  # noqa: BLE001 - a user's model may raise anything
                answer = Failed(describe_error(error))
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _open(welcome: Welcome) -> LocalClient:
    return LocalClient(welcome.data.open(), welcome.rows, welcome.training, welcome.objective)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
