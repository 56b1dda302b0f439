"""The attention of a pass: which tokens each head reads from at each token, and known patterns among the heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nnlens.recording import Operation, Recording, Source
from nnlens.recording.inside import sdpa_weights
from nnlens.utils.language import _, number

_FUSED = ("scaled_dot_product_attention", "multi_head_attention_forward")
_ROWS = 256  # of the weights that are computed at once
_PRODUCTS = ("matmul", "bmm", "einsum", "baddbmm")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Attention:
    """The attention of one layer.

    Attributes
    ----------
    layer : str
        The operation whose value the weights are.
    module : str
        The path of the module that computes it.
    weights : float32 array (heads, queries, keys)
        How much each query takes from each key: the rows sum to 1, after softmax and before dropout. With grouped
        queries several heads share their keys; each has weights of its own.
    cross : bool
        Whether the keys are of another text (or image) than the queries.
    """

    layer: str
    module: str
    weights: Float[np.ndarray, "heads queries keys"]
    cross: bool

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        heads, queries, keys = self.weights.shape
        return f"Attention({self.layer!r}, {heads} heads, {queries} queries × {keys} keys)"

    @property
    def causal(self) -> bool:
        """Whether no query takes anything from a later key."""
        _heads, queries, keys = self.weights.shape
        return not self.cross and queries == keys and not bool(np.triu(self.weights.max(0), 1).any())

    def received(self) -> Float[np.ndarray, "heads keys"]:
        """How much each key gives, on average over the queries that may read it."""
        _heads, queries, _keys = self.weights.shape
        readers = np.arange(queries, 0, -1) if self.causal else queries
        return np.asarray(self.weights.sum(1) / readers, np.float32)

    def entropy(self) -> Float[np.ndarray, " heads"]:
        """The mean entropy of the rows in bits: 0 where each query reads one key."""
        shares = np.maximum(self.weights, 1e-30)
        return np.asarray(-(self.weights * np.log2(shares)).sum(2).mean(1), np.float32)

    def patterns(self) -> dict[str, tuple[Float[np.ndarray, " heads"], float]]:
        """The mean weight on the previous token, on the same and on the first one, and that of even attention.

        Empty for attention to another text. Even attention gives each key that a query may read the same weight.
        """
        queries, keys = self.weights.shape[1:]
        if self.cross or queries != keys or queries < 2:
            return {}
        even = 1 / np.arange(1, queries + 1) if self.causal else np.full(queries, 1 / keys)
        later, diagonal = np.arange(1, queries), np.arange(queries)
        return {
            "previous token": (self.weights[:, later, later - 1].mean(1), float(even[1:].mean())),
            "same token": (self.weights[:, diagonal, diagonal].mean(1), float(even.mean())),
            "first token": (self.weights[:, 1:, 0].mean(1), float(even[1:].mean())),
        }

    def describe(self, head: int) -> str:
        """A head in words: "head 3: 0.71 on the previous token (0.12 if even), entropy 1.2 bits"."""
        parts = [
            _(
                "{value} on the {pattern} ({even} if even)",
                value=number(f"{values[head]:.2f}"),
                pattern={
                    "previous token": _("previous token"),
                    "same token": _("same token"),
                    "first token": _("first token"),
                }[name],
                even=number(f"{even:.2f}"),
            )
            for name, (values, even) in self.patterns().items()
        ]
        entropy = _("entropy {bits} bits", bits=number(f"{self.entropy()[head]:.2g}"))
        return _("head {head}: {facts}", head=head, facts=", ".join([*parts, entropy]))


def attention_layers(recording: Recording) -> tuple[str, ...]:
    """The operations of a pass on one input whose values are attention weights, in the order of the pass."""
    return tuple(op.name for op in recording if _is_attention(recording, op))


def attention(recording: Recording, layer: str) -> Attention:
    """The attention weights of one layer.

    Parameters
    ----------
    recording : Recording
        A pass on one input. Fused operations do not return their weights: these are computed from its arguments, as
        `softmax(q kᵀ · scale + mask)` (Vaswani et al. 2017, arXiv:1706.03762, equation 1).
    layer : str
        One of `attention_layers`.

    Raises
    ------
    ValueError
        For another layer.
    """
    operation = recording.operation(layer)
    known = attention_layers(recording)
    if operation.name not in known:
        which = ", ".join(known[:6]) or "none: the pass has no attention"
        raise ValueError(f"layer must hold attention weights, got {operation.name!r}; those of this pass are {which}")
    weights = recording[operation.name].detach().float().cpu().numpy()
    weights = weights.reshape(-1, *weights.shape[-2:])
    return Attention(
        layer=operation.name,
        module=operation.module,
        weights=weights,
        cross=_is_cross(recording, operation),
    )


def strongest(
    recording: Recording, layer: str, k: int = 16
) -> tuple[Int[np.ndarray, "heads queries k"], Float[np.ndarray, "heads queries k"]]:
    """The k largest weights of each row, with their keys, without holding all rows at once.

    For long texts, whose whole weights would take heads × tokens² numbers.

    Returns
    -------
    keys : int array (heads, queries, k)
        The largest weight first.
    weights : float32 array (heads, queries, k)
    """
    operation = recording.operation(layer)
    queries, keys = operation.shape[-2:]
    k = min(k, keys)
    found, values = [], []
    for start in range(0, queries, _ROWS):
        rows = _rows(recording, operation, start, min(queries, start + _ROWS))
        best = rows.topk(k, -1)
        found.append(best.indices.cpu().numpy().astype(np.int32))
        values.append(best.values.float().cpu().numpy())
    return np.concatenate(found, 1), np.concatenate(values, 1)


def _rows(recording: Recording, operation: Operation, start: int, stop: int) -> Tensor:
    """Some rows of the weights, (heads, rows, keys)."""
    fused = head_operation(recording, operation.name)[0]
    if fused.op != "scaled_dot_product_attention":
        whole = recording[operation.name].detach()
        return whole.reshape(-1, *whole.shape[-2:])[:, start:stop]
    given = {
        name: fused.argument(place, name)
        for place, name in enumerate(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"))
    }
    query, key = (_value(recording, given[name]) for name in ("query", "key"))
    mask = None if given["attn_mask"] is None else _value(recording, given["attn_mask"])
    if mask is not None and mask.shape[-2] > 1:
        mask = mask[..., start:stop, :]
    if given["is_causal"]:
        places = torch.arange(key.shape[-2], device=key.device)
        mask = places[start:stop, None] >= places
    scale, shared = fused.keywords.get("scale"), bool(fused.keywords.get("enable_gqa", False))
    rows = sdpa_weights(query[..., start:stop, :], key, None, mask, scale=scale, enable_gqa=shared)
    return rows.reshape(-1, *rows.shape[-2:])


def _value(recording: Recording, source: Source) -> Tensor:
    return (source.value if source.name is None else recording[source.name]).detach()  # type: ignore[union-attr]


def rollout(layers: Sequence[Attention]) -> Float[np.ndarray, "tokens tokens"]:
    """Attention through several layers: the product of half the mean over heads and half the identity.

    Abnar & Zuidema 2020 (arXiv:2005.00928), section 3. It treats the layers as if nothing but attention and the
    residual connection moved information, which is an assumption; the rows sum to 1.

    Parameters
    ----------
    layers : sequence of Attention
        From the first layer on, each of the same tokens.

    Raises
    ------
    ValueError
        Without layers, and where they are not all of the same tokens.
    """
    shapes = {layer.weights.shape[1:] for layer in layers}
    if not layers or len(shapes) != 1 or any(layer.cross for layer in layers) or len(set(next(iter(shapes)))) != 1:
        raise ValueError(f"layers must all attend to the same tokens, got {sorted(shapes) or 'none'}")
    result = np.eye(layers[0].weights.shape[1], dtype=np.float64)
    for layer in layers:
        mean = layer.weights.mean(0).astype(np.float64)
        result = (mean / 2 + np.eye(len(mean)) / 2) @ result
    return result.astype(np.float32)


def head_operation(recording: Recording, layer: str) -> tuple[Operation, bool]:
    """The operation that returns what the heads of a layer read, and whether it returns them head by head.

    A fused module of torch returns them joined and projected.
    """
    position = next(at for at, op in enumerate(recording) if op.name == layer)
    operations = list(recording)
    operation = operations[position]
    if operation.op == "attention_weights":
        before = next(op for op in reversed(operations[:position]) if op.op in _FUSED and op.module == operation.module)
        return before, before.op == "scaled_dot_product_attention"
    carried = {operation.name}
    for later in operations[position + 1 :]:
        if not carried & set(later.inputs):
            continue
        if later.op in _PRODUCTS:
            return later, True
        carried.add(later.name)
    raise ValueError(f"layer must be attention whose values are read by a product, got {layer!r}")


def _is_attention(recording: Recording, operation: Operation) -> bool:
    shape = operation.shape
    if operation.op == "attention_weights":
        return len(shape) in (3, 4) and (len(shape) == 3 or shape[0] == 1)
    if operation.op != "softmax" or len(shape) not in (3, 4) or (len(shape) == 4 and shape[0] != 1):
        return False
    try:
        product = head_operation(recording, operation.name)[0]
    except ValueError:
        return False
    return product.shape[-2:-1] == shape[-2:-1] and math.prod(product.shape[:-2]) == math.prod(shape[:-2])


def _is_cross(recording: Recording, operation: Operation) -> bool:
    """Whether keys and queries come from different places: of other lengths, or from other operations."""
    queries, keys = operation.shape[-2:]
    if queries != keys:
        return True
    name = operation.module.rpartition(".")[2].lower()
    return "cross" in name or "encdec" in name or "encoder_attn" in name or name == "multihead_attn"


def induction_ids(vocabulary: int, *, length: int = 24, seed: int = 0) -> torch.Tensor:
    """Random tokens, each once, written twice: (1, 2 × length)."""
    drawn = np.random.default_rng(seed).choice(vocabulary, size=min(length, vocabulary), replace=False)
    return torch.from_numpy(np.concatenate([drawn, drawn]))[None]


def induction_scores(layer: Attention) -> tuple[Float[np.ndarray, " heads"], float]:
    """How much heads look from a token to what followed it the first time, on tokens that are written twice.

    Olsson et al. 2022 (arXiv:2209.11895). Also the value of even attention.

    Parameters
    ----------
    layer : Attention
        On a pass on `induction_ids`.
    """
    tokens = layer.weights.shape[1]
    if layer.cross or layer.weights.shape[2] != tokens or tokens % 2:
        raise ValueError(f"layer must be of a text that is written twice, got {layer!r}")
    second = np.arange(tokens // 2, tokens)
    even = 1 / (second + 1) if layer.causal else np.full(len(second), 1 / tokens)
    return layer.weights[:, second, second - tokens // 2 + 1].mean(1), float(even.mean())
