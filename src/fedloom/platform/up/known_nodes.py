"""Whether a coordinator lets in registered nodes only, and where nobody said so, what is safe."""

from __future__ import annotations

from fedloom.errors import InputError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.up.ports import is_loopback

__all__ = ["admits_known_only", "refuse_known_only"]


def admits_known_only(config: PlatformConfig) -> bool:
    """Tell whether only nodes whose keys are registered are let in.

    Where the configuration does not say: yes, if other machines are let in over TLS and the
    SuperLinks are ours. How a SuperLink was started that runs elsewhere, nobody here knows.

    Raises:
        InputError: it is asked for, and a SuperLink elsewhere is named without its authority.
    """
    wanted, links = config.known_nodes_only, config.superlinks
    if isinstance(links, int):
        secured = config.tls_certificate is not None and not is_loopback(config.gateway_host)
        return secured if wanted is None else wanted
    if wanted and (plain := [link.address for link in links if link.ca is None]):
        raise InputError(
            f"known_nodes_only: SuperLink {plain[0]} is named without a CA_FILE, and Flower admits"
            " registered nodes over TLS only: start it with fedloom superlink --known-nodes-only"
        )
    return bool(wanted)


def refuse_known_only(config: PlatformConfig) -> None:
    """Refuse it for `fedloom up`, whose own clients nobody registers.

    Raises:
        InputError: it is asked for.
    """
    if config.known_nodes_only:
        raise InputError(
            "known_nodes_only is for fedloom server: nobody registers the clients of fedloom up"
        )
