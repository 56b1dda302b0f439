"""A running JupyterLab, a notebook in it, and the browser's settings."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
QUIET = [
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_server(address: str, process: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
            time.sleep(0.2)
    raise AssertionError(f"{address} did not answer in {seconds} s: {log.read_text()[-2000:]}")


class Server:
    """A running JupyterLab or Notebook over a folder of its own."""

    def __init__(self, port: int, folder: Path):
        self.address = f"http://127.0.0.1:{port}"
        self.folder = folder

    def notebook(self, name: str, cells: list[str]) -> str:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.folder / name)
        return name

    def wait_for_kernel(self, name: str, seconds: float = 60) -> None:
        """Wait until the notebook's kernel says that it is idle (the page says so too early)."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with urllib.request.urlopen(f"{self.address}/api/sessions", timeout=5) as answer:
                for session in json.load(answer):
                    if session["path"] == name and session["kernel"]["execution_state"] == "idle":
                        return
            time.sleep(0.2)
        raise AssertionError(f"the kernel of {name} was not ready in {seconds} s")


@contextmanager
def jupyter(home: Path) -> Iterator[tuple[int, Path]]:
    """JupyterLab (and Notebook 7 beside it) with its whole configuration in `home`: its port and its folder."""
    folder = home / "notebooks"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir()
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ, **{name: str(home / position) for name, position in places.items()}}
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}"]
    command += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True", "--allow-root"]
    command += ["--ServerApp.port_retries=0"]
    log = home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        wait_for_server(f"http://127.0.0.1:{port}/api", process, log)
        yield port, folder
    finally:
        process.terminate()
        process.wait(20)


class Lab:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Page, server: Server, name: str, theme: str | None = None):
        self.page, self.server = page, server
        page.goto(f"{server.address}/lab/workspaces/{name.partition('.')[0]}/tree/{name}")
        page.wait_for_function(
            """() => {
                const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;
                return session?.isReady && session.session?.kernel?.status === 'idle';
            }""",
            timeout=60_000,
        )
        if theme:
            page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)

    def run_all(self) -> None:
        self.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def wait_for(self, code: str, output: str, seconds: float = 10) -> None:
        """Wait until a cell prints `output`: what the browser changes reaches the kernel a little later."""
        end = time.monotonic() + seconds
        while (found := self.python(code)) != output:
            assert time.monotonic() < end, f"{code} printed {found!r}, not {output!r}"

    def python(self, code: str) -> str:
        """Run code in the notebook's kernel and give back what it prints."""
        result = self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                let text = '';
                future.onIOPub = message => {
                    if (message.header.msg_type === 'stream') text += message.content.text;
                    if (message.header.msg_type === 'error') text += 'ERROR ' + message.content.evalue;
                };
                await future.done;
                return text;
            }""",
            code,
        )
        assert "ERROR " not in result, result
        return result.strip()
