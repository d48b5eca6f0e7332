"""Data sets in folders of images, one folder per class."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedloom.data.raw import AnyArray, RawData, find_existing
from fedloom.errors import DataError, FedloomError, InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["DEFAULT_IMAGE_SIZE", "load_images"]

DEFAULT_IMAGE_SIZE = 32
"""Height and width, in pixels, to which images are brought."""

_SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
)
_GREY_MODES = frozenset(["1", "L", "LA", "La"])


def load_images(path: str, size: int | None = None) -> RawData:
    """Read a folder that has a folder per class, or ``train`` and ``test`` with such folders.

    Files that are no images by their suffix are passed over, and so are hidden ones. All images
    are turned upright and brought to one size; they are grey if all of them are, else RGB.

    Args:
        path: the folder.
        size: height and width in pixels; `DEFAULT_IMAGE_SIZE` if None.

    Returns:
        uint8 features of shape (rows, size, size, 1 or 3), and the folders' names as labels.

    Raises:
        MissingExtraError: Pillow is not installed.
        DataError: the folder is missing, has no class folders, or an image cannot be read.
        InputError: `size` is out of range.
    """
    side = DEFAULT_IMAGE_SIZE if size is None else size
    if isinstance(side, bool) or not 1 <= side <= 4096:
        raise InputError(f"image_size is {side}: it must be from 1 to 4096 pixels")
    _require_pillow()
    folder = find_existing(path, "folder of images", folder=True)
    with _read_faults(folder):
        parts = _split_folder(folder)
        listed = [list(_list_images(part)) for part in parts]
    is_grey = all(_is_grey(file) for files in listed for file, _ in files)
    return RawData(*(a for files in listed for a in _read_part(files, side, is_grey)))


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("images:FOLDER", "images") from error


def _split_folder(folder: Path) -> list[Path]:
    """Return the folders of the train and test part, or the folder itself."""
    parts = [folder / "train", folder / "test"]
    return parts if all(part.is_dir() for part in parts) else [folder]


def _list_images(part: Path) -> Iterator[tuple[Path, str]]:
    """Yield each image with its class, in an order that is the same on every machine."""
    classes = sorted(p for p in part.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise DataError(f"{part} holds no folders: one folder of images per class is wanted")
    for folder in classes:
        files = sorted(file for file in folder.iterdir() if _is_image(file))
        if not files:
            raise DataError(f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))})")
        yield from ((file, folder.name) for file in files)


def _is_image(file: Path) -> bool:
    return file.suffix.casefold() in _SUFFIXES and not file.name.startswith(".")


def _is_grey(file: Path) -> bool:
    with _opened(file) as image:
        return image.mode in _GREY_MODES or image.mode.startswith("I")


def _read_part(
    files: list[tuple[Path, str]], side: int, is_grey: bool
) -> tuple[NDArray[np.uint8], AnyArray]:
    channels = 1 if is_grey else 3
    pixels = np.empty((len(files), side, side, channels), np.uint8)
    for index, (file, _) in enumerate(files):
        pixels[index] = _read_image(file, side, is_grey).reshape(side, side, channels)
    return pixels, np.array([label for _, label in files])


def _read_image(file: Path, side: int, is_grey: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with _opened(file) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip to 8
            upright = Image.fromarray((np.asarray(upright).clip(0, 65535) >> 8).astype(np.uint8))
        coloured = upright.convert("L" if is_grey else "RGB")
        return np.asarray(coloured.resize((side, side), Image.Resampling.BILINEAR))


@contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    from PIL import Image

    with _read_faults(file), warnings.catch_warnings():
        # Warnings are of damaged metadata, which does no harm, or of pictures large enough to be
        # an attack, which Pillow itself refuses when they are larger still.
        warnings.simplefilter("ignore")
        with Image.open(file) as image:
            yield image


@contextmanager
def _read_faults(path: Path) -> Iterator[None]:
    """Turn whatever a decoder says of a damaged file into one line that names it."""
    try:
        yield
    except FedloomError:
        raise
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(f"cannot read {path}: {reason}") from error
    except Exception as error:  # decoders raise anything at all on damaged files
        raise DataError(f"cannot read {path}: {error or type(error).__name__}") from error
