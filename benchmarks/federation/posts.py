"""Tasks posted to the API; see `api_posts`."""

from __future__ import annotations

from federation.api_posts import measure_posts
from harness.federation_times import FederationTimes, parse_federation_options, print_federation

__all__: list[str] = []

_SECONDS, _QUICK_SECONDS = 5.0, 2.0


def main() -> None:
    """Run what the command line says."""
    given = parse_federation_options()
    seconds = _QUICK_SECONDS if given.quick else _SECONDS
    rates = tuple(measure_posts(seconds) for _ in range(given.repeats))
    print_federation(FederationTimes("api-posts", rates))


if __name__ == "__main__":
    main()
