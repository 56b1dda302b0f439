"""`nnlens demo | freeze | doctor`."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from . import __version__
from .export import freeze
from .utils.requirements import installed_version, required

_INSTALL = f"{sys.executable} -m pip install"


def main(arguments: list[str] | None = None) -> int:
    """Run the command `nnlens` and return its exit status."""
    parser = argparse.ArgumentParser(prog="nnlens", description="Look inside a neural network from a notebook.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="open the tour in JupyterLab")
    demo.add_argument("--port", type=int, help="a free one by default")
    demo.add_argument("--no-browser", action="store_true", help="only print the address")
    still = commands.add_parser("freeze", help="make nnlens's outputs in notebooks work without a kernel")
    still.add_argument("notebooks", nargs="+", type=Path)
    still.add_argument("-o", "--output", type=Path, help="write here instead of in place (one notebook only)")
    commands.add_parser("doctor", help="what is installed, what is missing, and how to fix it")
    options = parser.parse_args(arguments)
    if options.command == "demo":
        return _demo(options.port, not options.no_browser)
    if options.command == "freeze":
        if options.output and len(options.notebooks) > 1:
            parser.error("-o takes one notebook")
        return _freeze(options.notebooks, options.output)
    return _doctor()


def _free_port() -> int:
    with socket.socket() as item:
        item.bind(("127.0.0.1", 0))
        return int(item.getsockname()[1])


def _notebooks() -> Path:
    """The folder of the tour: the checkout's, or a copy of the installed one, because users edit it."""
    checkout = Path(__file__).parent.parent / "notebooks"
    if (checkout.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    copy = Path.cwd() / "nnlens-notebooks"
    if not copy.exists():
        shutil.copytree(Path(__file__).parent / "notebooks", copy)
    return copy


def _demo(port: int | None, browser: bool) -> int:
    missing = [name for name in ("jupyterlab", "efficientnet_lite_pytorch", "skimage") if find_spec(name) is None]
    if missing:
        print(f"the demo needs {', '.join(missing)}: {_INSTALL} -e '.[demo]' in the checkout", file=sys.stderr)
        return 1
    port, token = port or _free_port(), secrets.token_hex(16)
    folder = _notebooks()
    address = f"http://localhost:{port}/lab/tree/00-tour.ipynb?token={token}"
    print(f"\n  The tour: {address}\n  Ctrl-C stops it.\n", flush=True)
    command = [sys.executable, "-m", "jupyterlab", "00-tour.ipynb", f"--port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # The token is passed in the environment: other users can read a command line.
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    if os.name == "posix":
        # The server replaces this process, so that stopping the demo stops the server.
        os.chdir(folder)
        os.execve(sys.executable, command, environment)
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _freeze(notebooks: list[Path], output: Path | None) -> int:
    failed = 0
    for path in notebooks:
        try:
            saved = path.is_file() and _has_state(path)
            changed = freeze(path, output)
            stored = "" if changed == 0 or saved else _UNSAVED
        except (OSError, ValueError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = 1
        else:
            print(f"{path}: {changed} output{'' if changed == 1 else 's'} frozen{stored}")
    return failed


def _has_state(path: Path) -> bool:
    """Whether a notebook has been saved with its widgets' state."""
    return "application/vnd.jupyter.widget-state+json" in path.read_text("utf-8", errors="replace")


_UNSAVED = (
    " as they were when their cells ran (to keep what the views showed last, save the notebook with its widgets' state "
    "before freezing: Settings, Save Widget State Automatically)"
)


def _doctor() -> int:
    print(f"nnlens      {__version__} ({Path(__file__).parent})")
    print(f"python      {platform.python_version()} ({sys.executable})")
    needed = required()
    broken = 0
    for name in needed[""]:
        result = installed_version(name)
        broken += result is None
        print(f"{name:<18} {result or f'MISSING: {_INSTALL} {name}'}")
    if installed_version("torch"):
        import torch

        usable = hasattr(torch, "accelerator") and torch.accelerator.is_available()
        device = torch.accelerator.current_accelerator() if usable else "cpu"
        print(f"device      {device}, {torch.get_num_threads()} threads")
    static = Path(__file__).parent / "static"
    views = sorted(path.name for path in (Path(__file__).parent / "widgets").iterdir() if (path / "view.py").is_file())
    built = (*(f"{name}.js" for name in views if name != "base"), "host.js", "nnlens.css")
    lacking = [name for name in built if not (static / name).is_file()]
    broken += bool(lacking)
    print(f"JavaScript  {f'MISSING {lacking}: (cd js && npm ci && npm run build)' if lacking else 'built'}")
    for extra, names in sorted(needed.items()):
        if extra:
            absent = [name for name in names if installed_version(name) is None]
            mend = f"missing {', '.join(absent)}: {_INSTALL} -e '.[{extra}]' in the checkout"
            print(f"{f'[{extra}]':<11} {mend if absent else 'complete'}")
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    print(f"browser     {browser or 'no chromium for the browser tests: apt-get install chromium'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
