"""The API and the page: how they are put together, and `fedloom api` as a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fedloom.errors import LinkError
from fedloom.platform.config import PlatformConfig
from fedloom.platform.identity import Role, bootstrap_admin
from fedloom.platform.up.console import Console
from fedloom.platform.up.ports import is_loopback
from fedloom.platform.up.state_folder import StateFolder, read_token
from fedloom.platform.up.stop_signals import StopSignals
from fedloom.platform.up.stores import Stores, open_stores
from fedloom.platform.up.web import Web

if TYPE_CHECKING:
    from fedloom.platform.api import ApiServer

__all__ = ["open_api", "run_api"]

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 3


def open_api(
    config: PlatformConfig,
    stores: Stores,
    folder: StateFolder,
    coordinator_state: Callable[[], Any] | None = None,
) -> ApiServer:
    """Return a server of API and page over one service; it is not started."""
    from fedloom.platform.api import ApiServer, make_app
    from fedloom.platform.service import Service
    from fedloom.platform.ui import mount_page

    service = Service(
        stores.store,
        stores.registry,
        broker=stores.broker,
        publisher=stores.publisher,
        folder=folder.service,
    )
    app = make_app(service, page=mount_page, coordinator_state=coordinator_state)
    return ApiServer(
        app,
        certificate=config.tls_certificate,
        key=config.tls_key,
        grace_s=_GRACE_SECONDS,
    )


def run_api(config: PlatformConfig, console: Console) -> None:
    """Serve the API and the page until a signal comes.

    Raises:
        FedloomError: it cannot be started.
    """
    folder = StateFolder(config.dir)
    with StopSignals() as signals, folder.hold("api"):
        web = Web(config)
        try:
            stores = open_stores(config, folder)
            try:
                _admit_admin(config, folder, stores, console)
                web.start(lambda: open_api(config, stores, folder))
                console.say(f"API and page ready: {web.address}")
                _warn(config, console)
                while web.alive and not signals.wait(_LOOK_SECONDS):
                    pass
            finally:
                web.stop()
                stores.close()
        finally:
            web.stop()
    if not signals.asked:
        raise LinkError("the web server ended; the log says why")
    console.say("stopped")


def _warn(config: PlatformConfig, console: Console) -> None:
    if not is_loopback(config.host) and config.tls_certificate is None:
        console.say("warning: other machines reach it without TLS, as was asked for")


def _admit_admin(
    config: PlatformConfig, folder: StateFolder, stores: Stores, console: Console
) -> None:
    """Make sure that somebody can sign in; the secret itself is never said."""
    if config.admin_token_file is not None:
        bootstrap_admin(stores.store, secret=read_token(config.admin_token_file))
        return
    if folder.token.exists() or _has_no_admin(stores):
        folder.open_doors(stores.store)
        console.say(f"the admin's token is in {folder.token}")


def _has_no_admin(stores: Stores) -> bool:
    tokens = stores.store.tokens()
    return not any(token.role is Role.ADMIN and not token.revoked_at for token in tokens)
