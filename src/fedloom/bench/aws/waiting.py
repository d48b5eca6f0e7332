"""Waiting for AWS, always with a limit."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from fedloom.bench.aws.faults import error_code
from fedloom.errors import LinkError

__all__ = ["retry_while", "wait_until"]

T = TypeVar("T")


def wait_until(done: Callable[[], bool], what: str, *, limit_s: float, poll_s: float) -> None:
    """Look again and again until something is so.

    Args:
        done: tells whether it is.
        what: is waited for, as in "waited … for".
        limit_s: seconds.
        poll_s: between two looks.

    Raises:
        LinkError: it was not so in time.
    """
    until = monotonic() + limit_s
    while not done():
        if monotonic() > until:
            raise LinkError(f"waited {limit_s:g} s for {what}, in vain")
        sleep(poll_s)


def retry_while(
    codes: set[str], call: Callable[[], T], *, limit_s: float, poll_s: float, hint: str = ""
) -> T:
    """Call until AWS no longer answers with one of some errors, as it does for a while.

    What it makes is not known everywhere at once, and what is in use is not let go of at once.

    Args:
        codes: of the errors that pass.
        call: of boto3.
        limit_s: seconds after which the error is raised all the same.
        poll_s: between two calls.
        hint: text that the error's message must hold to count as passing.
    """
    from botocore.exceptions import ClientError

    until = monotonic() + limit_s
    while True:
        try:
            return call()
        except ClientError as error:
            passing = error_code(error) in codes and hint in str(error)
            if not passing or monotonic() > until:
                raise
        sleep(poll_s)
