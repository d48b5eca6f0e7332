"""How a coordinator works."""

from __future__ import annotations

from dataclasses import dataclass

from fedloom.errors import InputError

__all__ = ["CoordinatorSettings"]


@dataclass(frozen=True)
class CoordinatorSettings:
    """How a coordinator works; the defaults suit one machine as well as many.

    Attributes:
        slots: tasks that it runs at once.
        lease_s: seconds after which another may take the tasks of a coordinator that was killed.
        policy: which task is next: a name of `fedloom schedule --policy`, or FILE.py:CLASS.
        max_attempts: how often a task is taken up before it fails.
        wait_s: seconds that a task waits for the clients that it needs.
        round_timeout_s: seconds after which a round goes on without those who have not answered,
            where a task does not say it.
        poll_s: seconds between looks at the queue; messages of the broker come faster.
        keep_days: after so many days what has ended is forgotten; None keeps it.
        roll_call_s: seconds between looks at who is online.
        known_nodes_only: let in the nodes whose keys are registered, and nobody else; for
            SuperLinks that were started so.
    """

    slots: int = 2
    lease_s: float = 30.0
    policy: str = "fifo"
    max_attempts: int = 5
    wait_s: float = 60.0
    round_timeout_s: float = 600.0
    poll_s: float = 1.0
    keep_days: float | None = None
    roll_call_s: float = 3.0
    known_nodes_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what would not work.

        Raises:
            InputError: the message names the field.
        """
        for name in ("slots", "max_attempts"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"{name}={value}: at least 1 would be right")
        for name in ("lease_s", "round_timeout_s", "poll_s", "roll_call_s"):
            if not (value := getattr(self, name)) > 0:
                raise InputError(f"{name}={value}: more than 0 would be right")
        if self.lease_s < 2:
            raise InputError(f"lease_s={self.lease_s}: at least 2 would be right")
        if self.wait_s < 0:
            raise InputError(f"wait_s={self.wait_s}: 0 or more would be right")
        if self.keep_days is not None and not self.keep_days > 0:
            raise InputError(f"keep_days={self.keep_days}: more than 0 would be right")
