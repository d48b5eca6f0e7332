"""The place in a depot where the answer to one letter is expected."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from fedloom.errors import DataError
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.freight import Announced, Waybill, spread

__all__ = ["Receipt"]


@dataclass(frozen=True, eq=False)
class Receipt:
    """A link under which one node brings the arrays of one answer.

    Attributes:
        depot: that has the place.
        link: the node's.
    """

    depot: Depot
    link: str

    def reopen(self) -> None:
        """Forget what was brought: the letter is sent again, and its answer is another one."""
        self.depot.reopen(self.link)

    def unload(self, waybill: Waybill, announced: Announced) -> dict[str, Weights]:
        """Return the arrays that were brought; they can be written to, and no file stays.

        They are read from the disk when they are used, and not before.

        Raises:
            DataError: nothing was brought, or not what the node announced.
        """
        path = self.depot.take(self.link, waybill.digest)
        if path is None:
            raise DataError("it announced arrays that it has not brought")
        try:
            with path.open("rb") as file:
                content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        except (OSError, ValueError) as error:
            raise DataError(f"what it brought cannot be read: {error}") from error
        self.depot.withdraw(self.link)
        return spread(content, announced)

    def withdraw(self) -> None:
        """Expect nothing any more."""
        self.depot.withdraw(self.link)
