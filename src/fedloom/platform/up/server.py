"""`fedloom server` as a process: coordinator, SuperLinks, depots and gateways."""

from __future__ import annotations

from fedloom.platform.config import PlatformConfig
from fedloom.platform.up.console import Console
from fedloom.platform.up.federation import Federation
from fedloom.platform.up.health import HealthServer
from fedloom.platform.up.known_nodes import admits_known_only
from fedloom.platform.up.ports import check_exposure, is_loopback, listen
from fedloom.platform.up.state_folder import StateFolder
from fedloom.platform.up.stop_signals import StopSignals
from fedloom.platform.up.stores import open_stores

__all__ = ["run_server"]

_LOOK_SECONDS = 0.5


def run_server(config: PlatformConfig, console: Console) -> None:
    """Run tasks until a signal comes.

    Raises:
        FedloomError: it cannot be started; what fails later is tried again.
    """
    check_exposure("the gateway", config.gateway_host, config)
    listen(config.gateway_host or "127.0.0.1", config.gateway_port, "--gateway-port").close()
    known_only = admits_known_only(config)
    folder = StateFolder(config.dir)
    with StopSignals() as signals, folder.hold("server"):
        stores = open_stores(config, folder)
        federation = Federation(
            config, folder, stores, console.say, gateway=True, known_only=known_only
        )
        health: HealthServer | None = None
        try:
            if config.health_port is not None:
                health = HealthServer(config.health_host, config.health_port, federation.state)
                health.start()
                console.say(f"health and metrics: {health.url}")
            federation.start()
            if known_only:
                console.say(
                    "nodes are let in once their keys are registered: fedloom node register"
                )
            if not is_loopback(config.gateway_host) and config.tls_certificate is None:
                console.say("warning: nodes connect without TLS, as was asked for")
            while not signals.wait(_LOOK_SECONDS):
                pass
        finally:
            federation.stop()
            if health is not None:
                health.stop()
            stores.close()
    console.say("stopped")
