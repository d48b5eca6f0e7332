"""TLS between the machines of a platform: an authority of one's own, and what it vouches for.

`create_certificates` makes both in a folder, `renew_certificates` prolongs what is there under the
same keys, and `inspect_certificates` says what is in the folder and what is wrong with it. Nodes
and people get ``ca.pem`` and nothing else.
"""

from __future__ import annotations

from fedloom.fleet.flower.certificates.folder import CertificateFolder
from fedloom.fleet.flower.certificates.inspect import CertificateReport, inspect_certificates
from fedloom.fleet.flower.certificates.make import create_certificates, renew_certificates

__all__ = [
    "CertificateFolder",
    "CertificateReport",
    "create_certificates",
    "inspect_certificates",
    "renew_certificates",
]
