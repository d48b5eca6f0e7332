"""What goes wrong in a policy, told in the policy's terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import FrameSummary, extract_tb
from types import FunctionType

import fedloom.scheduling
from fedloom.errors import InputError
from fedloom.scheduling.policy import Policy

__all__ = ["PolicyError", "policy_errors"]

_HOUSE = Path(fedloom.scheduling.__file__).parent
_SHIPPED = _HOUSE / "policies"


class PolicyError(InputError):
    """A policy asked for what cannot be, or failed.

    Args:
        policy: its name.
        what: what was wrong.
    """

    def __init__(self, policy: str, what: str) -> None:
        super().__init__(f"policy {policy}: {what}")
        self.policy = policy


@contextmanager
def policy_errors(policy: Policy) -> Iterator[None]:
    """Turn what a policy raises into a `PolicyError` that names the line of its code.

    That it wants to end the program counts as raised. An `InputError` that the policy itself raises
    says what it has to say and passes. So does an error in which no code of the policy has a part:
    a fault of the simulator.
    """
    try:
        yield
    except (PolicyError, MemoryError):
        raise
    except InputError as error:
        frames = extract_tb(error.__traceback__)
        if _is_foreign(frames[-1]):
            raise
        raise PolicyError(policy.name, f"{error}{_place(policy, frames)}") from error
    except (Exception, SystemExit) as error:
        place = _place(policy, extract_tb(error.__traceback__))
        if not place:
            raise
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise PolicyError(policy.name, f"{' '.join(said.split())}{place}") from error


def _place(policy: Policy, frames: list[FrameSummary]) -> str:
    """Return the innermost line of the policy's code that led to an error; "" if there is none."""
    methods = [f for each in type(policy).__mro__ for f in vars(each).values()]
    files = {f.__code__.co_filename for f in methods if isinstance(f, FunctionType)}
    foreign = [frame for frame in frames if _is_foreign(frame)]
    own = [frame for frame in foreign if frame.filename in files]
    for frame in (own or foreign)[-1:]:
        return f" ({frame.filename}:{frame.lineno} in {frame.name})"
    return ""


def _is_foreign(frame: FrameSummary) -> bool:
    """Return whether code is a policy's, or what a policy calls, and not the simulator's."""
    path = Path(frame.filename)
    return not path.is_relative_to(_HOUSE) or path.is_relative_to(_SHIPPED)
