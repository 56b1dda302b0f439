"""What nnlens needs of other packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomllib

from nnlens.utils.requirements import check_torch, installed_version, required


@pytest.mark.parametrize("version", ["2.4.1", "2.5.0+cu124", "1.13"])
def test_an_old_torch_is_refused(version):
    with pytest.raises(ImportError, match=r"nnlens needs PyTorch 2\.6 or newer, got " + version.replace("+", r"\+")):
        check_torch(version)


@pytest.mark.parametrize("version", ["2.6.0", "2.13.0+cpu", "3.0", "nightly"])
def test_newer_ones_and_those_without_a_number_are_taken(version):
    check_torch(version)


def test_the_bound_is_the_one_that_is_declared():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert "torch>=2.6" in project["dependencies"]
    extras = required()
    for name, packages in project["optional-dependencies"].items():
        assert extras[name] or not packages
    assert "jupyterlab" in extras["demo"]
    assert installed_version("no-such-package") is None
