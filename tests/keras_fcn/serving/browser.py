"""A headless Chromium, driven by the WebDriver protocol of chromedriver."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that WebDriver gives references


class Browser:
    """One window."""

    def __init__(self, port: int, session: str = "") -> None:
        self._port, self._session = port, session

    def command(self, method: str, path: str, **values: Any) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        body = json.dumps(values) if method == "POST" else None
        connection.request(method, f"/session{self._session}{path}", body)
        found = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(found, dict) and found.get("error"):
            raise AssertionError(f"{path}: {found['message']}")
        return found

    def open(self, address: str) -> None:
        self.command("POST", "/url", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.command("POST", "/execute/sync", script=script, args=list(arguments))

    def until(self, script: str, seconds: float = 15) -> Any:
        """The value of an expression, once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return ({script})")):
            assert time.monotonic() < end, f"{script}; status: {self.text('#status')}"
            time.sleep(0.05)
        return found

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent.trim()", selector)

    def type(self, selector: str, text: str) -> None:
        found = self.command("POST", "/element", using="css selector", value=selector)
        self.command("POST", f"/element/{found[_ELEMENT]}/value", text=text)

    def keys(self, *keys: str) -> None:
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": pressed}]
        self.command("POST", "/actions", actions=actions)

    def resize(self, width: int, height: int) -> None:
        """The size that pages see; a window would not be as narrow as a telephone."""
        self.command(
            *("POST", "/goog/cdp/execute"),
            cmd="Emulation.setDeviceMetricsOverride",
            params={"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def dark(self, dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command(
            *("POST", "/goog/cdp/execute"),
            cmd="Emulation.setEmulatedMedia",
            params={"features": [feature]},
        )

    def screenshot(self) -> bytes:
        return base64.b64decode(self.command("GET", "/screenshot"))

    def messages(self) -> list[str]:
        """Errors of the console since the last time."""
        found = self.command("POST", "/se/log", type="browser")
        return [x["message"] for x in found if x["level"] == "SEVERE"]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser whose downloads go to a folder; a test without Chromium is skipped."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if not (driver and chromium):
        pytest.skip("needs chromium and chromedriver")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        started = Browser(port)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        arguments += [f"--user-data-dir={folder / 'profile'}", "--window-size=1200,900"]
        options = {
            "binary": chromium,
            "args": arguments,
            "prefs": {
                "download.default_directory": str(folder),
                "profile.default_content_setting_values.automatic_downloads": 1,  # no question
            },
        }
        asked = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = started.command("POST", "", capabilities={"alwaysMatch": asked})["sessionId"]
        window = Browser(port, f"/{session}")
        yield window
        window.command("DELETE", "")
    finally:
        process.terminate()
        process.wait(10)
