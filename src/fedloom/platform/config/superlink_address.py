"""How a configuration names SuperLinks that run elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SuperLinkAddress", "read_superlinks"]


class SuperLinkAddress(BaseModel):
    """One SuperLink that the coordinator uses and did not start."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    address: str = Field(pattern=r"^[^\s/=,@]+:\d+$")
    """HOST:PORT of its HTTP API."""
    secret: Path
    """File with the secret that it was started with (--superexec-auth-secret-file)."""
    ca: Path | None = None
    """Certificates of who vouches for it, PEM; without one, plain HTTP is spoken."""

    def resolve(self, folder: Path) -> SuperLinkAddress:
        """Return it with absolute paths; relative ones start in `folder`."""
        ca = None if self.ca is None else (folder / self.ca.expanduser()).absolute()
        secret = (folder / self.secret.expanduser()).absolute()
        return self.model_copy(update={"secret": secret, "ca": ca})


def read_superlinks(given: Any) -> Any:
    """Return what a file, a variable or a flag says as pydantic can check it.

    Args:
        given: a number; or addresses, each a mapping or ``HOST:PORT=SECRET_FILE``, with
            ``=CA_FILE`` after it for TLS; as text they are separated by commas.
    """
    if isinstance(given, str):
        if given.strip().isdigit():
            return _check_number(int(given))
        given = [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, bool) or not isinstance(given, int | list | tuple):
        raise ValueError("must be a number, or a list of HOST:PORT=SECRET_FILE")
    if isinstance(given, int):
        return _check_number(given)
    if not given:
        raise ValueError("names none: give a number or at least one address")
    return tuple(_read_one(one) if isinstance(one, str) else one for one in given)


def _check_number(number: int) -> int:
    if not 1 <= number <= 64:
        raise ValueError(f"{number} SuperLinks: 1 to 64 can be started")
    return number


def _read_one(text: str) -> dict[str, str]:
    address, _, files = text.partition("=")
    secret, _, authority = files.partition("=")
    if not secret:
        raise ValueError("an address has no secret: write HOST:PORT=SECRET_FILE")
    return {"address": address, "secret": secret} | ({"ca": authority} if authority else {})
