"""Serving the app with uvicorn, so that open streams do not keep it from ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

__all__ = ["ApiServer"]

_GRACE_S = 10


class ApiServer(uvicorn.Server):
    """An HTTP server for one app; `run` takes the sockets that it listens at.

    When it ends, it ends the streams of events first, then lets other requests finish for a while.

    Args:
        app: from `make_app`.
        certificate: with `key`, PEM files for TLS.
        key: see `certificate`.
        trusted_proxies: addresses whose word counts of where a request came from, by commas.
        grace_s: seconds that requests may take when the server is to end.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        trusted_proxies: str = "127.0.0.1",
        grace_s: int = _GRACE_S,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,  # the gate writes one line for each request, without secrets
                log_config=None,
                server_header=False,
                ws="websockets-sansio",  # uvicorn's usual choice builds on what is deprecated
                forwarded_allow_ips=trusted_proxies,
                timeout_graceful_shutdown=grace_s,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )
        self._app = app

    async def shutdown(self, sockets: Any = None) -> None:
        """End the streams, then what uvicorn ends."""
        await self._app.state.feed.close()
        await super().shutdown(sockets)
