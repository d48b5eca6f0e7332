"""An authority and its certificates, in real TLS handshakes."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedloom.cli import main
from fedloom.errors import ConflictError, FedloomError, InputError, NotFoundError, OutputError
from fedloom.fleet.flower.certificates import (
    CertificateFolder,
    create_certificates,
    inspect_certificates,
    renew_certificates,
)
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.superlink import Certificates, SuperLink

HOST = "fedloom.example.org"


@pytest.fixture
def home(tmp_path: Path) -> CertificateFolder:
    folder = CertificateFolder(tmp_path / "certs")
    create_certificates(folder, [HOST, "192.0.2.7"])
    return folder


def shake_hands(
    home: CertificateFolder, called: str, *, name: str = "server", ca: Path | None = None
) -> str:
    """Return nothing where a client that trusts the authority accepts the server, or why not."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(home.certificate(name), home.key(name))
    client = ssl.create_default_context(cafile=str(ca or home.certificate("ca")))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    theirs.settimeout(60)

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=called) as wrapped:
            wrapped.send(b"x")
        return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        ours.close()
        thread.join(60)
        theirs.close()


@pytest.mark.parametrize("called", [HOST, "192.0.2.7", "localhost", "127.0.0.1", "::1"])
def test_clients_that_trust_the_authority_accept_the_server(
    home: CertificateFolder, called: str
) -> None:
    assert shake_hands(home, called) == ""


def test_other_names_and_other_authorities_are_refused(
    home: CertificateFolder, tmp_path: Path
) -> None:
    assert "fedloom.example.com" in shake_hands(home, "fedloom.example.com")
    other = CertificateFolder(tmp_path / "other")
    create_certificates(other, [HOST])
    assert shake_hands(home, HOST, ca=other.certificate("ca"))


def test_keys_are_for_their_owner_alone(home: CertificateFolder) -> None:
    for name in ("ca", "server"):
        assert stat.S_IMODE(home.key(name).stat().st_mode) == 0o600
    assert home.read_key("server").curve.name == "secp256r1"


def test_keys_are_never_written_over(home: CertificateFolder) -> None:
    keys = {name: home.key(name).read_bytes() for name in ("ca", "server")}
    with pytest.raises(ConflictError, match=r"server\.pem exists"):
        create_certificates(home, [HOST])
    create_certificates(home, ["gateway.example.org"], name="gateway")
    assert shake_hands(home, "gateway.example.org", name="gateway") == ""
    assert keys == {name: home.key(name).read_bytes() for name in keys}
    with pytest.raises(ConflictError, match="never written over"):
        home.make_key("server")


def test_what_a_crash_left_is_completed(home: CertificateFolder) -> None:
    keys = {name: home.key(name).read_bytes() for name in ("ca", "server")}
    for name in keys:
        home.certificate(name).unlink()  # the keys were written first
    create_certificates(home, [HOST])
    assert keys == {name: home.key(name).read_bytes() for name in keys}
    assert shake_hands(home, HOST) == ""


def test_without_the_authoritys_key_nothing_is_made(home: CertificateFolder) -> None:
    home.key("ca").unlink()
    with pytest.raises(NotFoundError, match=r"ca\.key"):
        create_certificates(home, [HOST], name="second")
    assert not home.key("second").exists()
    assert [report.faults for report in inspect_certificates(home)] == [(), ()]


def test_several_at_once_make_one_authority(tmp_path: Path) -> None:
    home = CertificateFolder(tmp_path / "certs")
    names = [f"server-{number}" for number in range(6)]

    def make(name: str) -> str:
        try:
            create_certificates(home, [HOST], name=name)
        except FedloomError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(make, names))
    for name, refused in zip(names, said, strict=True):
        if refused:  # who came second to the authority's key tries again
            create_certificates(home, [HOST], name=name)
        assert shake_hands(home, HOST, name=name) == ""


def test_a_renewed_certificate_has_the_same_key_and_names(home: CertificateFolder) -> None:
    before, key = home.read_certificate("server"), home.key("server").read_bytes()
    renew_certificates(home, days=900)
    after = home.read_certificate("server")
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc - before.not_valid_after_utc > timedelta(days=160)
    assert home.key("server").read_bytes() == key
    assert shake_hands(home, "192.0.2.7") == ""
    renew_certificates(home, hosts=["new.example.org"])
    assert shake_hands(home, "new.example.org") == ""
    assert shake_hands(home, HOST)


def test_an_authority_that_ends_first_is_prolonged(home: CertificateFolder, tmp_path: Path) -> None:
    old = tmp_path / "old-ca.pem"
    old.write_bytes(home.certificate("ca").read_bytes())
    renew_certificates(home, days=3650)
    assert home.certificate("ca").read_bytes() != old.read_bytes()
    assert shake_hands(home, HOST) == ""
    assert shake_hands(home, HOST, ca=old) == "", "nodes with the old file go on working"


@pytest.mark.parametrize(
    "host",
    ["", " ", "https://x.org", "x.org:8000", "a b", "-x.org", "1.2.3.4.5", "x..org", "ü.org", "*"],
)
def test_hosts_that_cannot_be(tmp_path: Path, host: str) -> None:
    home = CertificateFolder(tmp_path / "certs")
    with pytest.raises(InputError, match="host"):
        create_certificates(home, [host])
    assert not home.path.exists()


@pytest.mark.parametrize("name", ["ca", "../x", "", "a/b", ".hidden"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        create_certificates(CertificateFolder(tmp_path / "certs"), [HOST], name=name)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_that_cannot_be(tmp_path: Path, days: int) -> None:
    with pytest.raises(InputError, match="days"):
        create_certificates(CertificateFolder(tmp_path / "certs"), [HOST], days=days)


def test_what_is_wrong_is_said(home: CertificateFolder) -> None:
    assert [report.faults for report in inspect_certificates(home)] == [(), ()]
    later = datetime.now(UTC) + timedelta(days=710)
    assert inspect_certificates(home, now=later)[1].warnings
    later += timedelta(days=30)
    assert "ended" in inspect_certificates(home, now=later)[1].faults[0]

    home.key("server").chmod(0o644)
    assert "chmod 600" in inspect_certificates(home)[1].faults[0]
    home.key("server").write_bytes(home.key("ca").read_bytes())
    home.key("server").chmod(0o600)
    assert "another certificate" in inspect_certificates(home)[1].faults[0]
    home.key("server").write_bytes(b"rubbish")
    assert "cannot be read" in inspect_certificates(home)[1].faults[0]
    home.certificate("server").write_bytes(b"rubbish")
    assert "cannot be read" in inspect_certificates(home)[1].faults[0]


def test_a_pair_that_does_not_belong_together(home: CertificateFolder, tmp_path: Path) -> None:
    other = CertificateFolder(tmp_path / "other")
    create_certificates(other, [HOST])
    home.certificate("ca").write_bytes(other.certificate("ca").read_bytes())
    assert "does not vouch" in inspect_certificates(home)[1].faults[0]
    with pytest.raises(InputError, match="do not belong together"):
        create_certificates(home, [HOST], name="second")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(OutputError):
        create_certificates(CertificateFolder(file / "certs"), [HOST])


def test_a_superlink_takes_them(home: CertificateFolder, tmp_path: Path) -> None:
    files = Certificates(home.certificate("ca"), home.certificate("server"), home.key("server"))
    with SuperLink(tmp_path / "link", certificates=files) as link:
        assert link.endpoint.answers()
        assert not Endpoint(link.endpoint.address).answers(), "the system trusts no such authority"


def test_the_commands(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "certs")
    assert main(["certs", "create", folder, "--host", HOST, "--host", "192.0.2.7"]) == 0
    assert f"{folder}/ca.pem: give it to nodes" in capfd.readouterr().out
    assert main(["certs", "create", folder, "--host", HOST]) == 2
    assert "fedloom certs renew" in capfd.readouterr().err
    assert main(["certs", "renew", folder, "--days", "10", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    assert made["hosts"][:2] == [HOST, "192.0.2.7"]
    assert made["certificate"] == f"{folder}/server.pem"
    assert main(["certs", "show", folder]) == 0
    shown = capfd.readouterr()
    assert HOST in shown.out
    assert "ends in 9 days" in shown.err
    (tmp_path / "certs" / "server.key").chmod(0o644)
    assert main(["certs", "show", folder, "--json"]) == 1
    assert "chmod 600" in json.loads(capfd.readouterr().out)[1]["faults"][0]
    assert main(["certs", "show", str(tmp_path)]) == 2
    assert main(["certs", "create", folder]) == 2
