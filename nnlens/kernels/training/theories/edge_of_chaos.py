"""Order, chaos and the edge between them in deep random networks (Poole et al., 2016; Schoenholz et al., 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from nnlens.kernels.chaos.mean_field import Activation, mean_field

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, kw_only=True)
class EdgeOfChaos:
    """The correlation of two inputs over the layers of a random network.

    Attributes
    ----------
    expected : array (depth + 1,)
        In a network of infinite width.
    measured, low, high : array (depth + 1,)
        The median, the smallest and the largest of the random networks of finite width.
    growth : float
        χ, the factor of the squared distance of two near inputs from layer to layer; at 1 is the edge of chaos.
    """

    expected: np.ndarray
    measured: np.ndarray
    low: np.ndarray
    high: np.ndarray
    growth: float


@dataclass(frozen=True, kw_only=True)
class LayerScale:
    """How far the weights and biases of a layer are spread.

    Attributes
    ----------
    name : str
        Of the module.
    weight_variance : float
        σw², the mean square of a weight times the number of inputs.
    bias_variance : float
        σb², the mean square of a bias; 0 without biases.
    """

    name: str
    weight_variance: float
    bias_variance: float


def expected_correlations(
    activation: Activation, weight_variance: float, bias_variance: float, *, correlation: float = 0.6, depth: int = 20
) -> np.ndarray:
    """The correlation of two inputs over the layers of a random network of infinite width.

    Poole et al. (2016), equations 2 and 4, from inputs of variance 1; for ReLU in the closed form of Cho & Saul (2009).

    Parameters
    ----------
    weight_variance, bias_variance : float
        σw², of a weight times the number of inputs; σb².
    correlation : float
        Of the two inputs.
    depth : int
        How many layers.

    Returns
    -------
    array (depth + 1,)
        From that of the inputs.
    """
    mean_field(activation, weight_variance, bias_variance)  # raises for what does not fit
    if not -1 <= correlation <= 1:
        raise ValueError(f"correlation must be −1…1, got {correlation}")
    length, found = 1.0, [correlation]
    for _layer in range(depth):
        alike, crossed = _moments(activation, length, found[-1])
        length = weight_variance * alike + bias_variance
        # A length of 0, where all signals have died, has no correlation: it stays what it was.
        found.append(min(1.0, (weight_variance * crossed + bias_variance) / length) if length > 0 else found[-1])
    return np.array(found)


def _moments(activation: Activation, length: float, correlation: float) -> tuple[float, float]:
    """The means of φ(u)² and of φ(u) φ(v) for normal u and v of a variance and a correlation."""
    if activation == "relu":
        angle = math.acos(max(-1.0, min(1.0, correlation)))
        crossed = (math.sin(angle) + (math.pi - angle) * correlation) / (2 * math.pi)
        return length / 2, length * crossed
    first = np.tanh(math.sqrt(length) * _NODES)
    other = math.sqrt(length) * (correlation * _NODES[:, None] + math.sqrt(max(0.0, 1 - correlation**2)) * _NODES[None])
    return float(_WEIGHTS @ first**2), float(_WEIGHTS @ (first[:, None] * np.tanh(other)) @ _WEIGHTS)


def edge_of_chaos(
    activation: Activation,
    weight_variance: float,
    bias_variance: float,
    *,
    correlation: float = 0.6,
    depth: int = 20,
    width: int = 300,
    draws: int = 5,
    seed: int = 0,
) -> EdgeOfChaos:
    """Send two inputs through random networks, and follow their correlation beside the theory's.

    Below the edge (χ < 1) all inputs become alike, above it inputs that are nearly alike become unrelated; at the edge
    a deep network keeps both apart for longest. With ReLU all inputs become alike; the lengths of signals grow above
    the edge and fade below it.

    Parameters
    ----------
    activation : "tanh" or "relu"
    weight_variance, bias_variance, correlation, depth
        As for `expected_correlations`.
    width, draws : int
        Units in each layer; how many networks are drawn.

    Raises
    ------
    ValueError
        For numbers out of range.
    """
    if width < 2 or depth < 1 or draws < 1:
        raise ValueError(f"width must be at least 2, depth and draws at least 1, got {width}, {depth} and {draws}")
    expected = expected_correlations(activation, weight_variance, bias_variance, correlation=correlation, depth=depth)
    generator = np.random.default_rng(seed)
    rows = np.array(
        [
            _measured(generator, activation, weight_variance, bias_variance, correlation, depth, width)
            for _draw in range(draws)
        ]
    )
    return EdgeOfChaos(
        expected=expected,
        measured=np.median(rows, 0),
        low=rows.min(0),
        high=rows.max(0),
        growth=mean_field(activation, weight_variance, bias_variance).growth,
    )


def _measured(
    generator: np.random.Generator,
    activation: Activation,
    weight_variance: float,
    bias_variance: float,
    correlation: float,
    depth: int,
    width: int,
) -> list[float]:
    # Two rows of the wanted correlation exactly.
    basis = np.linalg.qr(generator.normal(size=(width, 2)))[0].T * math.sqrt(width)
    values = np.stack([basis[0], correlation * basis[0] + math.sqrt(1 - correlation**2) * basis[1]])
    found = [correlation]
    for _layer in range(depth):
        weights = generator.normal(size=(width, width)) * math.sqrt(weight_variance / width)
        biases = generator.normal(size=width) * math.sqrt(bias_variance)
        values = (np.tanh(values) if activation == "tanh" else values.clip(0)) @ weights + biases
        lengths = np.linalg.norm(values, axis=1)
        product = float(lengths.prod())
        found.append(float(values[0] @ values[1]) / product if product > 0 else found[-1])
    return found


def layer_scales(model: nn.Module) -> list[LayerScale]:
    """σw² and σb² of each linear layer and convolution of a model, as the theory of random networks writes them.

    A batch normalisation that is registered right after a layer and fits it is taken into the layer's weights, with
    its running statistics: so it acts in eval mode. The first layer is left out, for its inputs are no activations.
    """
    layers = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    found = []
    for place, (name, module) in enumerate(layers):
        if not isinstance(module, (nn.Linear, *_CONVOLUTIONS)):
            continue
        weight, bias = module.weight.detach(), None if module.bias is None else module.bias.detach()
        after = layers[place + 1][1] if place + 1 < len(layers) else None
        if isinstance(after, _NORMALISATIONS) and after.num_features == len(weight) and after.running_var is not None:
            weight, bias = _folded(module, after, weight, bias)
        square = float(weight.double().square().mean()) * weight[0].numel()
        offsets = 0.0 if bias is None else float(bias.double().square().mean())
        found.append(LayerScale(name=name, weight_variance=square, bias_variance=offsets))
    return found[1:]


def _folded(
    module: nn.Module, after: nn.modules.batchnorm._BatchNorm, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    fuse = fuse_linear_bn_weights if isinstance(module, nn.Linear) else fuse_conv_bn_weights
    assert after.running_mean is not None
    assert after.running_var is not None
    made = fuse(weight, bias, after.running_mean, after.running_var, after.eps, after.weight, after.bias)
    return made[0].detach(), made[1].detach()
