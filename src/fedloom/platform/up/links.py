"""The SuperLinks of a coordinator: those it starts and keeps, and those that run elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedloom.errors import InputError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.config.superlink_address import SuperLinkAddress
from fedloom.platform.up.keeper import Keeper, Say
from fedloom.platform.up.loopback_certificates import keep_loopback_certificates
from fedloom.platform.up.state_folder import StateFolder

if TYPE_CHECKING:
    from fedloom.fleet.flower.endpoint import Endpoint
    from fedloom.fleet.flower.superlink import SuperLink

__all__ = ["Door", "open_doors"]


class Door:
    """One SuperLink as a coordinator has it.

    Attributes:
        name: what people call it.
        endpoint: where it is.
        secret: its SuperExec secret.
        keeper: what keeps it running; None for one that runs elsewhere.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, secret: bytes, keeper: Keeper | None = None
    ) -> None:
        self.name, self.endpoint, self.secret, self.keeper = name, endpoint, secret, keeper

    def start(self) -> None:
        """Start it where it is ours; returns at once."""
        if self.keeper is not None:
            self.keeper.start()

    def stop(self) -> None:
        """End it where it is ours."""
        if self.keeper is not None:
            self.keeper.stop()


def open_doors(
    config: PlatformConfig,
    folder: StateFolder,
    say: Say,
    started: Callable[[str], None] = lambda _: None,
    *,
    known_only: bool = False,
) -> Sequence[Door]:
    """Return the SuperLinks that are configured, none of them started.

    Args:
        config: says which.
        folder: of the state.
        say: tells people when one of ours ended.
        started: called with the name of one of ours each time that it answers.
        known_only: whether ours admit registered nodes only.

    Raises:
        InputError: a secret's file cannot be read.
        OutputError: a folder of ours cannot be written.
    """
    if isinstance(config.superlinks, int):
        from fedloom.fleet.flower.superlink import SuperLink

        settings: dict[str, Any] = {}
        if known_only:
            made = keep_loopback_certificates(folder.superlink_certificates)
            settings = {"certificates": made, "known_nodes_only": True}
        links = [
            SuperLink(folder.superlink(number, known_only=known_only), **settings)
            for number in range(config.superlinks)
        ]
        return [_keep(number, links, say, started) for number in range(len(links))]
    return [_other(address) for address in config.superlinks]


def _keep(
    number: int, links: Sequence[SuperLink], say: Say, started: Callable[[str], None]
) -> Door:
    link = links[number]
    name = "SuperLink" if len(links) == 1 else f"SuperLink {number + 1}"
    keeper = Keeper(name, link, say, started=lambda: started(name))
    return Door(name, link.endpoint, link.secret, keeper)


def _other(address: SuperLinkAddress) -> Door:
    from fedloom.fleet.flower.endpoint import Endpoint

    endpoint = Endpoint(address.address, address.ca, insecure=address.ca is None)
    return Door(f"SuperLink {address.address}", endpoint, _read_secret(address.secret))


def _read_secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the SuperLink's secret {path} cannot be read: {error.strerror}"
        ) from None
    if not secret:
        raise InputError(f"the SuperLink's secret {path} is empty")
    return secret
