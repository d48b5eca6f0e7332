from __future__ import annotations

import gzip
import socket
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from fedloom.data import idx_sets, load_dataset
from fedloom.data.download import RemoteFile, fetch
from fedloom.data.idx_sets import IDX_SETS, IdxSet
from fedloom.errors import DataError

from .idx_files import PARTS, write_idx_set
from .loopback import Mirror

CONTENT = bytes(range(256)) * 1000


def describe(*mirrors: str, content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile("file.gz", len(content), sha256(content).hexdigest(), mirrors)


@pytest.fixture
def closed_port() -> str:
    """Return the address of a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_fetch_keeps_the_file_and_asks_once(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT
    path = fetch(describe(mirror.url), tmp_path / "kept")
    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path / "kept") == ["file.gz"]
    assert fetch(describe(mirror.url), tmp_path / "kept") == path
    assert mirror.asked == ["/file.gz"]


def test_the_next_mirror_is_asked(mirror: Mirror, closed_port: str, tmp_path: Path) -> None:
    mirror.files["/good/file.gz"] = CONTENT
    mirror.files["/bad/file.gz"] = CONTENT[::-1]
    file = describe(closed_port, f"{mirror.url}bad/", f"{mirror.url}good/")
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == ["/bad/file.gz", "/good/file.gz"]


def test_wrong_checksum(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT[::-1]
    with pytest.raises(DataError, match="wrong checksum: SHA-256"):
        fetch(describe(mirror.url), tmp_path / "kept")
    assert left_in(tmp_path / "kept") == []


def test_cut_off_transfer(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT[:5000]
    mirror.promised["/file.gz"] = len(CONTENT)
    with pytest.raises(DataError, match=r"cut off after 5000 of 256000 bytes|IncompleteRead"):
        fetch(describe(mirror.url), tmp_path / "kept")
    assert left_in(tmp_path / "kept") == []


def test_longer_than_the_file(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT + b"x"
    with pytest.raises(DataError, match="more than the 256000 bytes"):
        fetch(describe(mirror.url), tmp_path / "kept")
    assert left_in(tmp_path / "kept") == []


def test_silent_mirror(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT[:5000]
    mirror.promised["/file.gz"] = len(CONTENT)
    mirror.stalls.add("/file.gz")
    with pytest.raises(DataError, match="timed out"):
        fetch(describe(mirror.url), tmp_path / "kept", silence_s=0.2)
    assert left_in(tmp_path / "kept") == []


def test_slow_mirror(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT
    with pytest.raises(DataError, match="it took too long"):
        fetch(describe(mirror.url), tmp_path / "kept", total_s=0)
    assert left_in(tmp_path / "kept") == []


def test_missing_file_and_refused_connection(
    mirror: Mirror, closed_port: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"refused.*404") as caught:
        fetch(describe(closed_port, mirror.url), tmp_path / "kept")
    assert closed_port in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "kept") == []


def test_folder_that_cannot_be_written(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/file.gz"] = CONTENT
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot keep file.gz in .*FEDLOOM_CACHE_DIR"):
        fetch(describe(mirror.url), tmp_path / "kept")


@pytest.fixture
def small_set(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IdxSet:
    """Put a small `mnist` on the mirror, in place of the real one."""
    write_idx_set(tmp_path / "source")
    files = []
    for part in PARTS:
        content = (tmp_path / "source" / f"{part}.gz").read_bytes()
        mirror.files[f"/{part}.gz"] = content
        files.append((len(content), sha256(content).hexdigest()))
    small = IdxSet("mnist", tuple(files), (mirror.url,))
    monkeypatch.setattr(idx_sets, "IDX_SETS", {"mnist": small})
    return small


@pytest.mark.usefixtures("small_set")
def test_data_set_is_downloaded_once(mirror: Mirror, tmp_path: Path) -> None:
    assert len(load_dataset("mnist").train_labels) == 12
    assert len(load_dataset("mnist").train_labels) == 12
    assert mirror.asked == [f"/{part}.gz" for part in PARTS]
    kept = tmp_path / "cache" / "datasets" / "mnist"
    assert left_in(kept) == sorted(f"{part}.gz" for part in PARTS)


@pytest.mark.usefixtures("small_set")
def test_an_interrupted_download_goes_on(mirror: Mirror) -> None:
    content = mirror.files.pop(f"/{PARTS[2]}.gz")
    with pytest.raises(DataError, match="404"):
        load_dataset("mnist")
    mirror.files[f"/{PARTS[2]}.gz"] = content
    assert len(load_dataset("mnist").test_labels) == 4
    assert mirror.asked.count(f"/{PARTS[0]}.gz") == 1


def test_without_network_every_way_is_listed(
    small_set: IdxSet, closed_port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = replace(small_set, mirrors=(closed_port,), debian_package="dataset-fashion-mnist")
    monkeypatch.setattr(idx_sets, "IDX_SETS", {"mnist": offline})
    with pytest.raises(DataError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    ways = ["dataset-fashion-mnist", "--data-dir", "FEDLOOM_DATA_DIR", str(tmp_path / "cache")]
    for way in [*ways, *(f"{part}.gz" for part in PARTS), "npz:PATH"]:
        assert way in message
    assert "\n" not in message


def test_published_files_are_described() -> None:
    for idx_set in IDX_SETS.values():
        assert [file.name for file in idx_set.remote_files] == [f"{part}.gz" for part in PARTS]
        assert len(idx_set.mirrors) >= 2
        assert all(mirror.endswith("/") for mirror in idx_set.mirrors)
        assert all(len(file.sha256) == 64 for file in idx_set.remote_files)


def test_gzip_is_not_undone_by_the_download(mirror: Mirror, tmp_path: Path) -> None:
    content = gzip.compress(b"abc")
    mirror.files["/file.gz"] = content
    assert fetch(describe(mirror.url, content=content), tmp_path).read_bytes() == content
