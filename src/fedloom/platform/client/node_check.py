"""Looking whether a node could work, before it is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fedloom.errors import FedloomError
from fedloom.platform.client.config import NodeConfig

__all__ = ["check_node"]


def check_node(config: NodeConfig) -> Iterator[tuple[str, bool, str]]:
    """Yield what was looked at, whether it is fine, and what was found; nothing is changed but
    that a missing key is made.
    """
    yield "configuration", True, f"node {config.name}, state in {config.state}"
    looks: list[tuple[str, Callable[[NodeConfig], str]]] = [
        ("key", _look_at_key),
        ("policy", _look_at_policy),
        ("sandbox", _look_at_sandbox),
        *((f"data {name}", _make_look(name)) for name in config.datasets),
        ("SuperLink", _look_at_superlink),
    ]
    if not config.datasets:
        yield "data", False, "no datasets are configured, so it takes part in nothing"
    for name, look in looks:
        try:
            yield name, True, look(config)
        except FedloomError as error:
            yield name, False, str(error)


def _look_at_key(config: NodeConfig) -> str:
    from fedloom.fleet.flower.node.identity import Identity

    Identity.keep(config.key_path)
    return str(config.key_path)


def _look_at_policy(config: NodeConfig) -> str:
    from fedloom.platform.client.policy_file import read_policy

    found = read_policy(config.policy_path)
    named = len(found.packages) + len(found.digests) + len(found.trusted_keys) + len(found.models)
    there = "" if config.policy_path.exists() else "; there is no file, so this is the default"
    return f"mode {found.mode}, {named} packages, keys and models allowed{there}"


def _look_at_sandbox(_config: NodeConfig) -> str:
    from fedloom.platform.client.sandbox import find_isolation

    isolation = find_isolation()
    return "; ".join(isolation.warnings()) or "network, files and processes can be kept apart"


def _make_look(use_case: str) -> Callable[[NodeConfig], str]:
    def look(config: NodeConfig) -> str:
        from fedloom.platform.client.datasets import DataShelf

        return f"{DataShelf(config.datasets).summarize(use_case).rows} rows"

    return look


def _look_at_superlink(config: NodeConfig) -> str:
    from fedloom.errors import LinkError
    from fedloom.fleet.flower.endpoint import Endpoint

    endpoint = Endpoint(config.superlink, config.ca, insecure=config.insecure)
    if not _answers(endpoint):
        raise LinkError(f"{endpoint} does not answer as a SuperLink or gateway")
    return f"{endpoint} answers"


def _answers(endpoint: object) -> bool:
    """Look once; a gateway passes no health on, but says so over HTTP."""
    import ssl
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit

    from fedloom.fleet.flower.endpoint import Endpoint

    assert isinstance(endpoint, Endpoint)
    place = urlsplit(str(endpoint))
    try:
        connection: HTTPConnection
        if endpoint.insecure:
            connection = HTTPConnection(place.hostname or "", place.port, timeout=5)
        else:
            authority = None if endpoint.authority is None else str(endpoint.authority)
            context = ssl.create_default_context(cafile=authority)
            connection = HTTPSConnection(
                place.hostname or "", place.port, timeout=5, context=context
            )
        connection.request("GET", "/v1/fleet/")
        return connection.getresponse().status > 0
    except (OSError, HTTPException, ValueError):
        return False
