"""What servers are called, as certificates have it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from cryptography import x509

from fedloom.errors import InputError

__all__ = ["read_hosts", "spell_hosts"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Parts on the same machine reach each other so."""

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"(\*\.)?{_LABEL}(\.{_LABEL})*"
_LONGEST_NAME = 253


def read_hosts(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    """Return names and addresses as an extension, this machine's own among them.

    Raises:
        InputError: one is neither a name nor an address, or none is given.
    """
    given = [host.strip().rstrip(".") for host in hosts]
    if not given:
        raise InputError("no host is given: name what clients call the server, as --host NAME")
    wanted = dict.fromkeys([*given, *_LOOPBACK])
    return x509.SubjectAlternativeName([_read_host(host) for host in wanted])


def spell_hosts(certificate: x509.Certificate) -> Sequence[str]:
    """Return the names and addresses in a certificate as text."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        str(name.value) for name in found.value if isinstance(name, x509.DNSName | x509.IPAddress)
    )


def _read_host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    # Digits and points alone would be a mistyped address.
    is_name = re.fullmatch(_NAME, host) and not re.fullmatch(r"[0-9.]+", host)
    if not is_name or len(host) > _LONGEST_NAME:
        raise InputError(
            f"the host {host!r} is neither a name such as fedloom.example.org nor an address such"
            " as 192.0.2.7; leave out https:// and the port"
        )
    return x509.DNSName(host.lower())
