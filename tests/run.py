"""Sets up what the tests need, and runs all of them: `python3 tests/run.py`.

A virtual environment in `.venv`, the JavaScript tools in `js/node_modules`, Chromium from the system's packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
BROWSERS = ("chromium", "google-chrome", "chromium-browser")


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    print("$", *command, flush=True)
    status = subprocess.run([str(part) for part in command], cwd=cwd, check=False).returncode
    if status:
        sys.exit(status)


def chromium() -> None:
    if any(map(shutil.which, BROWSERS)):
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    else:
        sys.exit("the browser tests need Chromium: sudo apt-get install chromium (or your system's package)")


def main() -> None:
    if not shutil.which("npm"):
        sys.exit("the JavaScript tests need Node.js 20 or newer, with npm")
    chromium()
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", VENV)
    run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
        "-c",
        "constraints.txt",
        "-e",
        ".[demo,onnx,test,dev]",
    )
    run(PYTHON, "-m", "ruff", "check")
    run(PYTHON, "-m", "ruff", "format", "--check")
    run(PYTHON, "-m", "mypy")
    run(PYTHON.with_name("lint-imports"))
    run("npm", "ci", "--no-audit", "--no-fund", cwd=ROOT / "js")
    run("npm", "run", "--silent", "check", cwd=ROOT / "js")
    run("npm", "test", "--silent", cwd=ROOT / "js")
    run("npm", "run", "--silent", "build", cwd=ROOT / "js")
    # The built and the generated files are committed: they must be those of the sources.
    run("git", "diff", "--exit-code", "--stat", "--", "nnlens/static")
    run(PYTHON, "js/contract.py", "--check")
    run(PYTHON, "-m", "pytest", "-q", "-m", "not browser")
    run(PYTHON, "-m", "pytest", "-q", "-m", "browser")


if __name__ == "__main__":
    main()
