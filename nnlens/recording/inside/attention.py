"""The weights of an attention operation, recomputed from its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .inner import Inner, given, unchanged


def attention_weights(op: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Iterator[Inner]:
    """`softmax(q kᵀ · scale + mask)` per head, as the operation used it (before its dropout).

    Shape (…, heads, queries, keys). Rows whose keys are all masked are 0, as torch has them.
    Vaswani et al. 2017 (arXiv:1706.03762), equation 1.
    """
    if op == "scaled_dot_product_attention":
        call = _bound(sdpa_weights, args, keywords)
        query, key = given(call["query"]), given(call["key"])
        yield (
            "attention_weights",
            "attention",
            (*query.shape[:-1], key.shape[-2]),
            unchanged(lambda: sdpa_weights(**call), call),
        )
    elif op == "multi_head_attention_forward":
        call = _bound(F.multi_head_attention_forward, args, keywords)
        query, key = given(call["query"]), given(call["key"])
        keys = key.shape[0] + (call.get("bias_k") is not None) + bool(call["add_zero_attn"])
        if call.get("static_k") is not None:
            keys = given(call["static_k"]).shape[1]
        shape = (*query.shape[1:-1], call["num_heads"], query.shape[0], keys)
        yield "attention_weights", "attention", shape, unchanged(lambda: _multi_head(call), call)


def _bound(function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    return dict(inspect.signature(function).bind(*args, **keywords).arguments)


@torch.no_grad()
def sdpa_weights(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The weights of `torch.nn.functional.scaled_dot_product_attention`, before its dropout."""
    query, key = given(query), given(key)
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = (query @ key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~allowed, -torch.inf)
    if attn_mask is not None:
        mask = given(attn_mask)
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    result: Tensor = scores.softmax(-1).masked_fill((scores == -torch.inf).all(-1, keepdim=True), 0)
    return result


@torch.no_grad()
def _multi_head(call: dict[str, Any]) -> Tensor:
    call = {name: given(value) for name, value in call.items()}
    call |= {"need_weights": True, "average_attn_weights": False, "training": False}
    if call.get("attn_mask") is not None:
        call["is_causal"] = False  # a hint only; with weights asked for, the mask is what counts
    weights = F.multi_head_attention_forward(**call)[1]
    assert weights is not None  # they were asked for
    return weights
