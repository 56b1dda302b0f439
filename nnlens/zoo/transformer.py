"""A small causal transformer with trained weights, to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import as_file, files
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Writer(NamedTuple):
    """A language model as `Lens` takes it: `Lens(writer.model, tokenizer=writer.tokenizer)`."""

    model: nn.Module
    tokenizer: tuple[Callable[[str], list[int]], Callable[[list[int]], str]]


class GroupedAttention(nn.Module):
    """Causal attention with rotary positions, in which several heads share their keys and values."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, width: int, heads: int, shared: int, positions: int, base: float):
        super().__init__()
        self.heads, self.shared, size = heads, shared, width // heads
        self.query = nn.Linear(width, heads * size, bias=False)
        self.key = nn.Linear(width, shared * size, bias=False)
        self.value = nn.Linear(width, shared * size, bias=False)
        self.out = nn.Linear(heads * size, width, bias=False)
        angles = torch.outer(
            torch.arange(positions), base ** (-2.0 * torch.arange(size // 2, dtype=torch.float64) / size)
        )
        self.register_buffer("cosine", angles.cos().float(), persistent=False)
        self.register_buffer("sine", angles.sin().float(), persistent=False)

    def _rotated(self, x: Tensor) -> Tensor:
        """Neighbouring pairs of numbers turned by an angle that grows with the position (Su et al. 2021)."""
        cosine, sine = self.cosine[: x.shape[2]], self.sine[: x.shape[2]]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        """From (n, length, width) to the same shape."""
        n, length, _width = x.shape
        query = self._rotated(self.query(x).view(n, length, self.heads, -1).transpose(1, 2))
        key = self._rotated(self.key(x).view(n, length, self.shared, -1).transpose(1, 2))
        value = self.value(x).view(n, length, self.shared, -1).transpose(1, 2)
        repeats = self.heads // self.shared
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
        heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        result: Tensor = self.out(heads.transpose(1, 2).reshape(n, length, -1))
        return result


class GatedUnit(nn.Module):
    """Two linear layers of which one gates the other, and one back (SwiGLU, Shazeer 2020)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """From (n, length, width) to the same shape."""
        result: Tensor = self.down(self.act(self.gate(x)) * self.up(x))
        return result


class Block(nn.Module):
    """Attention and a gated unit, each with a norm before it and a residual connection around both."""

    def __init__(self, width: int, heads: int, shared: int, positions: int, base: float, eps: float):
        super().__init__()
        self.norm1 = nn.RMSNorm(width, eps)
        self.attn = GroupedAttention(width, heads, shared, positions, base)
        self.norm2 = nn.RMSNorm(width, eps)
        self.mlp = GatedUnit(width, int(8 * width / 3))

    def forward(self, x: Tensor) -> Tensor:
        """From (n, length, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class GlassLM(nn.Module):
    """The language model of the package `glassllm` in torch; its embedding is its output layer too."""

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        shared: int,
        positions: int,
        base: float,
        eps: float,
    ):
        super().__init__()
        self.config = SimpleNamespace(max_position_embeddings=positions)  # where nnlens and others look it up
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, shared, positions, base, eps) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        """From token ids (n, length) to the logits of the next token (n, length, vocabulary)."""
        most = self.config.max_position_embeddings
        if ids.shape[1] > most:
            raise ValueError(f"ids must have at most {most} tokens, got {ids.shape[1]}")
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(self.norm(x))
        return result


_NAMES = {
    "norm1.gamma": "norm1.weight",
    "norm2.gamma": "norm2.weight",
    "attn.W_Q": "attn.query.weight",
    "attn.W_K": "attn.key.weight",
    "attn.W_V": "attn.value.weight",
    "attn.W_O": "attn.out.weight",
    "ffn.W1": "mlp.gate.weight",
    "ffn.W3": "mlp.up.weight",
    "ffn.W2": "mlp.down.weight",
}


def glass_lm(language: str = "en") -> Writer:
    """A language model of 853,000 parameters: 4 layers of 4 heads that share 2 keys, context 128, 1,024 tokens.

    It was trained on books in the public domain: English ("en") or Portuguese ("pt"). The weights come with the extra
    `demo` (PyPI: glassllm, MIT); no network is used.
    """
    if language not in ("en", "pt"):
        raise ValueError(f'language must be "en" or "pt", got {language!r}')
    try:
        from glassllm import Tokenizer
    except ImportError as error:
        raise ImportError("glass_lm needs the extra: pip install -e '.[demo]' in the checkout") from error
    folder = files("glassllm").joinpath("weights")
    with as_file(folder.joinpath(f"{language}.npz")) as path, np.load(path) as stored:
        config = json.loads(str(stored["__config__"]))
        weights = {name: torch.from_numpy(stored[name]).float() for name in stored.files if name != "__config__"}
    model = GlassLM(
        vocabulary=config["vocab_size"],
        width=config["d_model"],
        layers=config["n_layers"],
        heads=config["n_heads"],
        shared=config["n_kv_heads"],
        positions=config["max_len"],
        base=config["rope_base"],
        eps=config["eps"],
    )
    state = {"embedding.weight": weights["E"], "head.weight": weights["E"], "norm.weight": weights["norm_f.gamma"]}
    for name, value in weights.items():
        if name.startswith("blocks."):
            _blocks, number, own = name.split(".", 2)
            state[f"blocks.{number}.{_NAMES[own]}"] = value.T.contiguous() if value.ndim == 2 else value
    model.load_state_dict(state)
    with as_file(folder.joinpath(f"{language}.tokenizer.json")) as path:
        tokenizer = Tokenizer.load(path)
    return Writer(model.eval(), (tokenizer.encode, tokenizer.decode))
