"""The configuration: file, variables and flags, in this order; faults with places; no secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fedloom.cli import main
from fedloom.errors import InputError
from fedloom.platform.config import (
    Part,
    PlatformConfig,
    describe_config,
    example_config,
    load_config,
    read_config,
    show_config,
)
from fedloom.platform.config.secrets import hide_secrets


def write(folder: Path, text: str) -> Path:
    path = folder / "fedloom.yaml"
    path.write_text(text)
    return path


def test_each_source_outweighs_the_one_before_and_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "port: 1\nslots: 3\n\nhost: 127.0.0.2\n")
    variables = {"FEDLOOM_PORT": "2", "FEDLOOM_SLOTS": "", "FEDLOOM_LEASE_S": "7.5"}
    loaded = read_config(path, {"lease_s": 9, "host": None}, variables)
    config = loaded.config
    assert (config.port, config.slots, config.host, config.lease_s) == (2, 3, "127.0.0.2", 9.0)
    assert loaded.origins["port"] == "FEDLOOM_PORT"
    assert loaded.origins["slots"] == f"{path} line 2"
    assert loaded.origins["host"] == f"{path} line 4"
    assert loaded.origins["lease_s"] == "command line"
    assert loaded.origins["policy"] == "default"


def test_the_originals_variables_are_a_fall_back() -> None:
    variables = {
        "MLFLOW_URL": "http://mlflow:5000",
        "RABBIT_HOST": "rabbit",
        "RABBIT_PORT": "5673",
        "RABBIT_USER": "u",
        "RABBIT_PASSWORD": "a/b@c",
        "POSTGRES_HOST": "db",
        "POSTGRES_DB": "fl",
        "POSTGRES_USER": "me",
        "POSTGRES_PASSWORD": "p",
    }
    config = load_config(None, {}, variables)
    assert config.registry == "http://mlflow:5000"
    assert config.broker_url == "amqp://u:a%2Fb%40c@rabbit:5673/"
    assert config.database == "postgresql://me:p@db/fl"
    own = {**variables, "FEDLOOM_DATABASE_URL": "postgresql://other/x", "DB_MODE": "sqlite"}
    assert load_config(None, {}, own).database == "postgresql://other/x"
    assert load_config(None, {}, {**variables, "DB_MODE": "sqlite"}).database.startswith("sqlite")
    with pytest.raises(InputError, match="DB_MODE"):
        load_config(None, {}, {"DB_MODE": "oracle"})
    with pytest.raises(InputError, match="POSTGRES_HOST is not set"):
        load_config(None, {}, {"DB_MODE": "postgresql"})


def test_what_kubernetes_says_of_its_services_is_nobodys_choice() -> None:
    variables = {
        "FEDLOOM_PORT": "tcp://10.0.0.1:8000",
        "RABBIT_HOST": "r",
        "RABBIT_PORT": "tcp://10.0.0.2:5672",
    }
    config = load_config(None, {}, variables)
    assert (config.port, config.broker_url) == (8000, "amqp://guest@r/")


def test_relative_paths_start_in_the_files_folder(tmp_path: Path) -> None:
    text = """
dir: state
ca: certs/ca.pem
database_url: sqlite:///x.db
superlinks:
  - {address: "a:1", secret: key}
"""
    config = load_config(write(tmp_path, text), {}, {})
    assert config.dir == tmp_path / "state"
    assert config.ca == tmp_path / "certs" / "ca.pem"
    assert config.database == f"sqlite:///{tmp_path / 'x.db'}"
    assert config.registry == f"sqlite:///{tmp_path / 'state' / 'registry' / 'mlflow.db'}"
    assert not isinstance(config.superlinks, int)
    assert config.superlinks[0].secret == tmp_path / "key"


def test_superlinks_are_a_number_or_addresses() -> None:
    assert load_config(None, {"superlinks": "3"}, {}).superlinks == 3
    links = load_config(None, {"superlinks": "a:1=/s, b:2=/t=/ca.pem"}, {}).superlinks
    assert not isinstance(links, int)
    assert [(x.address, str(x.secret), str(x.ca)) for x in links] == [
        ("a:1", "/s", "None"),
        ("b:2", "/t", "/ca.pem"),
    ]
    for wrong in ("0", "65", "a:1", "a=/s", ",", True, 1.5, [], [3]):
        with pytest.raises(InputError, match="superlinks"):
            load_config(None, {"superlinks": wrong}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot: 3\n", "line 1: unknown key prot: did you mean port?"),
        ("slots: 1\nport: high\n", "line 2: port is 'high': input should be a valid integer"),
        ("port: 65536\n", "line 1: port is '65536'"),
        ("lease_s: 0\n", "lease_s is '0'"),
        ("lease_s: .nan\n", "lease_s is 'nan'"),
        ("port: 1\nport: 2\n", "line 2: port stands here a second time"),
        ("- a\n", "holds a list"),
        ("a: [\n", "line 2 is no YAML"),
        ("tls_key: a.pem\n", "tls_certificate and tls_key go together"),
        ("log_level: loud\n", "log_level is 'loud'"),
        ("? [a]\n: 1\n", "no YAML"),
        ("\x00", "cannot be read as YAML"),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_config(path, {}, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "port: x\nslots: 0\nfoo: 1\n")
    with pytest.raises(InputError) as caught:
        load_config(path, {}, {"FEDLOOM_WAIT_S": "-1"})
    message = str(caught.value)
    assert all(word in message for word in ("port", "slots", "foo", "FEDLOOM_WAIT_S"))


def test_no_secret_is_shown_even_in_a_fault(tmp_path: Path) -> None:
    variables = {
        "FEDLOOM_DATABASE_URL": "postgresql://me:geheim/1@db/x?sslpassword=geheim2",
        "FEDLOOM_BROKER_URL": "amqp://me:geheim@mq/",
        "FEDLOOM_REGISTRY_URL": "http://me:geheim@ml/",
    }
    loaded = read_config(None, {}, variables)
    shown = show_config(loaded) + json.dumps(describe_config(loaded.config))
    assert "geheim" not in shown
    assert "postgresql://me:***@db/x?sslpassword=***" in shown
    with pytest.raises(InputError) as caught:
        read_config(None, {"superlinks": "http://me:geheim@x"}, variables)
    assert "geheim" not in str(caught.value)


def test_secrets_are_found_in_addresses() -> None:
    assert hide_secrets("http://a.b/c?x=1&api_key=k&y=2") == "http://a.b/c?x=1&api_key=***&y=2"
    assert hide_secrets("http://:p@h") == "http://:***@h"
    assert hide_secrets("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_the_example_has_every_key_and_its_lines_are_right(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in example_config().splitlines()]
    keys = {
        key: line
        for line in lines
        if (key := line.partition(":")[0]) in set(PlatformConfig.model_fields)
    }
    assert set(keys) == set(PlatformConfig.model_fields)
    config = load_config(write(tmp_path, "\n".join(keys.values())), {}, {})
    assert config == load_config(None, {"dir": tmp_path / "fedloom-data"}, {})
    assert yaml.safe_load(example_config()) is None


def test_a_part_has_the_keys_that_concern_it() -> None:
    config = load_config(None, {}, {})
    assert "gateway_port" not in describe_config(config, Part.API)
    assert "admin_token_file" not in describe_config(config, Part.SERVER)
    assert set(describe_config(config)) == set(PlatformConfig.model_fields)


def test_config_show_prints_values_and_origins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "port: 81\n")
    monkeypatch.setenv("FEDLOOM_BROKER_URL", "amqp://me:geheim@mq/")
    monkeypatch.setenv("FEDLOOM_CONFIG", str(path))
    assert main(["config", "show", "--part", "api", "--set", "host=127.0.0.9"]) == 0
    out = capsys.readouterr().out
    assert "port: 81" in out
    assert f"# {path} line 1" in out
    assert "geheim" not in out
    assert "# command line" in out
    assert main(["config", "show", "--json", "--config", str(path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["port"] == {"value": 81, "origin": f"{path} line 1"}
    assert main(["config", "show", "--part", "client"]) == 0
    assert "superlink: 127.0.0.1:9092" in capsys.readouterr().out
    assert main(["config", "show", "--part", "cliend"]) == 2
    assert "did you mean 'client'?" in capsys.readouterr().err
    for part in ("up", "client"):
        assert main(["config", "example", "--part", part]) == 0
        assert capsys.readouterr().out.startswith("# ")
    assert main(["config", "show", "--set", "port"]) == 2
    assert "write KEY=VALUE" in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml does not exist"):
        load_config(tmp_path / "absent.yaml", {}, {})
