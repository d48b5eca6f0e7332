"""Archives: the same bytes for the same files, and nothing harmful in or out."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import OutputError, PackageError
from fedloom.package import content, extract
from fedloom.package.archive import create_archive, digest_file, digest_folder, extract_archive
from fedloom.package.names import NameRegister, check_name
from fedloom.package.stored_gzip import StoredGzip

PROJECT = b"entry_points: {train: python train.py}\n"
Files = dict[str, bytes]


def fill(folder: Path, files: Files) -> Path:
    for name, data in {"fedloom.yaml": PROJECT, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read_files(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((PackageError, OutputError)) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Reproducible


def test_the_digest_is_the_same_on_every_machine(tmp_path: Path) -> None:
    files = {"train.py": b"print(1)\n", "ünï/cödé.bin": bytes(range(256)) * 600, "n" * 150: b""}
    folder = fill(tmp_path / "client", files)
    (folder / "train.py").chmod(0o700)
    archive = create_archive(folder, tmp_path / "package.tgz")
    assert archive.sha256 == "f9929b57bfb2fc0ac031d453bb41ad5fc7951e477ad1b6d53ed930ddd866743b"


def test_neither_order_nor_time_nor_mode_nor_place_changes_a_byte(tmp_path: Path) -> None:
    files = {f"{folder}f{i}.py": bytes([i]) for i in range(8) for folder in ("", "a/", "a/b/")}
    first = fill(tmp_path / "one", files)
    names = list(files)
    random.Random(0).shuffle(names)
    second = fill(tmp_path / "two", {name: files[name] for name in names})
    for path in second.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o600)
        os.utime(path, (1, 1))
    (second / "empty").mkdir()
    made = create_archive(first, tmp_path / "package.tgz")
    again = create_archive(second, second / "package.tgz")
    assert made.path.read_bytes() == again.path.read_bytes()
    assert made.sha256 == again.sha256 == digest_file(made.path) == digest_folder(first)
    assert create_archive(second, second / "package.tgz").sha256 == made.sha256
    (second / "f0.py").chmod(0o755)
    assert digest_folder(second) != made.sha256


def test_the_report_of_an_archive_is_true(tmp_path: Path) -> None:
    folder = fill(tmp_path / "client", {"b.py": b"12", "a.sh": b"123"})
    (folder / "a.sh").chmod(0o755)
    archive = create_archive(folder, tmp_path / "sub" / "package.tgz")
    assert [(f.name, f.size_bytes, f.executable) for f in archive.files] == [
        ("a.sh", 3, True),
        ("b.py", 2, False),
        ("fedloom.yaml", len(PROJECT), False),
    ]
    assert archive.size_bytes == archive.path.stat().st_size
    assert archive.sha256 == hashlib.sha256(archive.path.read_bytes()).hexdigest()
    assert [p.name for p in archive.path.parent.iterdir()] == ["package.tgz"]


def test_other_programs_read_the_archive(tmp_path: Path) -> None:
    files = {"sub/ünï.bin": os.urandom(200_000), "n" * 200: b"x", "empty": b""}
    archive = create_archive(fill(tmp_path / "client", files), tmp_path / "package.tgz")
    with tarfile.open(archive.path, "r:gz") as tar:
        members = tar.getmembers()
        assert {m.name: tar.extractfile(m).read() for m in members} == {  # type: ignore[union-attr]
            **files,
            "fedloom.yaml": PROJECT,
        }
    assert {(m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {
        (0o644, 0, 0, "", "", 0)
    }


@given(st.lists(st.binary(max_size=200_000), max_size=4))
@settings(max_examples=25, deadline=None)
def test_the_gzip_stream_holds_what_was_written_however_it_was_cut(pieces: list[bytes]) -> None:
    whole, cut = io.BytesIO(), io.BytesIO()
    one, many = StoredGzip(whole.write), StoredGzip(cut.write)
    one.write(b"".join(pieces))
    for piece in pieces:
        many.write(piece)
    assert one.finish() == many.finish() == hashlib.sha256(whole.getvalue()).hexdigest()
    assert whole.getvalue() == cut.getvalue()
    assert one.size_bytes == len(whole.getvalue())
    assert gzip.decompress(whole.getvalue()) == b"".join(pieces)


def keep_apart(files: Files) -> Files:
    """Return the files whose names can lie beside those before them."""
    register = NameRegister()
    register.add_file("fedloom.yaml")
    kept = {}
    for name, data in files.items():
        with suppress(PackageError):
            register.add_file(name)
            kept[name] = data
    return kept


PARTS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), max_size=6).map(keep_apart)


@given(FILES)
@settings(max_examples=60, deadline=None)
def test_what_is_packed_comes_out_again(
    tmp_path_factory: pytest.TempPathFactory, files: Files
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    archive = create_archive(fill(folder / "client", files), folder / "package.tgz")
    extract_archive(archive.path, folder / "out", sha256=archive.sha256.upper())
    assert read_files(folder / "out") == {**files, "fedloom.yaml": PROJECT}
    assert digest_folder(folder / "out") == archive.sha256


# What is not packed


def test_a_link_or_a_device_is_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "client", {"train.py": b""})
    (folder / "model.py").symlink_to("train.py")
    assert "'model.py' is a symbolic link" in refusal(lambda: digest_folder(folder))
    (folder / "model.py").unlink()
    (folder / "data").symlink_to("/tmp")
    assert "'data' is a symbolic link" in refusal(lambda: digest_folder(folder))
    (folder / "data").unlink()
    os.mkfifo(folder / "pipe")
    assert "'pipe' is no plain file" in refusal(lambda: digest_folder(folder))


@pytest.mark.parametrize(
    "files",
    [
        {"Data.py": b"", "data.py": b""},
        {"Sub/a": b"", "sub/b": b""},
        {"a\\b": b""},
        {"a\nb": b""},
        {"\u00e9": b"", "e\u0301": b""},
        {os.fsdecode(b"\xff"): b""},
    ],
    ids=["case", "folder case", "backslash", "newline", "accents", "no text"],
)
def test_names_that_some_machine_cannot_hold_are_refused(tmp_path: Path, files: Files) -> None:
    folder = fill(tmp_path / "client", files)
    assert refusal(lambda: create_archive(folder, tmp_path / "package.tgz"))
    assert not (tmp_path / "package.tgz").exists()


def test_limits_name_the_largest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "client", {"big.bin": bytes(5000), "small": b"1"})
    message = refusal(lambda: create_archive(folder, tmp_path / "p.tgz", limit_bytes=5000))
    assert "the largest file is big.bin with 5,000" in message
    assert "at most 5,000" in message
    create_archive(folder, tmp_path / "p.tgz", limit_bytes=5001 + len(PROJECT))
    monkeypatch.setattr(content, "MOST_FILES", 2)
    assert "more than 2 files" in refusal(lambda: digest_folder(folder))


def test_a_package_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    assert "no project file" in refusal(lambda: digest_folder(tmp_path))
    folder = fill(tmp_path / "client", {".ignore": b"*.yaml"})
    assert "fedloom.yaml is not among what is packed" in refusal(lambda: digest_folder(folder))
    files = {
        "fedloom.yaml": b"python_env: env.yaml\n" + PROJECT,
        "env.yaml": b"dependencies: [numpy]",
        ".ignore": b"env.*",
    }
    fill(folder, files)
    assert "env.yaml is not among what is packed" in refusal(lambda: digest_folder(folder))


def test_a_file_that_changes_while_it_is_packed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "client", {"log.txt": b"1234"})
    for size in (3, 5):
        monkeypatch.setattr(
            content, "_describe", lambda entry, name, size=size: content.PackedFile(name, size)
        )
        assert "changed while it was being packed" in refusal(
            lambda: create_archive(folder, tmp_path / "package.tgz")
        )
    assert list(tmp_path.iterdir()) == [folder]


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    folder = fill(tmp_path / "client", {})
    assert "is a folder" in refusal(lambda: create_archive(folder, tmp_path))
    assert "cannot write" in refusal(lambda: create_archive(folder, folder / "fedloom.yaml" / "p"))


# What is not unpacked


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def pack(
    path: Path, *entries: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", project: bool = True
) -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, data in [*entries, *([entry("fedloom.yaml", PROJECT)] if project else [])]:
            tar.addfile(info, io.BytesIO(data))
    return path


def check_refused(archive: Path, words: str, **options: int) -> None:
    """An archive is refused, for the reason given, and nothing of it stays."""
    beside = archive.parent
    before = set(beside.parent.rglob("*"))
    message = refusal(lambda: extract_archive(archive, beside / "out", **options))  # type: ignore[arg-type]
    assert words in message
    assert str(archive) in message
    assert set(beside.parent.rglob("*")) == before


SPARSE = {"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry("a", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "a symbolic link"),
        ([entry("a", type=tarfile.SYMTYPE, linkname="fedloom.yaml")], "a symbolic link"),
        ([entry("a", type=tarfile.LNKTYPE, linkname="fedloom.yaml")], "a hard link"),
        ([entry("a", type=tarfile.CHRTYPE)], "a device"),
        ([entry("a", type=tarfile.BLKTYPE)], "a device"),
        ([entry("a", type=tarfile.FIFOTYPE)], "a pipe"),
        ([entry("a", type=tarfile.CONTTYPE)], "no plain file"),
        ([entry("a", b"x", type=b"Z")], "no plain file"),
        ([entry("/etc/cron.d/x")], "an absolute path"),
        ([entry("C:/x")], "an absolute path"),
        ([entry("../x")], "'..' is refused"),
        ([entry("a/../../x")], "'..' is refused"),
        ([entry("a/../b")], "'..' is refused"),
        ([entry("..", type=tarfile.DIRTYPE)], "'..' is refused"),
        ([entry("..\\x")], "a backslash"),
        ([entry("a\x1b[2J")], "no text"),
        ([entry("a" * 300)], "longer than 255"),
        ([entry(".")], "without a name"),
        ([entry("a", b"1"), entry("a", b"2")], "'a' is there twice"),
        ([entry("a"), entry("./a")], "'a' is there twice"),
        ([entry("A.py"), entry("a.py")], "the same file on some machines"),
        ([entry("Sub/a"), entry("sub/b")], "the same file on some machines"),
        ([entry("a"), entry("a/b")], "'a' is there twice"),
        ([entry("a/b"), entry("a")], "'a' is there twice"),
        ([entry("a"), entry("a", type=tarfile.DIRTYPE)], "'a' is there twice"),
        ([entry("a", pax_headers={"comment": "x" * 100_000})], "a header of"),
        ([entry("a", **SPARSE)], ""),
    ],
)
def test_a_malicious_archive_is_refused(
    tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]], words: str
) -> None:
    for mode in ("w", "w:gz", "w:bz2"):
        archive = pack(tmp_path / "package.tgz", *entries, mode=mode)
        check_refused(archive, words)


def test_a_link_is_not_followed_by_what_comes_after_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    link = entry("a", type=tarfile.SYMTYPE, linkname=str(outside))
    check_refused(pack(inner / "p.tgz", link, entry("a/x", b"1")), "a symbolic link")
    assert not list(outside.iterdir())


def test_a_bomb_is_not_unpacked_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(tmp_path / "p.tgz", entry("zeros", bytes(50_000_000)))
    assert archive.stat().st_size < 100_000
    check_refused(archive, "more than 1,000,000 bytes", limit_bytes=1_000_000)
    # a size that is not true, and content after the end of the archive
    monkeypatch.setattr(extract, "_FRAME_BYTES", 100_000)
    trailing = tmp_path / "t.tgz"
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        tar.addfile(entry("fedloom.yaml")[0])
    trailing.write_bytes(gzip.compress(whole.getvalue() + bytes(50_000_000)))
    check_refused(trailing, "passes the limit", limit_bytes=1_000_000)


def test_a_header_that_claims_a_huge_name_costs_nothing(tmp_path: Path) -> None:
    claim = tarfile.TarInfo("././@LongLink")
    claim.type, claim.size = tarfile.GNUTYPE_LONGNAME, 2**40
    (tmp_path / "p.tgz").write_bytes(gzip.compress(claim.tobuf(tarfile.GNU_FORMAT) + bytes(10**7)))
    check_refused(tmp_path / "p.tgz", "a header of")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MOST_FILES", 10)
    folders = [entry(f"d{i}", type=tarfile.DIRTYPE) for i in range(11)]
    check_refused(pack(tmp_path / "p.tgz", *folders), "or 10 files")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_torn_archive_is_refused(tmp_path: Path, keep: float) -> None:
    folder = fill(tmp_path / "client", {"a.bin": os.urandom(100_000)})
    whole = create_archive(folder, tmp_path / "p.tgz").path.read_bytes()
    (tmp_path / "p.tgz").write_bytes(whole[: int(len(whole) * keep)])
    check_refused(tmp_path / "p.tgz", "")


@given(st.integers(0, 2**32), st.integers(1, 255))
@settings(max_examples=80, deadline=None)
def test_a_damaged_archive_is_refused_whatever_byte_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    archive = create_archive(fill(folder / "client", {"a": b"x" * 500}), folder / "p.tgz")
    data = bytearray(archive.path.read_bytes())
    data[place % len(data)] ^= change
    archive.path.write_bytes(data)
    assert "instead of" in refusal(
        lambda: extract_archive(archive.path, folder / "out", sha256=archive.sha256)
    )
    try:
        extract_archive(archive.path, folder / "out")
    except PackageError:
        assert not (folder / "out").exists()
    else:  # a byte of the gzip header that nothing depends on
        assert read_files(folder / "out") == read_files(folder / "client")


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "p.tgz"
    assert "does not exist" in refusal(lambda: extract_archive(archive, tmp_path / "out"))
    assert "is no file" in refusal(lambda: extract_archive(tmp_path, tmp_path / "out"))
    check_refused(pack(archive, entry("train.py"), project=False), "holds no project file")
    archive.write_bytes(b"hello")
    check_refused(archive, "no readable archive")
    archive.write_bytes(os.urandom(5000))
    check_refused(archive, "no readable archive")
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("fedloom.yaml", PROJECT)
    check_refused(archive, "a zip archive")


def test_the_folder_must_be_fresh(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.tgz")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("full", "link", "p.tgz"):
        target = tmp_path / name
        assert "is not empty" in refusal(lambda target=target: extract_archive(archive, target))
    (tmp_path / "empty").mkdir()
    extract_archive(archive, tmp_path / "empty")
    assert read_files(tmp_path / "empty") == {"fedloom.yaml": PROJECT}
    assert "cannot write" in refusal(lambda: extract_archive(archive, archive / "below"))


def test_archives_of_others_are_read(tmp_path: Path) -> None:
    entries = [
        entry(".", type=tarfile.DIRTYPE),
        entry("./sub", type=tarfile.DIRTYPE, mode=0o7777),
        entry("./sub/run.sh", b"1", mode=0o6755, uid=1000, mtime=99.5),
        entry("./sub", type=tarfile.DIRTYPE),
        entry("ünï/" + "n" * 180, b"2", mode=0o400),
        entry("empty", type=tarfile.DIRTYPE, mode=0),
    ]
    for mode in ("w", "w:gz", "w:bz2"):
        out = tmp_path / f"out{mode[-1]}"
        extract_archive(pack(tmp_path / "p.tgz", *entries, mode=mode), out)
        names = {"fedloom.yaml", "sub/run.sh", "ünï/" + "n" * 180}
        assert set(read_files(out)) == names
        assert (out / "empty").is_dir()
        assert (out / "sub" / "run.sh").stat().st_mode & 0o7777 == 0o755
        assert (out / "fedloom.yaml").stat().st_mode & 0o7777 == 0o644
        assert not (out / "sub").stat().st_mode & 0o7000


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    archive = pack(tmp_path / "p.tgz", entry("big", bytes(3_000_000)))
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from fedloom.errors import OutputError\n"
        "from fedloom.package.archive import extract_archive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))\n"
        "try: extract_archive(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except OutputError as error: print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, archive, tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "cannot write" in ended.stdout
    assert list(tmp_path.iterdir()) == [archive]


# Names


@given(st.text(max_size=30))
def test_a_name_that_passes_stays_inside(name: str) -> None:
    try:
        checked = check_name(name)
    except PackageError:
        return
    assert not checked.startswith("/")
    assert ".." not in checked.split("/")
    assert (Path("/package") / checked).is_relative_to("/package")
    assert check_name(checked) == checked


def test_stored_blocks_need_no_deflate_but_are_deflate() -> None:
    sink = io.BytesIO()
    stream = StoredGzip(sink.write)
    stream.write(b"x" * 70_000)
    stream.finish()
    # header 10, two blocks with 5 each, trailer 8
    assert len(sink.getvalue()) == 70_000 + 10 + 10 + 8
    assert zlib.decompress(sink.getvalue(), wbits=31) == b"x" * 70_000
