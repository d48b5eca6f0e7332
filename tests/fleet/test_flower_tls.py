"""TLS, and a SuperLink that accepts known nodes only."""

from __future__ import annotations

import datetime
import ipaddress
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedloom.fleet.flower.admission import admit_node, list_nodes, remove_node
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.messages import Description, Trained
from fedloom.fleet.flower.node import Identity, Node
from fedloom.fleet.flower.superlink import Certificates, SuperLink

from .flower_world import REDUCER, failures, order, wait_until


def make_certificates(folder: Path) -> Certificates:
    """An authority, and a certificate of it for loopback."""
    now = datetime.datetime.now(datetime.UTC)

    def build(name: str, key: Any, issuer: str, signer: Any, *, authority: bool) -> Any:
        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256())

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = build("root", root_key, "root", root_key, authority=True)
    own = build("127.0.0.1", key, "root", root_key, authority=False)
    pem = serialization.Encoding.PEM
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    files.authority.write_bytes(root.public_bytes(pem))
    files.certificate.write_bytes(own.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(pem, *plain))
    return files


class Echo:
    def handle(self, request: Any, stop: Event) -> Any:
        if hasattr(request, "weights"):
            return Trained(request.weights, 2)
        return Description("echo", num_examples=2)

    def close(self) -> None:
        pass


def test_only_who_was_admitted_comes_in_and_only_over_tls(tmp_path, caplog):
    files = make_certificates(tmp_path)
    link = SuperLink(tmp_path / "link", certificates=files, known_nodes_only=True)
    with link:
        assert str(link.endpoint).startswith("https://127.0.0.1:")
        assert not Endpoint(link.endpoint.address, insecure=True).answers()
        assert not Endpoint(link.endpoint.address).answers(), "the system trusts no such authority"
        identity = Identity.keep(tmp_path / "node.key")
        node = Node(link.endpoint, identity, Echo(), memory=tmp_path / "node.json")
        thread = Thread(target=node.run)
        thread.start()
        try:
            wait_until(lambda: "refuses" in caplog.text)
            assert not node.connected
            number = admit_node(link.endpoint, identity.public_pem, "hospital")
            wait_until(lambda: node.connected)
            assert [(n.node_id, n.name, n.status) for n in list_nodes(link.endpoint)] == [
                (number, "hospital", "online")
            ]
            with closing(FlowerFleet(link.endpoint, link.secret, "t", {})) as fleet:
                fleet.wait_for(1, 30)
                assert failures(fleet.train(order([0]), REDUCER)) == [None]
            remove_node(link.endpoint, number)
            wait_until(lambda: not node.connected)
        finally:
            node.stop()
            thread.join(timeout=30)
        assert list_nodes(link.endpoint) == []
