"""`fedloom package key` and `fedloom package sign`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedloom.cli import main
from fedloom.package.archive import digest_folder
from fedloom.package.signing import Signature, read_signature, verify

from .small_package import make_package


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_package(tmp_path / "client")
    monkeypatch.chdir(tmp_path)


def say(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capfd.readouterr()
    assert main(["package", *words]) == code
    found = capfd.readouterr()
    return found.out + found.err


def test_a_key_is_made_once_and_shown_as_owners_need_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = json.loads(say(capfd, "key", "ada", "--json"))
    file = Path(made["path"])
    assert (file.name, made["made"]) == ("ada.pem", True)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert made["public_key"].encode() not in before
    again = say(capfd, "key", "ada.pem")
    assert file.read_bytes() == before
    assert "ada.pem: was there already" in again
    assert f"fedloom client policy allow {made['public_key']}" in again
    file.chmod(0o644)
    assert "chmod 600" in say(capfd, "key", "ada", code=2)
    file.write_text("rubbish")
    file.chmod(0o600)
    assert "no private key" in say(capfd, "key", "ada", code=2)
    assert file.read_text() == "rubbish"


def test_what_the_key_command_prints_an_owner_can_type(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = say(capfd, "key", "ada").splitlines()[-1].partition("fedloom ")[2].split()
    (tmp_path / "node.yaml").write_text("name: a\nstate: state\ndatasets: {}\n")
    assert main([*words, "--config", "node.yaml"]) == 0
    assert "trusted_keys" in capfd.readouterr().out
    assert words[-1] in (tmp_path / "state" / "policy.yaml").read_text()


def test_a_package_is_signed_beside_itself_or_where_it_is_asked(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    say(capfd, "key", "ada")
    printed = say(capfd, "sign", "client", "--key", "ada.pem")
    signed = read_signature(tmp_path / "client.sig")
    assert signed.key in printed
    assert verify(digest_folder(tmp_path / "client"), signed)
    say(capfd, "create", "--path", "client")
    say(capfd, "sign", "package.tgz", "--key", "ada.pem")
    assert read_signature(tmp_path / "package.tgz.sig") == signed
    document = json.loads(
        say(capfd, "sign", ".", "--key", "ada.pem", "--output", "x.sig", "--json")
    )
    assert Signature(document["key"], document["signature"]) == signed
    assert read_signature(tmp_path / "x.sig") == signed


def test_what_cannot_be_signed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    say(capfd, "key", "ada")
    assert "does not exist" in say(capfd, "sign", "none", "--key", "ada.pem", code=2)
    assert "cannot read the key" in say(capfd, "sign", "client", "--key", "bob.pem", code=2)
    (tmp_path / "ada.pem").rename(tmp_path / "client" / "ada.pem")
    inside = say(capfd, "sign", "client", "--key", "client/ada.pem", code=2)
    assert "is the private key" in inside
    assert not list(tmp_path.glob("*.sig"))
