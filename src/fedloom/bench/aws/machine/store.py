"""A machine's view of the bucket: what it says, what it waits for, what it hands in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from fedloom.bench.aws.faults import aws_errors
from fedloom.bench.aws.objects import (
    MANIFEST,
    describe_files,
    hash_file,
    read_object,
    upload_file,
)
from fedloom.errors import LinkError

__all__ = ["LiveUpload", "Store"]


class Store:
    """The bucket as a machine sees it.

    Args:
        s3: client of boto3.
        bucket: of the run.
        look_every_s: between two looks.
    """

    def __init__(self, s3: Any, bucket: str, *, look_every_s: float) -> None:
        self.s3, self.bucket, self._look_every_s = s3, bucket, look_every_s

    def say(self, key: str, content: bytes) -> None:
        """Put a small object.

        Raises:
            FedloomError: the bucket does not take it.
        """
        with aws_errors(f"put {key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def await_object(
        self, key: str, limit_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> bytes | None:
        """Wait for an object and return its content; None where waiting was stopped.

        Args:
            key: of the object.
            limit_s: seconds.
            stopped: tells whether it need not come any more.

        Raises:
            LinkError: it did not come in time.
        """
        until = monotonic() + limit_s
        while not self.has(key):
            if stopped():
                return None
            if monotonic() > until:
                raise LinkError(f"waited {limit_s:g} s for {key}, in vain")
            sleep(self._look_every_s)
        with aws_errors(f"read {key}"):
            return read_object(self.s3, self.bucket, key)

    def hand_in(self, prefix: str, folder: Path, about: Mapping[str, Any]) -> None:
        """Upload all files of a folder, and their list last.

        Args:
            prefix: of the keys.
            folder: with the files.
            about: what else the list says.

        Raises:
            FedloomError: the bucket does not take it.
        """
        files = describe_files(folder)
        with aws_errors(f"upload {folder}"):
            for name in files:
                upload_file(self.s3, self.bucket, f"{prefix}{name}", folder / name)
        content = json.dumps({**about, "files": files}, indent=1)
        self.say(f"{prefix}{MANIFEST}", content.encode())

    def has(self, key: str) -> bool:
        """Tell whether an object is there."""
        # A role without the right to list the whole bucket learns of no missing key by asking.
        with aws_errors(f"look for {key}"):
            found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        return any(one["Key"] == key for one in found.get("Contents", ()))


class LiveUpload:
    """Uploads the logs of a folder whenever they have changed, while the block runs.

    Args:
        store: where to.
        prefix: of the keys.
        folder: with the files.
        every_s: between two uploads.
    """

    def __init__(self, store: Store, prefix: str, folder: Path, *, every_s: float) -> None:
        self._store, self._prefix, self._folder, self._every_s = store, prefix, folder, every_s
        self._over, self._sent = Event(), dict[str, str]()
        self._thread = Thread(target=self._run, name="upload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(self._every_s + 60)

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._upload_changed()
            except (LinkError, OSError) as error:  # the hand-in at the end uploads all of it
                print(f"live upload: {error}", flush=True)

    def _upload_changed(self) -> None:
        for path in sorted(self._folder.rglob("*")):
            if path.suffix not in {".log", ".csv", ".txt"} or not path.is_file():
                continue
            name = path.relative_to(self._folder).as_posix()
            digest = hash_file(path)
            if self._sent.get(name) != digest:
                with aws_errors(f"upload {name}"):
                    upload_file(self._store.s3, self._store.bucket, f"{self._prefix}{name}", path)
                self._sent[name] = digest
