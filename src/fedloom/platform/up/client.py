"""`fedloom client` as a process: signals, log, readiness."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from fedloom.files import write_text
from fedloom.platform.client.config import NodeConfig
from fedloom.platform.client.serve import serve_client
from fedloom.platform.up.stop_signals import StopSignals

__all__ = ["run_client"]

_LOGGER = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_END_SECONDS = 15.0
_STANDARD_INPUT = 0


def run_client(
    config: NodeConfig, *, file: Path | None = None, ready: Path | None = None, child: bool = False
) -> None:
    """Be a node until a signal comes.

    Args:
        config: of the node.
        file: its configuration's file, which packages must not see.
        ready: file that is written when the node is connected.
        child: whether to end as well when standard input ends, so with whoever started it.

    Raises:
        FedloomError: the node cannot be started.
    """
    stop, faults = Event(), list[BaseException]()

    def serve() -> None:
        hidden = [file] if file is not None else []
        try:
            serve_client(config, stop, on_ready=lambda: _tell(config, ready), hidden=hidden)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            faults.append(error)

    with StopSignals() as signals:
        if child:
            Thread(target=_end_with_parent, args=(signals.ask,), daemon=True).start()
        thread = Thread(target=serve, name="serve", daemon=True)
        thread.start()
        while thread.is_alive() and not signals.wait(_LOOK_SECONDS):
            pass
        stop.set()
        thread.join(_END_SECONDS)
    if ready is not None:
        ready.unlink(missing_ok=True)
    if faults:
        raise faults[0]


def _tell(config: NodeConfig, ready: Path | None) -> None:
    _LOGGER.info("%s is connected to %s", config.name, config.superlink)
    if ready is not None:
        write_text(ready, f"{os.getpid()}\n")


def _end_with_parent(ask: Callable[[], None]) -> None:
    # Not through `sys.stdin`: its lock, held by this thread, would crash the interpreter's end.
    with suppress(OSError):
        while os.read(_STANDARD_INPUT, 1):
            continue
    with suppress(OSError):
        ask()
