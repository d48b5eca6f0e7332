"""How long `fedloom up` takes to its page and to the last part; see `up_times`."""

from __future__ import annotations

from federation.up_times import measure_up
from harness.federation_times import FederationTimes, parse_federation_options, print_federation

__all__: list[str] = []


def main() -> None:
    """Run what the command line says."""
    found = [measure_up() for _ in range(parse_federation_options().repeats)]
    print_federation(
        FederationTimes("up-page", tuple(one["page_s"] for one in found)),
        FederationTimes("up-ready", tuple(one["ready_s"] for one in found)),
    )


if __name__ == "__main__":
    main()
