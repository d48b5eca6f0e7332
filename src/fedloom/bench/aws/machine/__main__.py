"""The program of a machine."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from fedloom.bench.aws.machine.client import ClientMachine
from fedloom.bench.aws.machine.order import MachineRole, read_order
from fedloom.bench.aws.machine.server import ServerMachine
from fedloom.bench.aws.machine.store import Store
from fedloom.errors import FedloomError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do a machine's work and return the exit code."""
    given = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _carry_out(given)
    except FedloomError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m fedloom.bench.aws.machine", description=__doc__)
    add = parser.add_argument
    add("--order", required=True, type=Path, help="what to do, as JSON")
    add("--bundle", required=True, type=Path, help="folder with study and data")
    add("--work", required=True, type=Path, help="folder for everything else")
    add("--instance-id", required=True)
    add("--address", required=True, help="private, of this machine")
    add("--index", required=True, type=int, help="which client this is, from 0")
    return parser.parse_args(arguments)


def _carry_out(given: Namespace) -> None:
    from fedloom.bench.aws.cloud import open_cloud

    order = read_order(given.order)
    os.chdir(given.work)
    cloud = open_cloud(order.region, env_file=Path(os.devnull))
    store = Store(cloud.s3, order.bucket, look_every_s=order.look_every_s)
    if order.role is MachineRole.SERVER:
        ServerMachine(order, store, given.bundle, given.work, given.address).carry_out()
        return
    client = ClientMachine(
        order,
        store,
        given.bundle,
        given.work,
        index=given.index,
        instance_id=given.instance_id,
    )
    client.carry_out()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
