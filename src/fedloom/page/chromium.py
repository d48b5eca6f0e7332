"""A headless Chromium that is spoken to over a pipe (the Chrome DevTools Protocol).

The pipe is what lets a picture be exact: the page is laid out at the width asked for, waited for
until its plots are drawn, and photographed at its own height. No port is opened.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import TracebackType
from typing import Any, Self

import psutil

__all__ = ["Chromium", "ChromiumError"]

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
)

_LAUNCHER = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the pipes where Chromium looks for them: it reads from 3 and writes to 4."""


class ChromiumError(Exception):
    """Chromium ended, refused a command, or did not answer in time."""


class Chromium:
    """One browser with one tab; its processes and its profile are gone when the block ends.

    Args:
        program: the path of Chromium or Chrome.
        deadline: a value of `time.monotonic` that no wait goes beyond.
    """

    def __init__(self, program: str, deadline: float) -> None:
        self._program, self._deadline = program, deadline
        self._sent = 0
        self._pending = b""
        self._session: str | None = None
        self.errors: list[str] = []
        """Exceptions and console errors of the page, as text."""

    def __enter__(self) -> Self:
        self._profile = TemporaryDirectory(prefix="fedloom-chromium-", ignore_cleanup_errors=True)
        self._log = Path(self._profile.name) / "stderr.log"
        self._start()
        try:
            self._attach()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def resize(self, width: int, height: int, scale: float) -> None:
        """Lay the page out at a size in CSS pixels, with `scale` pixels to each."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Be a reader who prefers a color scheme, "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def open(self, address: str) -> None:
        """Go to an address and wait for the answer, not for the page's scripts."""
        if error := self.send("Page.navigate", url=address).get("errorText"):
            raise ChromiumError(f"{address}: {error}")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; promises are awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise ChromiumError(_describe(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def photograph(self, width: int) -> bytes:
        """Return the whole page, however high, as PNG."""
        height = self.send("Page.getLayoutMetrics")["cssContentSize"]["height"]
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.send(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        return b64decode(shot["data"])

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its result.

        Raises:
            ChromiumError: the command was refused, or no answer came before the deadline.
        """
        self._sent += 1
        command = {"id": self._sent, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        self._write(json.dumps(command).encode() + b"\0")
        while (answer := self._receive(method)).get("id") != self._sent:
            self._note_event(answer)
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def _start(self) -> None:
        theirs_in, self._commands = os.pipe()
        self._answers, theirs_out = os.pipe()
        flags = [*_FLAGS, f"--user-data-dir={self._profile.name}/profile"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to run as root with its sandbox
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(theirs_in), str(theirs_out)]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*launch, self._program, *flags, "about:blank"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs_in, theirs_out),
                    start_new_session=True,
                )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def _attach(self) -> None:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def _write(self, command: bytes) -> None:
        try:
            os.write(self._commands, command)
        except BrokenPipeError as error:
            raise ChromiumError(self._why_ended()) from error

    def _receive(self, awaited: str) -> dict[str, Any]:
        while b"\0" not in self._pending:
            left = self._deadline - monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise ChromiumError(f"no answer to {awaited} in time")
            if not (chunk := os.read(self._answers, 1 << 20)):
                raise ChromiumError(self._why_ended())
            self._pending += chunk
        message, _, self._pending = self._pending.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note_event(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(_describe(params["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(" ".join(str(a.get("value", "")) for a in params["args"]))

    def _why_ended(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"it ended early: {lines[-1].strip()}" if lines else "it ended early"

    def _stop(self) -> None:
        """Kill the whole tree, also what left its process group, and remove the profile."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        os.close(self._commands)
        os.close(self._answers)
        self._profile.cleanup()


def _describe(details: dict[str, Any]) -> str:
    thrown = details.get("exception", {}).get("description") or details.get("text", "")
    return str(thrown).splitlines()[0] if thrown else "unknown error"
