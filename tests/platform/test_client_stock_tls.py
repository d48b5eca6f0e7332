"""A stock `flower-supernode` as it is run between machines: TLS, a known key, a package, a gateway.

All that it has of us is the bundle that comes with a message: it fetches the package over the depot
by itself, checks its owner's policy, and runs it in the sandbox.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import socket

import numpy as np
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fedloom.federation.fleet import Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.flower.admission import admit_node
from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates
from fedloom.fleet.flower.depot import Depot, with_package_link
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.gateway import Gateway
from fedloom.fleet.flower.handlers import package_settings
from fedloom.fleet.flower.superlink import Certificates, SuperLink
from fedloom.package.archive import Archive
from fedloom.platform.client.audit_check import verify_audit

from .test_client_flower import archive

__all__ = ["archive"]

ROWS = range(10)


def make_key(path: Path) -> bytes:
    """Make a key as ``ssh-keygen -t ecdsa -b 384`` does; return its public half as PEM."""
    key = ec.generate_private_key(ec.SECP384R1())
    form = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    path.chmod(0o600)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def write_node(folder: Path, address: str, authority: Path, policy: str) -> Path:
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "policy.yaml").write_text(policy)
    text = "".join(f"{n},{n % 2}\n" for n in ROWS)
    (folder / "data.csv").write_text(f"value,label\n{text}")
    document = {
        "name": folder.name,
        "state": "state",
        "superlink": address,
        "ca": str(authority),
        "datasets": {"numbers": {"path": "data.csv", "label": "label"}},
    }
    (folder / "node.yaml").write_text(yaml.safe_dump(document))
    return folder / "node.yaml"


def find_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_stock(address: str, path: Path, authority: Path, key: Path) -> Iterator[Path]:
    """Run Flower's own program as its manual says for TLS; yield what it prints."""
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(path.parent / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FEDLOOM_CLIENT_CONFIG": str(path),
    }
    command = [bin_folder / "flower-supernode", "--superlink", address]
    command += ["--root-certificates", authority, "--auth-supernode-private-key", key]
    command += ["--port", str(find_port())]
    log = path.parent / "supernode.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield log
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = CertificateFolder(tmp_path / "certs")
    create_certificates(made, ["127.0.0.1"])
    return Certificates(made.certificate("ca"), made.certificate("server"), made.key("server"))


def test_a_stock_supernode_runs_a_package_that_it_fetches_over_tls(
    tmp_path: Path, archive: Archive, certificates: Certificates
) -> None:
    allowed = yaml.safe_dump({"digests": [archive.sha256], "network": {"install": False}})
    reducer, weights = mean_by_examples(), [np.zeros(3, np.float32)]
    with (
        SuperLink(tmp_path / "link", certificates=certificates, known_nodes_only=True) as link,
        Depot(tmp_path / "depot", public_url="") as depot,
        Gateway(link.endpoint, depot.url, certificates=certificates) as gateway,
    ):
        address = gateway.url.removeprefix("https://")
        path = write_node(tmp_path / "stock", address, certificates.authority, allowed)
        admit_node(link.endpoint, make_key(tmp_path / "key"), "stock")
        settings = package_settings("mean", archive.sha256, "numbers")
        settings = with_package_link(
            settings, depot, archive.path.parent / f"{archive.sha256}.tgz", "t"
        )
        with (
            run_stock(address, path, certificates.authority, tmp_path / "key") as log,
            closing(FlowerFleet(link.endpoint, link.secret, "t", settings, depot=depot)) as fleet,
        ):
            try:
                found = fleet.wait_for(1, 240)
                assert [c.client_id for c in found] == ["stock"]
                reply = fleet.train(Order(1, [0], weights, 7, deadline_s=240), reducer)
                assert [r.failure for r in reply.results] == [None], reply.results
                step = reducer.finish(reply.state)
                np.testing.assert_allclose(step[0], np.mean(ROWS), rtol=1e-6)
                assert fleet.evaluate(step).loss == 0.25
            except BaseException:
                print(log.read_text(errors="replace")[-8000:])
                raise
    report = verify_audit(tmp_path / "stock" / "state" / "audit.jsonl")
    assert report.intact, report.fault
    assert list((tmp_path / "stock" / "state" / "work").iterdir()) == []
