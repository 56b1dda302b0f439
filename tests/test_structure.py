"""The structure of the code: what import-linter and the other tools do not check."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import zlib
from pathlib import Path
from typing import get_args

import pytest

from nnlens.kernels import METHODS
from nnlens.kernels.attribution.registry import MethodName

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nnlens"
FILES = sorted(PACKAGE.rglob("*.py"))


def test_no_device_and_no_network_is_wired_in():
    for path in FILES:
        text = path.read_text()
        assert not re.search(r"\.cuda\(|\.to\(.cuda|urllib(?!\.parse)|import requests|http\.client", text), path
        assert not re.search(r"(?<![.\w])eval\(|(?<![.\w])exec\(", text), path
        # Between the processes of one user, as Dask does for its tasks; nothing is read from files by it.
        assert path.parent.name == "scale" or not re.search(r"import pickle|pickle\.|pickle import", text), path


def test_files_functions_and_folders_stay_small():
    everything = [
        *FILES,
        *(path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")),
    ]
    lengths = {path: len(path.read_text().splitlines()) for path in everything}
    assert {path.name: length for path, length in lengths.items() if length > 400} == {}
    assert 100 <= statistics.median(lengths[path] for path in FILES) <= 170
    folders = {path.parent for path in everything}
    crowded = {folder.name: len(list(folder.glob("*.py"))) for folder in folders if len(list(folder.glob("*.py"))) > 14}
    assert crowded == {}
    for path in everything:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                statements = sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 1
                assert statements <= 60, f"{path.name}: {node.name} has {statements} statements"


def test_what_is_built_stays_small():
    # The budget and its reason: ARCHITECTURE.md, "Size".
    for path in (PACKAGE / "static").glob("*.js"):
        text = path.read_bytes()
        assert len(text) <= 78_000, f"{path.name} has {len(text)} bytes"
        assert len(zlib.compress(text, 6)) <= 29_500, f"{path.name} takes {len(zlib.compress(text, 6))} bytes in a page"


def test_every_method_is_in_the_contract_with_the_browser():
    assert set(get_args(MethodName)) == set(METHODS)


def test_the_contract_with_the_browser_is_up_to_date():
    if not (ROOT / "js" / "contract.py").exists():
        pytest.skip("not a checkout")
    done = subprocess.run([sys.executable, ROOT / "js" / "contract.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
