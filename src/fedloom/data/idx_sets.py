"""MNIST and Fashion-MNIST: which files they are, and where those are looked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fedloom.data.download import RemoteFile, fetch
from fedloom.data.idx import read_idx
from fedloom.data.raw import AnyArray, RawData
from fedloom.errors import DataError
from fedloom.naming import fold_name
from fedloom.settings import Settings, load_settings

__all__ = ["IDX_SETS", "IdxSet", "find_idx_files", "load_idx_set", "locate_idx_files"]

_PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@dataclass(frozen=True)
class IdxSet:
    """A data set of four IDX files.

    Attributes:
        name: what it is called here.
        files: size in bytes and SHA-256 of each file as published, in the order train images,
            train labels, test images, test labels.
        mirrors: addresses of folders that hold the files, the best first.
        debian_package: the package of Debian that brings the files, if there is one.
        debian_folder: where that package puts them.
    """

    name: str
    files: tuple[tuple[int, str], ...]
    mirrors: tuple[str, ...]
    debian_package: str | None = None
    debian_folder: Path | None = None

    @property
    def remote_files(self) -> tuple[RemoteFile, ...]:
        """The four files as they are downloaded."""
        return tuple(
            RemoteFile(f"{part}-ubyte.gz", size, digest, self.mirrors)
            for part, (size, digest) in zip(_PARTS, self.files, strict=True)
        )


IDX_SETS: Mapping[str, IdxSet] = MappingProxyType(
    {
        "mnist": IdxSet(
            "mnist",
            (
                (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ),
            (
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
            ),
        ),
        "fashion_mnist": IdxSet(
            "fashion_mnist",
            (
                (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ),
            (
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            ),
            "dataset-fashion-mnist",
            Path("/usr/share/datasets/fashion-mnist"),
        ),
    }
)


def load_idx_set(name: str, data_dir: Path | None) -> RawData:
    """Return `mnist` or `fashion_mnist`: grey images of 28 × 28 bytes, labels 0…9.

    Args:
        name: a key of `IDX_SETS`.
        data_dir: the folder to look in first (see `find_idx_files`).

    Raises:
        DataError: the files are nowhere and cannot be downloaded, or one is damaged.
    """
    paths = find_idx_files(IDX_SETS[name], data_dir, load_settings())
    return RawData.join(_read_pair(*paths[:2]), _read_pair(*paths[2:]))


def find_idx_files(idx_set: IdxSet, data_dir: Path | None, settings: Settings) -> list[Path]:
    """Return the paths of the four files; download them if they are nowhere on this machine.

    Raises:
        DataError: as `locate_idx_files`, or the files are nowhere and cannot be downloaded; the
            message lists every way to provide them.
    """
    found = locate_idx_files(idx_set, data_dir, settings)
    return found or _download(idx_set, settings.cache_dir / "datasets" / idx_set.name)


def locate_idx_files(idx_set: IdxSet, data_dir: Path | None, settings: Settings) -> list[Path]:
    """Return the paths of the four files, or none if they are nowhere on this machine.

    Looked through in this order: `data_dir`; the folder of ``FEDLOOM_DATA_DIR``; the cache; the
    folder of Debian's package. In the first two a subfolder named after the data set comes first
    (``fashion_mnist``, ``fashion-mnist`` or ``FashionMNIST``, itself or its ``raw``). Files may be
    gzipped or plain.

    Raises:
        DataError: a named folder does not exist or holds only some of the files.
    """
    named = {"--data-dir": data_dir, "FEDLOOM_DATA_DIR": settings.data_dir}
    for origin, folder in named.items():
        if folder and (paths := _look_in_named(idx_set, folder.expanduser(), origin)):
            return paths
    cache = settings.cache_dir / "datasets" / idx_set.name
    for folder in filter(None, (cache, idx_set.debian_folder)):
        if len(paths := _find_parts(folder)) == len(_PARTS):
            return paths
    return []


def _look_in_named(idx_set: IdxSet, folder: Path, origin: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{origin} is {str(folder)!r}, which is no folder")
    for place in _candidates(idx_set, folder):
        paths = _find_parts(place)
        if len(paths) == len(_PARTS):
            return paths
        if paths:
            missing = [part for part in _PARTS if not _find_part(place, part)]
            raise DataError(
                f"{place} holds only some files of {idx_set.name}: it lacks "
                f"{', '.join(f'{part}-ubyte(.gz)' for part in missing)}"
            )
    return []


def _candidates(idx_set: IdxSet, folder: Path) -> Iterator[Path]:
    for inner in sorted(folder.iterdir()):
        if fold_name(inner.name) == fold_name(idx_set.name) and inner.is_dir():
            yield inner
            yield inner / "raw"
    yield folder


def _find_parts(folder: Path) -> list[Path]:
    return [path for part in _PARTS if (path := _find_part(folder, part))]


def _find_part(folder: Path, part: str) -> Path | None:
    """Return the file of a part, under any of the names that are about."""
    stems = (part, ".".join(part.rsplit("-", 1)))  # train-images-idx3, train-images.idx3
    names = [f"{stem}-ubyte{suffix}" for stem in stems for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _download(idx_set: IdxSet, cache: Path) -> list[Path]:
    try:
        return [fetch(file, cache) for file in idx_set.remote_files]
    except DataError as error:
        raise DataError(f"{error}; {_list_ways(idx_set, cache)}") from error


def _list_ways(idx_set: IdxSet, cache: Path) -> str:
    package = idx_set.debian_package
    ways = [f"install Debian's package {package} (apt install {package})"] if package else []
    files = ", ".join(f"{part}-ubyte.gz" for part in _PARTS)
    return (
        f"{idx_set.name} can be provided in these ways: {'; '.join([*ways, ''])}"
        f"put {files} (gzipped or plain) into a folder and name it with --data-dir or "
        f"FEDLOOM_DATA_DIR, or put them into {cache}; or name a file as npz:PATH"
    )


def _read_pair(images_path: Path, labels_path: Path) -> tuple[AnyArray, AnyArray]:
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels"
        )
    return images, labels
