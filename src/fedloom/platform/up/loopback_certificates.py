"""Certificates that a SuperLink of ours shows to this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedloom.fleet.flower.superlink import Certificates

__all__ = ["keep_loopback_certificates"]

_NAME = "superlink"
_DAYS = 3650


def keep_loopback_certificates(folder: Path) -> Certificates:
    """Return certificates for loopback: made on first use, prolonged by ten years at each start.

    Flower admits registered nodes only where it speaks TLS itself, even behind our gateway. Nobody
    outside of this machine ever sees these, so their authority is made here too.

    Raises:
        InputError: what lies there cannot be read.
        OutputError: the folder cannot be written.
    """
    from fedloom.fleet.flower.certificates import (
        CertificateFolder,
        create_certificates,
        renew_certificates,
    )
    from fedloom.fleet.flower.superlink import LOOPBACK, Certificates

    place = CertificateFolder(folder)
    if place.certificate(_NAME).exists():
        renew_certificates(place, name=_NAME, days=_DAYS)
    else:
        create_certificates(place, [LOOPBACK], name=_NAME, days=_DAYS)
    return Certificates(place.certificate("ca"), place.certificate(_NAME), place.key(_NAME))
