"""The fleets of a combined one, side by side: each in a thread, and some of them away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from fedloom.errors import LinkError
from fedloom.fleet.flower.fleet import FlowerFleet

__all__ = ["Combiners"]

_LOGGER = logging.getLogger(__name__)

_TRIES = 3
"""A SuperLink that is only slow is asked again whether it is up."""

_Result = TypeVar("_Result")


class Combiners:
    """Fleets, of which each is used by one thread at a time.

    Args:
        fleets: at least one.
    """

    def __init__(self, fleets: Sequence[FlowerFleet]) -> None:
        self._fleets = list(fleets)
        self._threads = ThreadPoolExecutor(len(fleets), thread_name_prefix="combiner")

    def alive(self, errors: dict[int, LinkError] | None = None) -> list[int]:
        """Return whose SuperLinks answer; all if none does, since then waiting is all there is.

        Args:
            errors: takes what is to be said of the others.
        """
        everyone = range(len(self._fleets))
        if len(self._fleets) == 1:
            return [0]
        answers = list(self._threads.map(_answers, self._fleets))
        away = [n for n in everyone if not answers[n]]
        if len(away) == len(self._fleets):
            return list(everyone)
        for number in away:
            endpoint = self._fleets[number].endpoint
            _LOGGER.warning("the SuperLink at %s does not answer", endpoint)
            if errors is not None:
                errors[number] = LinkError(f"its SuperLink at {endpoint} does not answer")
        return [n for n in everyone if answers[n]]

    def on_each(
        self,
        numbers: Sequence[int],
        do: Callable[[int, FlowerFleet], _Result],
        errors: dict[int, LinkError] | None = None,
    ) -> dict[int, _Result]:
        """Do something with several fleets at once; whose SuperLink goes away is left out.

        Args:
            numbers: of the fleets.
            do: gets a fleet with its number.
            errors: takes why fleets are left out; without it, one of them is raised where nothing
                was found at all.

        Raises:
            Exception: what `do` raised, after all others were stopped.
        """
        futures = {n: self._threads.submit(do, n, self._fleets[n]) for n in numbers}
        self._stop_after_first_fault(list(futures.values()))
        away: dict[int, LinkError] = {} if errors is None else errors
        found: dict[int, _Result] = {}
        for number, future in futures.items():
            error = future.exception()
            if isinstance(error, LinkError):
                _LOGGER.warning("%s: %s", self._fleets[number].endpoint, error)
                away[number] = error
            else:
                found[number] = future.result()
        if errors is None and away and not found:
            raise away[min(away)]
        return found

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _stop_after_first_fault(self, futures: Sequence[Future[_Result]]) -> None:
        """Wait for all; once one fails for another reason than its link, cancel the others."""
        waiting, stopped = set(futures), False
        while waiting:
            done, waiting = wait(waiting, return_when="FIRST_COMPLETED")
            faults = (future.exception() for future in done)
            if not stopped and any(f and not isinstance(f, LinkError) for f in faults):
                stopped = True
                for fleet in self._fleets:
                    fleet.cancel()


def _answers(fleet: FlowerFleet) -> bool:
    return any(fleet.endpoint.answers() for _ in range(_TRIES))
