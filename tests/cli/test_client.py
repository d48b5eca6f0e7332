"""`fedloom client`: the owner's commands, and a node as a process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
import yaml

from fedloom.cli import main
from fedloom.fleet.flower.superlink import SuperLink
from fedloom.platform.client.audit import AuditLog
from fedloom.platform.client.policy import Kind, Wish
from fedloom.platform.client.policy_file import PolicyFile, read_policy

DIGEST = "ab" * 32
LIMIT_S = 60.0


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "iris.csv").write_text("a,kind\n" + "1,x\n2,y\n" * 10)
    path = tmp_path / "node.yaml"
    source = {"path": "iris.csv", "label": "kind"}
    content = {"name": "a", "state": "state", "datasets": {"iris": source}, "insecure": True}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def call(node: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*words: str, code: int = 0) -> str:
        assert main(["client", *words, "--config", str(node)]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call


def policy_of(node: Path) -> Path:
    return node.parent / "state" / "policy.yaml"


def test_without_a_policy_all_is_denied_and_show_says_so(call: Callable[..., str]) -> None:
    out = call("policy", "show")
    assert "not there: the default" in out
    assert "mode: deny" in out


def test_allow_and_deny_put_each_kind_of_code_in_its_list(
    call: Callable[..., str], node: Path
) -> None:
    for code in ("iris", DIGEST, "model:mlp", "iris"):
        call("policy", "allow", code)
    policy = read_policy(policy_of(node))
    assert (policy.packages, policy.digests, policy.models) == (("iris",), (DIGEST,), ("mlp",))
    call("policy", "deny", "iris")
    call("policy", "deny", DIGEST)
    assert "is not among the packages" in call("policy", "deny", "iris", code=2)
    file = PolicyFile(policy_of(node))
    assert file.policy.packages == file.policy.digests == ()
    wish = Wish("iris", Kind.PACKAGE, "any", DIGEST)
    assert file.decide(wish).reason.endswith("was refused by this node's owner")
    assert "no public key" in call("policy", "allow", "ed25519:x", code=2)


def test_what_the_owner_wrote_by_hand_stays(call: Callable[..., str], node: Path) -> None:
    path = policy_of(node)
    path.parent.mkdir()
    path.write_text(
        "# mine\nmode: deny   # for now\npackages:  # by name\n  - old  # since May\n"
        "limits: {time_s: 5}\n# end\n"
    )
    call("policy", "ask")
    call("policy", "allow", "new")
    text = path.read_text()
    assert all(part in text for part in ("# mine", "# for now", "limits: {time_s: 5}", "# end"))
    policy = read_policy(path)
    assert (policy.mode, policy.packages, policy.limits.time_s) == ("ask", ("old", "new"), 5.0)
    path.write_text("{mode: ask}\n")
    call("policy", "allow", "new")
    assert read_policy(path).packages == ("new",)
    path.write_text("packages: [a]\nmode: ask\n")
    call("policy", "allow")
    assert read_policy(path).mode == "allow"


def test_a_policy_that_is_wrong_is_not_touched(call: Callable[..., str], node: Path) -> None:
    path = policy_of(node)
    path.parent.mkdir()
    path.write_text("mode: maybe\n")
    assert "mode" in call("policy", "allow", "iris", code=2)
    assert path.read_text() == "mode: maybe\n"


def test_who_waits_is_listed_and_judged_by_the_beginning_of_its_key(
    call: Callable[..., str], node: Path
) -> None:
    assert "nothing waits" in call("policy", "pending")
    call("policy", "ask")
    file = PolicyFile(policy_of(node))
    wish = Wish("iris", Kind.PACKAGE, "flowers", DIGEST)
    assert file.decide(wish).verdict == "pending"
    assert "flowers" in call("policy", "pending")
    call("policy", "approve", "abab")
    assert file.decide(wish).verdict == "allowed"
    call("policy", "refuse", DIGEST)
    assert file.decide(wish).verdict == "refused"
    assert f"refused: package flowers {DIGEST}" in call("policy", "show").replace("'", "")


def test_edit_puts_only_a_readable_policy_in_place(
    call: Callable[..., str], node: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s\\n" "$WISH" > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("WISH", "mode: ask")
    call("policy", "edit")
    assert read_policy(policy_of(node)).mode == "ask"
    monkeypatch.setenv("WISH", "mode: [")
    assert "the policy stays as it was" in call("policy", "edit", code=2)
    assert read_policy(policy_of(node)).mode == "ask"


def test_the_key_is_made_once_and_kept_private(call: Callable[..., str], node: Path) -> None:
    first = call("key")
    assert first.startswith("-----BEGIN PUBLIC KEY-----")
    assert call("key") == first
    kept = node.parent / "state" / "node.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_audit_log_is_shown_and_a_changed_line_is_found(
    call: Callable[..., str], node: Path
) -> None:
    assert "there is no audit log" in call("audit", code=2)
    path = node.parent / "state" / "audit.jsonl"
    log = AuditLog(path)
    head = [log.append("opened", node="a"), log.append("closed", node="a")][-1]
    assert call("audit", "--last", "1").count("\n") == 1
    assert f"intact: 2 lines; last hash {head}" in call("audit", "verify", "--seen", head)
    path.write_text(path.read_text().replace('"closed"', '"opened"'))
    assert "line 2" in call("audit", "verify", code=1)
    assert "did you mean 'verify'?" in call("audit", "verif", code=2)


def test_check_names_what_would_not_work(call: Callable[..., str], node: Path) -> None:
    out = call("check", code=1)
    assert "20 rows" in out or "16 rows" in out
    assert "failed  SuperLink" in out
    (node.parent / "iris.csv").write_text("a,b\n1,2\n")
    assert "failed  data iris" in call("check", code=1)


def test_the_example_is_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["client", "example"]) == 0
    assert "datasets" in yaml.safe_load(capsys.readouterr().out)


# As a process


def start(node: Path, *words: str, superlink: str = "127.0.0.1:9") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fedloom", "client", *words, "--config", str(node)],
        env={**os.environ, "FEDLOOM_CLIENT_SUPERLINK": superlink},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, printed = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    return process.returncode, printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_connects_is_small_while_idle_and_ends_on_a_signal(
    node: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with SuperLink(tmp_path / "superlink") as link:
        process = start(node, superlink=link.endpoint.address)
        try:
            read_until(process, "a is connected to")
            memory = psutil.Process(process.pid).memory_info().rss
            second = start(node, "run", superlink=link.endpoint.address)
            code, printed = end(second)
            assert code == 2
            assert "another node uses" in printed
            assert "Traceback" not in printed
            process.send_signal(number)
            code, printed = end(process)
        finally:
            process.kill()
        assert (code, "Traceback" in printed) == (0, False)
    assert memory < 250e6


def test_a_node_waits_for_its_superlink_and_a_wrong_configuration_is_one_line(
    node: Path, tmp_path: Path
) -> None:
    process = start(node)
    try:
        read_until(process, "trying again until it works")
        assert process.poll() is None
        process.terminate()
        assert end(process)[0] == 0
    finally:
        process.kill()
    node.write_text("name: a\nslots: no\n")
    code, printed = end(start(node))
    assert code == 2
    assert printed.count("\n") == 1
    assert "slots" in printed


def test_an_idle_node_takes_less_than_a_hundredth_of_a_core(node: Path, tmp_path: Path) -> None:
    """Processor time over a few seconds; quiet: 0.15 %."""
    with SuperLink(tmp_path / "superlink") as link:
        process = start(node, superlink=link.endpoint.address)
        try:
            read_until(process, "a is connected to")
            watched = psutil.Process(process.pid)
            shares = []
            until = monotonic() + LIMIT_S
            while monotonic() < until and (not shares or shares[-1] >= 0.01):
                before, begun = sum(watched.cpu_times()[:2]), monotonic()
                sleep(4.0)
                shares.append((sum(watched.cpu_times()[:2]) - before) / (monotonic() - begun))
            assert shares[-1] < 0.01, shares
        finally:
            process.terminate()
            end(process)
