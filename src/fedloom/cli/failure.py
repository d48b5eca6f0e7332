"""How a command ends: the one place where an exception becomes a line and an exit code."""

from __future__ import annotations

import os
import select
import sys
import traceback
from enum import IntEnum
from io import UnsupportedOperation
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from fedloom.errors import FedloomError

__all__ = ["ExitCode", "report_failure"]


class ExitCode(IntEnum):
    """What the shell learns from a command; listed at the end of `fedloom --help`."""

    DONE = 0
    FAILED = 1
    WRONG_REQUEST = 2
    BUG = 70
    INTERRUPTED = 130


def report_failure(error: BaseException) -> int:
    """Say on one line of stderr why a command ended early, and return its exit code.

    Args:
        error: what was raised. A `FedloomError` carries its own exit code; a usage error of click
            is answered with the nearest flag; anything unforeseen is a bug in Fedloom: its
            traceback goes to a file, or to stderr with ``FEDLOOM_DEBUG=1``.
    """
    match error:
        case FedloomError():
            _say(f"error: {error}")
            return error.exit_code
        case click.ClickException():
            _say(f"error: {_describe_usage(error)}")
            return ExitCode.WRONG_REQUEST
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted")
            return ExitCode.INTERRUPTED
        case BrokenPipeError() if not _stdout_is_open():
            return ExitCode.FAILED  # nobody is left to read why; Rich and click end so too
        case ModuleNotFoundError(name=str(module)) if module.partition(".")[0] != "fedloom":
            _say(f"error: the Python module {module!r} is not installed; see 'fedloom doctor'")
            return ExitCode.FAILED
        case _:
            _say(f"internal error: {type(error).__name__}: {error}; {_keep_traceback(error)}")
            return ExitCode.BUG


def _say(text: str) -> None:
    """Print one line, whatever line breaks `text` holds."""
    print("fedloom:", " ".join(text.split()), file=sys.stderr)


def _describe_usage(error: click.ClickException) -> str:
    """Return click's own sentence, which names the nearest flag, and where to read more."""
    message = error.format_message().strip()
    message = message[:1].lower() + message[1:]
    if not message.endswith((".", "?")):
        message += "."
    context = getattr(error, "ctx", None)
    return f"{message} See '{context.command_path} --help'." if context else message


def _stdout_is_open() -> bool:
    """Tell whether anyone still reads stdout; if not, let Python end without a second complaint."""
    try:
        number = sys.stdout.fileno()
    except UnsupportedOperation:
        return True  # held in memory, as by tests
    reader = select.poll()
    reader.register(number, 0)
    if not any(event & select.POLLERR for _, event in reader.poll(0)):
        return True
    # Python flushes stdout once more as it ends; that must go somewhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return False


def _keep_traceback(error: BaseException) -> str:
    """Show or store the traceback of a bug, and return the words that say where it is."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("FEDLOOM_DEBUG", "") in ("", "0"):
        try:
            with NamedTemporaryFile(
                "w", prefix="fedloom-", suffix=".traceback", encoding="utf-8", delete=False
            ) as file:
                file.write(text)
            return f"please report it with {Path(file.name)}"
        except OSError:
            pass  # no room for a file: stderr is what is left
    print(text, file=sys.stderr)
    return "please report it with the traceback above"
