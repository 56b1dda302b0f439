"""Sets up what the tests need, and runs all of them: `python3 tests/run.py`.

It makes a virtual environment in `.venv`, puts the JavaScript tools into `js/node_modules`, and takes Chromium from the
system's packages. With `--checks` it only checks the sources and runs no tests, as the pre-commit hook does.
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


def run(*command: str | Path, cwd: Path = ROOT, **settings: str) -> None:
    print("$", *command, flush=True)
    status = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, env={**os.environ, **settings}
    ).returncode
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


def set_up() -> None:
    """Install what is missing."""
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", VENV)
    extras = ".[demo,test,dev]"
    run(PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", "constraints.txt", "-e", extras)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=ROOT / "js")


def checks() -> None:
    """Everything but the tests: style, types, layers, spelling, generated files."""
    run(PYTHON, "-m", "ruff", "check")
    run(PYTHON, "-m", "ruff", "format", "--check")
    run(PYTHON, "-m", "mypy")
    run(PYTHON.with_name("lint-imports"))
    run(PYTHON.with_name("codespell"))
    run("npm", "run", "--silent", "lint", cwd=ROOT / "js")
    run("npm", "run", "--silent", "check", cwd=ROOT / "js")
    run(PYTHON, "js/contract.py", "--check")
    run(PYTHON, "tests/catalogues.py", "--check")


def main() -> None:
    if not shutil.which("npm"):
        sys.exit("the JavaScript tests need Node.js 20 or newer, with npm")
    if "--checks" in sys.argv:
        checks()
        return
    chromium()
    set_up()
    checks()
    run("npm", "test", "--silent", cwd=ROOT / "js")
    run("npm", "run", "--silent", "build", cwd=ROOT / "js")
    # The built files are committed: they must be those of the sources.
    run("git", "diff", "--exit-code", "--stat", "--", "nnlens/static", "docs/contributing/specimen.html")
    # Small networks gain little from a second thread: a process for each core does twice as much.
    fast = ("-m", "not browser", "-n", str(min(4, os.cpu_count() or 1)), "--cov", "nnlens", "--cov-report", "")
    run(PYTHON, "-m", "pytest", "-q", *fast, OMP_NUM_THREADS="1")
    run(PYTHON, "-m", "coverage", "report", "--format", "total")
    run(PYTHON, "-m", "pytest", "-q", "-m", "browser")


if __name__ == "__main__":
    main()
