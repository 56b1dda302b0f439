"""What tab completion and `?` show: they are part of the interface."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch
from typing_extensions import get_type_hints

import nnlens
from nnlens.widgets.base import options

METHODS = {
    "explore": options.ExploreOptions,
    "activations": options.ActivationsOptions,
    "occlusion": options.OcclusionOptions,
    "unit": options.UnitOptions,
    "attribution": options.AttributionOptions,
    "examples": options.ExamplesOptions,
}


@pytest.fixture
def shell():
    interactiveshell = pytest.importorskip("IPython.core.interactiveshell")
    return interactiveshell.InteractiveShell()


def completions(shell, text: str) -> list[str]:
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(text, len(text)) if not one.text.startswith("%")]


def test_only_public_names_are_listed():
    assert set(dir(nnlens)) == {*nnlens.__all__, "__version__"}


@pytest.mark.parametrize("name", METHODS)
def test_every_option_is_in_the_signature_and_the_documentation(name):
    method = getattr(nnlens.Lens, name)
    parameters = inspect.signature(method).parameters
    documentation = inspect.getdoc(method)
    for option in get_type_hints(METHODS[name]):
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        line = next(line for line in documentation.splitlines() if line.startswith(f"{option} : "))
        assert line.endswith(", optional")
        assert len(line) > len(option) + 14
        below = documentation.split(line)[1].splitlines()[1]
        assert below.startswith("    ")
        assert below.strip()
    assert "See below" not in documentation
    assert not any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def test_completion_in_ipython(shell, net):
    shell.user_ns.update(nnlens=nnlens, lens=nnlens.Lens(net), x=torch.rand(1, 3, 32, 32), net=net)
    shell.user_ns["view"] = shell.user_ns["lens"].activations(shell.user_ns["x"])
    shell.user_ns["recording"] = nnlens.record(net, shell.user_ns["x"])
    assert set(completions(shell, "nnlens.")) == set(nnlens.__all__)
    assert {"explore", "attribution", "selection"} <= set(completions(shell, "lens."))
    own = completions(shell, "view.")
    assert {"result", "selection", "save", "layer", "unit"} <= set(own)
    assert not {"comm", "keys", "add_traits", "layout", "open", "set_state"} & set(own)
    assert any("block" in one for one in completions(shell, 'recording["blo'))
    assert "size=" in completions(shell, "lens.explore(x, siz")


MISSPELT = """
import torch
import nnlens

lens = nnlens.Lens(torch.nn.Identity())
lens.explore("cat.jpg", size=32, hide="controls")
lens.explore("cat.jpg", sizee=32)
lens.attribution("cat.jpg", methods=["lime"], layer="relu")
lens.explore("cat.jpg", size="large")
"""


def test_mypy_rejects_a_misspelt_option(tmp_path):
    pytest.importorskip("mypy")
    file = tmp_path / "misspelt.py"
    file.write_text(MISSPELT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", str(file)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert [int(line.split(":")[1]) for line in errors if "misspelt.py" in line] == [7, 8, 9], done.stdout
    assert "sizee" in done.stdout
