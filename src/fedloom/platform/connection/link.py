"""One HTTP connection to the API: retries where they are safe, errors in Fedloom's words."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from fedloom._version import __version__
from fedloom.errors import (
    FedloomError,
    IncompatibleError,
    InputError,
    LinkError,
    OutputError,
)
from fedloom.files import open_replacing
from fedloom.platform.connection.address import Access, is_loopback
from fedloom.platform.connection.problems import read_problem

__all__ = ["ApiLink", "read_json"]

_SAFE_TO_REPEAT = ("GET", "PUT")
"""PUT here sets something: a cancelled task, a node's key. Twice is the same as once."""
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_RETRY_S = 10.0
_BUSY = (502, 503, 504)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

# One line for every request is too much for who watches a task.
logging.getLogger("httpx").setLevel(logging.WARNING)


class ApiLink:
    """A connection to the API; safe to use from several threads.

    Args:
        access: where it is, and who asks.
        timeout_s: seconds without an answer after which a call is given up.
    """

    def __init__(self, access: Access, timeout_s: float) -> None:
        if not timeout_s > 0:
            raise InputError(f"timeout_s is {timeout_s}: it must be above 0")
        self.access, self.timeout_s = access, timeout_s
        headers = {"User-Agent": f"fedloom/{__version__}", "Accept": "application/json"}
        if access.token:
            headers["Authorization"] = f"Bearer {_check_token(access.token)}"
        try:
            self._client = httpx.Client(
                base_url=access.url,
                headers=headers,
                timeout=timeout_s,
                verify=_trust(access),
                trust_env=not is_loopback(urlsplit(access.url).hostname or ""),
            )
        except (httpx.InvalidURL, ValueError) as error:  # the address, or a proxy's around us
            raise InputError(f"the address {access.url!r} cannot be used: {error}") from error

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return what is at a path, as JSON; a query's None is left out.

        Raises:
            FedloomError: the API says no, or cannot be reached.
        """
        return read_json(self.ask("GET", path, query=query))

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Do something at a path, and return what the API says, as JSON.

        Raises:
            FedloomError: the API says no, or cannot be reached.
        """
        return read_json(self.ask(method, path, query=query, json=body))

    def ask(
        self, method: str, path: str, *, query: Mapping[str, Any] = {}, **content: Any
    ) -> httpx.Response:
        """Return the API's answer; ask again where that cannot do harm.

        A connection that never came about is tried again for any method, an answer that did not
        come only where twice is the same as once.

        Raises:
            FedloomError: the API says no, or cannot be reached.
        """
        params = {key: value for key, value in query.items() if value is not None}
        ends = time.monotonic() + min(_RETRY_S, self.timeout_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = self._client.request(
                    method, path, params=params, **_leave_out_none(content)
                )
            except httpx.HTTPError as error:
                failure: FedloomError = self._explain(error)
                again = isinstance(error, _NOT_SENT) or method in _SAFE_TO_REPEAT
                again = again and not _is_refused_certificate(error)
            else:
                if answer.is_success:
                    return answer
                failure = self._judge(answer)
                again = answer.status_code in _BUSY and method in _SAFE_TO_REPEAT
            if not again or time.monotonic() + pause_s > ends:
                raise failure
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def look(self, path: str) -> dict[str, Any]:
        """Return the object at a path, also where the API is in need and says so in it (503).

        Raises:
            FedloomError: the API says no, or cannot be reached.
        """
        try:
            answer = self._client.get(path)
            found = answer.json()
        except httpx.HTTPError as error:
            raise self._explain(error) from error
        except ValueError:
            found = None
        if not isinstance(found, dict) or not (answer.is_success or answer.status_code == 503):
            raise self._judge(answer)
        return found

    def download(self, path: str, target: Path, **query: Any) -> Path:
        """Write what is at a path to a file, which is whole or not there.

        Raises:
            FedloomError: the API says no, cannot be reached, or hangs up too early.
            OutputError: the file cannot be written.
        """
        if target.is_dir():
            raise OutputError(f"{target} is a folder: name a file in it")
        with self.stream(path, **query) as answer, open_replacing(target) as file:
            try:
                for piece in answer.iter_bytes():
                    file.write(piece)
            except httpx.HTTPError as error:
                raise self._explain(error) from error
        return target

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        silence_s: float | None = None,
        **query: Any,
    ) -> Iterator[httpx.Response]:
        """Lend an answer that comes in pieces.

        Args:
            path: what to ask for.
            headers: beside the usual ones.
            silence_s: seconds without a piece that are too long; the usual limit if None.
            query: None is left out.

        Raises:
            FedloomError: the API says no, or cannot be reached.
        """
        params = {key: value for key, value in query.items() if value is not None}
        timeout = httpx.Timeout(self.timeout_s, read=silence_s or self.timeout_s)
        request = self._client.build_request(
            "GET", path, params=params, headers=headers, timeout=timeout
        )
        try:
            answer = self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._explain(error) from error
        try:
            if not answer.is_success:
                answer.read()
                raise self._judge(answer)
            yield answer
        finally:
            answer.close()

    def check_version(self) -> str:
        """Return the version of the platform.

        Raises:
            IncompatibleError: it and ours do not understand each other; both are named.
            LinkError: it cannot be reached, or is something else.
        """
        found = self.get("/version")
        theirs = found.get("version", found.get("fedloom")) if isinstance(found, dict) else None
        if not isinstance(theirs, str):
            raise LinkError(f"{self.access.url} is no Fedloom: it does not say its version")
        if theirs.split(".")[:2] != __version__.split(".")[:2]:
            raise IncompatibleError(
                f"Fedloom {__version__} here", f"Fedloom {theirs[:40]!r} at {self.access.url}"
            )
        return theirs

    def _judge(self, answer: httpx.Response) -> FedloomError:
        if answer.is_redirect:
            to = answer.headers.get("Location", "elsewhere")[:200]
            return LinkError(f"{self.access.url} sends on to {to}: give that address")
        return read_problem(answer)

    def _explain(self, error: httpx.HTTPError) -> LinkError:
        url = self.access.url
        if isinstance(error, httpx.ConnectTimeout):
            return LinkError(f"{url} cannot be reached within {self.timeout_s:g} s")
        if isinstance(error, httpx.TimeoutException):
            return LinkError(f"{url} did not answer within {self.timeout_s:g} s")
        if _is_refused_certificate(error):
            return LinkError(
                f"the certificate of {url} is not trusted ({error}): name who vouches for it with"
                " ca=…, --ca or FEDLOOM_CA"
            )
        if isinstance(error, httpx.ConnectError):
            return LinkError(f"{url} cannot be reached ({error}): is 'fedloom up' or an API there?")
        return LinkError(f"{url} hung up: {error or type(error).__name__}")


def _trust(access: Access) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(access.ca) if access.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"the certificates in {access.ca} cannot be read: {error}") from error


def _check_token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError("the token holds characters that no token has: copy it once more")
    return token


def _is_refused_certificate(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _leave_out_none(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None}


def read_json(answer: httpx.Response) -> Any:
    """Return what an answer holds, or None where it holds nothing.

    Raises:
        LinkError: it is no JSON.
    """
    if answer.status_code == 204 or not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise LinkError(
            f"{answer.url.host} answered {answer.url.path} with something that is no JSON:"
            " is a Fedloom API there?"
        ) from error
