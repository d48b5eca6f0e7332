"""Where a SuperLink is, and clients of its three APIs that raise errors of ours.

Flower's own retrying client interrupts or exits the process on some answers; here every failure is
an exception, and whoever calls decides whether to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.error import FlowerError
from flwr.supercore.protobuf.client import (
    ProtobufCall,
    ProtobufClient,
    ProtobufClientInterceptor,
    ProtobufRequestContext,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata
from flwr.supernode.fleet_http_client import FleetHttpClient

from fedloom.errors import LinkError

__all__ = ["Endpoint", "LinkDownError", "RefusedError", "call"]

_HEALTH_SECONDS = 2.0
_PASSING = frozenset({500, 502, 503, 504})
"""Answers that may be different the next time; 500 is what a busy database gives."""

_Client = TypeVar("_Client", bound=ProtobufClient)
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class LinkDownError(LinkError):
    """The SuperLink did not answer, or not with sense; it may the next time."""


class RefusedError(LinkError):
    """The SuperLink says no.

    Args:
        message: what it says.
        status: of the HTTP response; 401 for an unknown key or token, 403 for a run that is over.
        code: Flower's own number of the error, 0 for none.
        date: the server's clock as it stands in the response, empty for none.
    """

    def __init__(self, message: str, *, status: int, code: int = 0, date: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.date = status, code, date


@dataclass(frozen=True)
class Endpoint:
    """How a SuperLink is reached.

    Attributes:
        address: host and port.
        authority: certificate of the authority that signed the server's, PEM; None takes the
            system's authorities.
        insecure: speak plain HTTP.
    """

    address: str
    authority: Path | None = None
    insecure: bool = False

    def __str__(self) -> str:
        return f"{'http' if self.insecure else 'https'}://{self.address}"

    def fleet(self, *interceptors: ProtobufClientInterceptor) -> FleetHttpClient:
        """Return a client of the API for nodes."""
        return self._open(FleetHttpClient, "SuperNode", interceptors)

    def runtime(self, *interceptors: ProtobufClientInterceptor) -> RuntimeHttpClient:
        """Return a client of the API for whoever runs a task."""
        return self._open(RuntimeHttpClient, "flwr-serverapp", interceptors)

    def control(self) -> ControlHttpClient:
        """Return a client of the API for operators."""
        return self._open(ControlHttpClient, "flwr-cli", ())

    def answers(self) -> bool:
        """Look once whether the SuperLink is up."""
        try:
            # Through the same kind of client, so that certificates are tried as well.
            with self.control() as client:
                url = f"{self}/health"
                return client._client.get(url, timeout=_HEALTH_SECONDS).is_success
        except httpx.HTTPError:
            return False

    def _open(
        self,
        kind: type[_Client],
        component: str,
        interceptors: Sequence[ProtobufClientInterceptor],
    ) -> _Client:
        authority = None
        if not self.insecure and self.authority is not None:
            try:
                authority = self.authority.read_bytes()
            except OSError as error:
                why = f"cannot read the authority's certificate: {error}"
                raise LinkError(why) from error
        chain = [_VersionHeaders(component), *interceptors]
        return kind.from_server_address(self.address, self.insecure, authority, chain)


class _VersionHeaders:
    """Tell which Flower we are, as the Runtime API wants to know."""

    def __init__(self, component: str) -> None:
        self._headers = dict(RuntimeVersionMetadata.from_local_component(component).as_metadata())

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers.update(self._headers)
        return call_next(context)


def call(method: Callable[[_Request], _Response], request: _Request) -> _Response:
    """Make one request.

    Raises:
        LinkDownError: no answer, or none with sense.
        RefusedError: the answer is no.
    """
    try:
        return method(request)
    except httpx.TransportError as error:
        why = str(error) or type(error).__name__
        raise LinkDownError(f"the SuperLink does not answer: {why}") from error
    except httpx.HTTPStatusError as error:
        raise _translate(error.response) from error
    except ValueError as error:  # a body that is not the message it should be
        raise LinkDownError(f"the SuperLink's answer makes no sense: {error}") from error


def _translate(response: httpx.Response) -> LinkError:
    known = FlowerError.from_json(response.text)
    said = f"status {response.status_code}" if known is None else known.message
    if response.status_code in _PASSING:
        return LinkDownError(f"the SuperLink cannot answer now: {said}")
    return RefusedError(
        f"the SuperLink refuses: {said}",
        status=response.status_code,
        code=0 if known is None else known.code,
        date=response.headers.get("date", ""),
    )
