"""The coordinator's side: SuperLinks, depots, gateways and the coordinator, in one process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from fedloom.errors import FedloomError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.up.keeper import Keeper, Say
from fedloom.platform.up.links import Door, open_doors
from fedloom.platform.up.state_folder import StateFolder
from fedloom.platform.up.stores import Stores

if TYPE_CHECKING:
    from fedloom.fleet.flower.depot import Depot
    from fedloom.platform.coordinator import Coordinator

__all__ = ["Federation"]

_LOGGER = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
_PAUSE_SECONDS = 2.0


class Federation:
    """All that runs tasks; `start` returns at once, and what fails is tried again.

    Args:
        config: says how.
        folder: of the state.
        stores: store, registry and broker.
        say: tells people what is ready and what ended.
        gateway: whether nodes of other machines are let in; without it nodes of this machine reach
            SuperLink and depot directly.
        known_only: whether only registered nodes are let in.

    Raises:
        InputError: a SuperLink that is configured cannot be used.
        OutputError: a folder cannot be written.
    """

    def __init__(
        self,
        config: PlatformConfig,
        folder: StateFolder,
        stores: Stores,
        say: Say,
        *,
        gateway: bool,
        known_only: bool = False,
    ) -> None:
        self._config, self._folder, self._stores, self._say = config, folder, stores, say
        self._gateway = gateway
        self._known_only = known_only
        self._answering: set[str] = set()
        self._doors = open_doors(config, folder, say, self._note, known_only=self._known_only)
        self._depots: list[Depot] = []
        self._keepers: list[Keeper] = []
        self._coordinator: Coordinator | None = None
        self._stopping, self._ready = Event(), Event()
        self._opening = Thread(target=self._open_patiently, daemon=True, name="federation")

    @property
    def doors(self) -> Sequence[Door]:
        """Its SuperLinks."""
        return self._doors

    @property
    def ready(self) -> bool:
        """Whether the coordinator takes tasks."""
        return self._ready.is_set()

    @property
    def coordinator(self) -> Coordinator | None:
        """The coordinator, once it is there."""
        return self._coordinator

    def state(self) -> Any:
        """Return how the coordinator is doing, None before it is there."""
        return None if self._coordinator is None else self._coordinator.state

    def describe_way(self, number: int) -> dict[str, str]:
        """Return in variables how a client of this machine gets in.

        Where there is a gateway it is the only way: the depot's links lead to it.

        Args:
            number: of the client, from 0; several SuperLinks are dealt in turn.
        """
        at = number % len(self._doors)
        if not self._gateway:
            address = self._doors[at].endpoint.address
            return {"FEDLOOM_CLIENT_SUPERLINK": address, "FEDLOOM_CLIENT_INSECURE": "true"}
        config = self._config
        secured = config.tls_certificate is not None
        host = config.gateway_host
        if host in ("", "0.0.0.0", "::"):
            host = "localhost" if secured else "127.0.0.1"
        way = {"FEDLOOM_CLIENT_SUPERLINK": f"{host}:{config.gateway_port + at}"}
        if not secured:
            return {**way, "FEDLOOM_CLIENT_INSECURE": "true"}
        return {**way, "FEDLOOM_CLIENT_CA": str(config.ca or config.tls_certificate)}

    def start(self) -> None:
        """Begin with everything; returns at once."""
        for door in self._doors:
            door.start()
        self._opening.start()

    def stop_coordinator(self) -> None:
        """Let the coordinator put its tasks down where they can be taken up again."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._opening.ident is not None:
            self._opening.join(_STOP_SECONDS)
        if self._coordinator is not None and not self._coordinator.stop(_STOP_SECONDS):
            _LOGGER.warning("the coordinator did not end in time; its tasks go on when it starts")

    def stop(self) -> None:
        """End all of it, the coordinator first."""
        self.stop_coordinator()
        for keeper in self._keepers:
            keeper.stop()
        for depot in self._depots:
            depot.stop()
        stops = [Thread(target=door.stop, daemon=True) for door in self._doors]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join(2 * _STOP_SECONDS)

    def _note(self, name: str) -> None:
        again = name in self._answering
        self._answering.add(name)
        self._say(f"{name} answers{' again' if again else ''}")

    def _open_patiently(self) -> None:
        """Open the coordinator; a fault may pass, so it is tried until that works."""
        told = ""
        while not self._stopping.is_set():
            try:
                self._open()
            except FedloomError as error:
                if str(error) != told:
                    told = str(error)
                    self._say(f"the coordinator cannot start yet: {told}")
                self._stopping.wait(_PAUSE_SECONDS)
            except Exception as error:
                # Whatever it is, people must learn why no task begins.
                _LOGGER.exception("the coordinator cannot start")
                self._say(f"the coordinator cannot start: {type(error).__name__}: {error}")
                return
            else:
                return

    def _open(self) -> None:
        from fedloom.fleet.flower.link import Link
        from fedloom.platform.coordinator import Coordinator

        if not self._depots:
            self._open_ways()
        links = [
            Link(door.endpoint, door.secret, depot)
            for door, depot in zip(self._doors, self._depots, strict=True)
        ]
        coordinator = Coordinator(
            store=self._stores.store,
            registry=self._stores.registry,
            links=links,
            folder=self._folder.coordinator,
            broker=self._stores.broker,
            settings=self._settings(),
        )
        coordinator.start()
        self._coordinator = coordinator
        self._ready.set()
        self._say("coordinator ready")

    def _settings(self) -> Any:
        from fedloom.platform.coordinator import CoordinatorSettings

        config = self._config
        return CoordinatorSettings(
            slots=config.slots,
            lease_s=config.lease_s,
            policy=config.policy,
            wait_s=config.wait_s,
            round_timeout_s=config.round_timeout_s,
            keep_days=config.keep_days,
            known_nodes_only=self._known_only,
        )

    def _open_ways(self) -> None:
        """Start a depot for each SuperLink, and a gateway before both."""
        from fedloom.fleet.flower.depot import Depot

        self._folder.depot.mkdir(parents=True, exist_ok=True)
        depots: list[Depot] = []
        for number, door in enumerate(self._doors):
            place = self._folder.depot / str(number)
            depot = Depot(place, public_url="" if self._gateway else None)
            depot.start()
            depots.append(depot)
            if self._gateway:
                self._keep_gateway(number, door, depot.url)
        self._depots = depots

    def _keep_gateway(self, number: int, door: Door, depot_url: str) -> None:
        from fedloom.fleet.flower.gateway import Gateway

        config = self._config
        host = config.gateway_host or "127.0.0.1"
        port = config.gateway_port + number if config.gateway_port else 0
        gateway = Gateway(door.endpoint, depot_url, host, port, _certificates(config))
        name = "gateway" if len(self._doors) == 1 else f"gateway {number + 1}"
        keeper = Keeper(
            name, gateway, self._say, started=lambda: self._say(f"{name} ready: {gateway.url}")
        )
        keeper.start()
        self._keepers.append(keeper)


def _certificates(config: PlatformConfig) -> Any:
    if config.tls_certificate is None or config.tls_key is None:
        return None
    from fedloom.fleet.flower.superlink import Certificates

    authority = config.ca or Path(config.tls_certificate)
    return Certificates(authority, config.tls_certificate, config.tls_key)
