"""The heads of attention modules: what each query–key pair compares and each value–output pair writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from .spectrum import singular_values
from .weight import find

# The names by which well-known libraries call the projections, and the module that has them.
_SEPARATE = (
    ("q_proj", "k_proj", "v_proj", "out_proj"),  # Hugging Face: CLIP, OPT, BART
    ("q_proj", "k_proj", "v_proj", "o_proj"),  # Llama and its relatives
    ("query", "key", "value", "out"),
    ("query", "key", "value", "dense"),
    ("q_lin", "k_lin", "v_lin", "out_lin"),  # DistilBERT
    ("q", "k", "v", "o"),  # T5
    ("to_q", "to_k", "to_v", "to_out"),  # diffusers
    ("attention.query", "attention.key", "attention.value", "output.dense"),  # ViT
    ("self.query", "self.key", "self.value", "output.dense"),  # BERT
)
_JOINT = (("qkv", "proj"), ("c_attn", "c_proj"), ("in_proj", "out_proj"))
_COUNTS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Heads:
    """The products of an attention module's projections, head by head.

    A head compares a query xᵢ with a key xⱼ by xᵢᵀ · QK · xⱼ ÷ √width, and adds OV · xⱼ to what it attends from
    (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). Biases are not part of the products.

    Attributes
    ----------
    name : str
        The path of the attention module.
    width : int
        Of a head.
    query_key : float32 tensor (heads, model width, model width)
    value_output : float32 tensor (heads, model width, model width)
        OV[i, j]: what input j adds to output i.
    """

    name: str
    width: int
    query_key: Float[Tensor, "heads d d"]
    value_output: Float[Tensor, "heads d d"]

    def __len__(self) -> int:
        return len(self.query_key)

    def __repr__(self) -> str:
        return f"Heads({self.name!r}, {len(self)} heads of width {self.width})"

    def spectra(self) -> tuple[np.ndarray, np.ndarray]:
        """The singular values of each head's two products, two arrays (heads, width of a head)."""
        pairs = []
        for products in (self.query_key, self.value_output):
            pairs.append(np.stack([singular_values(product.double())[: self.width] for product in products]))
        return pairs[0], pairs[1]

    def copying(self) -> np.ndarray:
        """Σ λ ÷ Σ |λ| of the eigenvalues of OV, per head: 1 for a head that writes what it reads (Elhage et al.).

        NaN where inputs and outputs have different widths.
        """
        if self.value_output.shape[1] != self.value_output.shape[2]:
            return np.full(len(self), np.nan)
        values = torch.linalg.eigvals(self.value_output.double())
        result: np.ndarray = (values.real.sum(1) / values.abs().sum(1)).cpu().numpy()
        return result

    def symmetry(self) -> np.ndarray:
        """The share of the squared norm of QK that is symmetric, per head: 1 if i looks at j as j at i.

        NaN where queries and keys are read from inputs of different widths.
        """
        if self.query_key.shape[1] != self.query_key.shape[2]:
            return np.full(len(self), np.nan)
        symmetric = (self.query_key + self.query_key.mT) / 2
        shares = symmetric.square().sum((1, 2)) / self.query_key.square().sum((1, 2))
        result: np.ndarray = shares.cpu().numpy()
        return result


def attention_modules(model: nn.Module) -> tuple[str, ...]:
    """The paths of the modules whose heads can be read."""
    return tuple(path for path, module in model.named_modules() if _projections(module) is not None)


def heads(model: nn.Module, layer: str) -> Heads:
    """The heads of an attention module: torch's own, or one with projections by well-known names.

    Raises ValueError for a module that is no such attention, naming those that are.
    """
    modules = dict(model.named_modules())
    module = modules.get(layer)
    names = None if module is None else _projections(module)
    if module is None or names is None:
        known = ", ".join(attention_modules(model)[:8]) or "none of this model"
        raise ValueError(f"layer must be an attention module whose projections are known ({known}), got {layer!r}")
    found = find(module)
    count = _count(module)
    if isinstance(module, nn.MultiheadAttention):
        output = module.out_proj.weight.detach().float()
        if module.in_proj_weight is not None:
            query, key, value = found["in_proj_weight"].values.chunk(3)
        else:
            query, key, value = (found[f"{which}_proj_weight"].values for which in "qkv")
    elif len(names) == 2:
        joint, output = found[names[0]].values, found[names[1]].values
        query, key, value = joint.chunk(3)
    else:
        query, key, value, output = (found[name].values for name in names)
    width = len(query) // count
    by_head = [projection.reshape(-1, width, projection.shape[1]) for projection in (query, key, value)]
    # With grouped queries several heads share a key and a value.
    by_head = [item.repeat_interleave(count // len(item), 0) for item in by_head]
    written = output.reshape(len(output), count, width).transpose(0, 1)
    return Heads(
        name=layer,
        width=width,
        query_key=torch.einsum("hwi,hwj->hij", by_head[0], by_head[1]),
        value_output=torch.einsum("how,hwi->hoi", written, by_head[2]),
    )


def _projections(module: nn.Module) -> tuple[str, ...] | None:
    """The paths of a module's projections, below it; None if it is no attention module with known names."""
    if isinstance(module, nn.MultiheadAttention):
        return ("in_proj_weight", "out_proj")
    if _count(module) == 0:
        return None
    inside = {path for path, item in module.named_modules() if getattr(item, "weight", None) is not None}
    return next((names for names in (*_SEPARATE, *_JOINT) if inside.issuperset(names)), None)


def _count(module: nn.Module) -> int:
    """The number of heads that a module, its configuration or its first child says it has; 0 if none does."""
    for holder in (module, getattr(module, "config", None), *module.children()):
        for name in _COUNTS:
            count = getattr(holder, name, None)
            if isinstance(count, int) and count > 0:
                return count
    return 0
