"""`fedloom up`: API, page and coordinator in one process, SuperLink and clients as children."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from fedloom.errors import InputError, LinkError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.up.api import open_api
from fedloom.platform.up.clients import Clients, write_clients
from fedloom.platform.up.console import Console
from fedloom.platform.up.federation import Federation
from fedloom.platform.up.known_nodes import refuse_known_only
from fedloom.platform.up.ports import check_exposure, listen
from fedloom.platform.up.state_folder import StateFolder
from fedloom.platform.up.stop_signals import StopSignals
from fedloom.platform.up.stores import Stores, open_stores
from fedloom.platform.up.web import Web

if TYPE_CHECKING:
    from fedloom.platform.api import ApiServer

__all__ = ["run_up"]

_LOOK_SECONDS = 0.2


def run_up(config: PlatformConfig, console: Console, *, browser: bool = False) -> None:
    """Run the whole platform until a signal comes.

    Args:
        config: says how.
        console: tells people what is ready.
        browser: whether to open the page in the user's browser.

    Raises:
        FedloomError: it cannot be started.
    """
    refuse_known_only(config)
    if config.gateway_host:
        check_exposure("the gateway", config.gateway_host, config)
        listen(config.gateway_host, config.gateway_port, "--set gateway_port=").close()
        if not config.gateway_port:
            raise InputError("gateway_port is 0: clients of fedloom up need to know it; choose one")
    folder = StateFolder(config.dir)
    with StopSignals() as signals, folder.hold("api", "server"):
        _Up(config, folder, console, signals).run(browser)
    console.say("stopped; start it again with the same folder to go on")


class _Up:
    def __init__(
        self,
        config: PlatformConfig,
        folder: StateFolder,
        console: Console,
        signals: StopSignals,
    ) -> None:
        self._config, self._folder = config, folder
        self._console, self._signals = console, signals
        self._federation: Federation | None = None
        self._clients: Clients | None = None
        self._stores: Stores | None = None
        self._web = Web(config)

    def run(self, browser: bool) -> None:
        try:
            self._stores = open_stores(self._config, self._folder)
            token = self._folder.open_doors(self._stores.store)
            gateway = bool(self._config.gateway_host)
            say = self._console.say
            self._federation = Federation(
                self._config, self._folder, self._stores, say, gateway=gateway
            )
            self._federation.start()
            self._web.start(self._open_api)
            self._show(token, browser)
            self._start_clients(self._federation)
            self._look_after()
        finally:
            self._stop()

    def _open_api(self) -> ApiServer:
        assert self._stores is not None
        assert self._federation is not None
        return open_api(self._config, self._stores, self._folder, self._federation.state)

    def _show(self, token: str, browser: bool) -> None:
        address = self._web.address
        found = self._folder.tell_address(address, self._config.ca)
        self._console.say(f"page ready: {address}/ui")
        nodes = ""
        if self._config.gateway_host:
            place = f"{self._config.gateway_host}:{self._config.gateway_port}"
            nodes = f"    nodes  superlink: {place}, in a node's configuration\n"
        self._console.show(
            f"\n    page   {address}/ui\n    API    {address}/docs\n{nodes}    token  {token}\n"
            f"           (also in {self._folder.token})\n"
        )
        if not found:
            self._console.say(
                "commands find another platform that runs here already; for this one:"
                f" export FEDLOOM_DIR={self._folder.path}"
            )
        if browser:
            import webbrowser

            Thread(target=webbrowser.open, args=(f"{address}/ui",), daemon=True).start()

    def _start_clients(self, federation: Federation) -> None:
        config = self._config
        files = write_clients(self._folder, config.clients, demo=config.demo)
        self._clients = Clients(files, self._folder, federation.describe_way, self._console.say)
        self._clients.start()

    def _look_after(self) -> None:
        """Tell what becomes ready, and wait for a signal."""
        told = 0
        whole = False
        while not self._signals.wait(_LOOK_SECONDS):
            if not self._web.alive:
                raise LinkError(f"the web server ended; see {self._folder.log / 'up.log'}")
            if whole:
                continue
            assert self._clients is not None
            connected = self._clients.connected
            if connected > told:
                told = connected
                self._console.say(f"{connected} of {len(self._clients)} clients connected")
            if whole := self._is_whole(connected):
                self._console.say("everything is ready; Ctrl-C stops it")

    def _is_whole(self, connected: int) -> bool:
        assert self._federation is not None
        assert self._stores is not None
        assert self._clients is not None
        ready = self._federation.ready and self._stores.registry.is_ready
        return ready and connected == len(self._clients)

    def _stop(self) -> None:
        """End everything: who takes requests and tasks first, the SuperLinks last."""
        self._console.say("stopping")
        web = Thread(target=self._web.stop, daemon=True)
        web.start()
        if self._federation is not None:
            self._federation.stop_coordinator()
        if self._clients is not None:
            self._clients.stop()
        if self._federation is not None:
            self._federation.stop()
        web.join(8.0)
        if self._stores is not None:
            self._stores.close()
