"""What a policy says, by itself and as a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fedloom.errors import InputError, NotFoundError, OutputError
from fedloom.package.signing import (
    Signature,
    make_key,
    read_public_key,
    sign_digest,
    verify,
)
from fedloom.platform.client.order import read_wish
from fedloom.platform.client.policy import Kind, Mode, Policy, Verdict, Wish, decide
from fedloom.platform.client.policy_file import PolicyFile, read_policy

DIGEST, OTHER = "a" * 64, "b" * 64


def wish(**more: object) -> Wish:
    return Wish(**{"use_case": "iris", "kind": Kind.PACKAGE, "name": "p", "digest": DIGEST} | more)  # type: ignore[arg-type]


def verdict(policy: Policy, asked: Wish, **judged: Verdict) -> Verdict:
    return decide(policy, asked, judged).verdict


def test_the_default_refuses_everything() -> None:
    assert verdict(Policy(), wish()) is Verdict.REFUSED
    assert verdict(Policy(), wish(kind=Kind.MODEL, name="mlp", digest="")) is Verdict.REFUSED
    decision = decide(Policy(), wish(), {})
    assert "not among what this node's owner allows" in decision.reason
    assert DIGEST[:16] in decision.reason


@pytest.mark.parametrize(
    ("rule", "asked", "expected"),
    [
        ({"packages": ["p*"]}, {}, Verdict.ALLOWED),
        ({"packages": ["q*"]}, {}, Verdict.REFUSED),
        ({"packages": ["P"]}, {}, Verdict.REFUSED),
        ({"digests": [DIGEST.upper()]}, {}, Verdict.ALLOWED),
        ({"digests": [OTHER]}, {}, Verdict.REFUSED),
        ({"mode": "allow"}, {}, Verdict.ALLOWED),
        ({"mode": "ask"}, {}, Verdict.PENDING),
        ({"mode": "allow", "use_cases": ["scans"]}, {}, Verdict.REFUSED),
        ({"mode": "allow", "entry_points": ["train"]}, {"entry_point": "train"}, Verdict.ALLOWED),
        ({"mode": "allow", "entry_points": ["train"]}, {"entry_point": "build"}, Verdict.REFUSED),
        ({"mode": "ask", "entry_points": []}, {"entry_point": "train"}, Verdict.REFUSED),
        ({"mode": "allow"}, {"digest": "../../x"}, Verdict.REFUSED),
        ({"mode": "allow", "signed_only": True}, {}, Verdict.REFUSED),
        ({"models": ["ml*"]}, {"kind": Kind.MODEL, "name": "mlp", "digest": ""}, Verdict.ALLOWED),
        ({"packages": ["*"]}, {"kind": Kind.MODEL, "name": "mlp", "digest": ""}, Verdict.REFUSED),
    ],
)
def test_a_rule_decides(
    rule: dict[str, object], asked: dict[str, object], expected: Verdict
) -> None:
    assert verdict(Policy.model_validate(rule), wish(**asked)) is expected


def test_what_the_owner_refused_no_rule_allows() -> None:
    policy = Policy(mode=Mode.ALLOW, digests=(DIGEST,), packages=("*",))
    assert verdict(policy, wish(), **{DIGEST: Verdict.REFUSED}) is Verdict.REFUSED
    assert verdict(Policy(), wish(), **{DIGEST: Verdict.ALLOWED}) is Verdict.ALLOWED
    assert verdict(Policy(mode=Mode.ASK), wish(), **{OTHER: Verdict.ALLOWED}) is Verdict.PENDING


def test_a_signature_counts_for_its_key_and_its_digest_alone(tmp_path: Path) -> None:
    trusted, stranger = make_key(tmp_path / "a.pem"), make_key(tmp_path / "b.pem")
    good = sign_digest(DIGEST, tmp_path / "a.pem")
    assert good.key == trusted == read_public_key(tmp_path / "a.pem")
    policy = Policy(trusted_keys=(trusted,))
    assert verdict(policy, wish(signatures=(good,))) is Verdict.ALLOWED
    assert verdict(policy, wish(signatures=(good,), digest=OTHER)) is Verdict.REFUSED
    unknown = sign_digest(DIGEST, tmp_path / "b.pem")
    assert verify(DIGEST, unknown)
    assert verdict(policy, wish(signatures=(unknown,))) is Verdict.REFUSED
    claimed = Signature(trusted, unknown.signature)
    assert not verify(DIGEST, claimed)
    assert verdict(policy, wish(signatures=(claimed,))) is Verdict.REFUSED
    assert verdict(policy, wish(signatures=(unknown, good))) is Verdict.ALLOWED
    signed_only = Policy(trusted_keys=(trusted,), signed_only=True, digests=(DIGEST,))
    assert verdict(signed_only, wish()) is Verdict.REFUSED
    assert verdict(signed_only, wish(signatures=(good,))) is Verdict.ALLOWED
    assert stranger != trusted


def test_keys_are_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    public = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputError):
        make_key(path)
    assert read_public_key(path) == public
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        sign_digest(DIGEST, path)
    path.chmod(0o600)
    path.write_text("rubbish")
    with pytest.raises(InputError, match="no private key"):
        sign_digest(DIGEST, path)


@given(
    st.sampled_from(list(Mode)),
    st.booleans(),
    st.sampled_from([None, *Verdict]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_nothing_runs_without_a_yes(
    mode: Mode, named: bool, said: Verdict | None, right_use: bool, signed_only: bool
) -> None:
    policy = Policy(
        mode=mode,
        digests=(DIGEST,) if named else (),
        use_cases=("iris",) if right_use else ("x",),
        signed_only=signed_only,
    )
    found = decide(policy, wish(), {} if said is None else {DIGEST: said})
    yes = named or said is Verdict.ALLOWED or mode is Mode.ALLOW
    if found.verdict is Verdict.ALLOWED:
        assert (yes, right_use, signed_only) == (True, True, False)
        assert said is not Verdict.REFUSED
    elif right_use and not signed_only and said is not Verdict.REFUSED:
        assert not yes
    assert found.reason
    assert decide(policy, wish(), {} if said is None else {DIGEST: said}) == found


# The file


def test_a_file_that_is_missing_denies(tmp_path: Path) -> None:
    file = PolicyFile(tmp_path / "policy.yaml")
    assert file.policy == Policy()
    assert file.decide(wish()).verdict is Verdict.REFUSED
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    file = PolicyFile(path)
    assert file.decide(wish()).verdict is Verdict.REFUSED
    path.write_text("mode: allow\n")
    assert file.decide(wish()).verdict is Verdict.ALLOWED
    path.write_text("mode: deny\n")
    assert file.decide(wish()).verdict is Verdict.REFUSED


def test_a_broken_file_refuses_everything(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: allow\n")
    file = PolicyFile(path)
    assert file.decide(wish()).verdict is Verdict.ALLOWED
    for broken in ("mode: allwo\n", "mode: allow\npackges: [x]\n", "a: [", "- x\n", "\x00"):
        path.write_text(broken)
        decision = file.decide(wish())
        assert decision.verdict is Verdict.REFUSED, broken
        assert str(tmp_path) not in decision.reason
        with pytest.raises(InputError, match=r"policy\.yaml"):
            read_policy(path)
    path.write_text("mode: allow\n")
    assert file.decide(wish()).verdict is Verdict.ALLOWED


def test_asking_first(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: ask\n")
    file = PolicyFile(path)
    assert "waits for the approval" in file.decide(wish()).reason
    first = file.pending()
    file.decide(wish(name="other name"))
    assert file.pending() == first
    assert [(k, j.name, j.use_case) for k, j in first.items()] == [(DIGEST, "p", "iris")]
    file.decide(wish(digest=OTHER))
    assert file.approve("aaa").name == "p"
    assert file.decide(wish()).verdict is Verdict.ALLOWED
    file.refuse("bb")
    assert file.decide(wish(digest=OTHER)).verdict is Verdict.REFUSED
    assert not file.pending()
    again = PolicyFile(path)
    assert again.decide(wish()).verdict is Verdict.ALLOWED
    assert path.read_text() == "mode: ask\n"
    for vague in ("", "zz", "c"):
        with pytest.raises(NotFoundError):
            file.approve(vague)
    file.approve("c" * 64)
    assert file.decide(wish(digest="c" * 64)).verdict is Verdict.ALLOWED
    file.approve("model:mlp")
    assert file.decide(wish(kind=Kind.MODEL, name="mlp", digest="")).verdict is Verdict.ALLOWED


def test_an_approval_by_another_process_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: ask\n")
    file = PolicyFile(path)
    file.decide(wish())
    code = (
        "import sys; from pathlib import Path;"
        "from fedloom.platform.client.policy_file import PolicyFile;"
        f"PolicyFile(Path(sys.argv[1])).approve('{DIGEST}')"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    assert file.decide(wish()).verdict is Verdict.ALLOWED


def test_the_list_of_what_waits_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedloom.platform.client.policy_file._MOST_PENDING", 3)
    path = tmp_path / "policy.yaml"
    path.write_text("mode: ask\n")
    file = PolicyFile(path)
    found = [file.decide(wish(digest=f"{n:064x}")).verdict for n in range(5)]
    assert found == [Verdict.PENDING] * 3 + [Verdict.REFUSED] * 2
    assert len(file.pending()) == 3


def test_where_nothing_can_be_noted_the_answer_is_no(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: ask\n")
    (tmp_path / ".policy.judged.json.lock").mkdir()
    assert PolicyFile(path).decide(wish()).verdict is Verdict.REFUSED


def test_damaged_judgements_refuse(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: allow\n")
    (tmp_path / "policy.judged.json").write_text('{"a": 1}')
    assert PolicyFile(path).decide(wish()).verdict is Verdict.REFUSED


def test_sizes_are_read_as_people_write_them() -> None:
    policy = Policy.model_validate({"limits": {"memory": "500MB", "file": "2GiB"}})
    bounds = policy.limits.bounds()
    assert (bounds.memory_bytes, bounds.file_bytes) == (500_000_000, 2 * 1024**3)
    for wrong in ({"time_s": 0}, {"memory": "-1"}, {"processes": 1}, {"times": 1}):
        with pytest.raises(ValidationError):
            Policy.model_validate({"limits": wrong})
    with pytest.raises(ValidationError):
        Policy.model_validate({"trusted_keys": ["ed25519:abc"]})


# What a task asks for


def test_a_wish_is_read_from_settings(tmp_path: Path) -> None:
    make_key(tmp_path / "k")
    signature = sign_digest(DIGEST, tmp_path / "k")
    settings = {
        "trainer": "package",
        "use_case": "iris",
        "package": {"name": "p", "digest": DIGEST, "signatures": [signature.describe()]},
    }
    assert read_wish(json.loads(json.dumps(settings)), "train") == wish(
        entry_point="train", signatures=(signature,)
    )
    model = {"trainer": "keras", "use_case": "iris", "training": {"model": "mlp"}}
    assert read_wish(model).key == "model:mlp"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"trainer": "package"},
        {"trainer": "toy", "use_case": "iris"},
        {"trainer": "package", "use_case": "iris"},
        {"trainer": "package", "use_case": "iris", "package": "p"},
        {"trainer": "package", "use_case": "iris", "package": {"name": "p"}},
        {"trainer": "package", "use_case": ["iris"], "package": {"name": "p", "digest": DIGEST}},
        {"trainer": "package", "use_case": "i" * 999, "package": {"name": "p", "digest": DIGEST}},
        {
            "trainer": "package",
            "use_case": "iris",
            "package": {"name": "p", "digest": DIGEST, "signatures": [{"key": "x"}]},
        },
        {"trainer": "keras", "use_case": "iris", "training": []},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        read_wish(settings)
