"""Random networks of every kind for occlusion, and the plain pass for one position."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

from nnlens.kernels import (
    detect_meaning,
)
from nnlens.recording import record


class Residual(nn.Module):
    def __init__(self, *inner):
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x):
        return F.relu(x + self.inner(x))


class InPlaceResidual(Residual):
    def forward(self, x):
        y = self.inner(x)
        y += x
        return y.relu_()


class Dense(Residual):
    def forward(self, x):
        return torch.cat([self.inner(x), x], 1)


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Linear(channels, channels)

    def forward(self, x):
        return x * self.fc(x.mean((2, 3))).sigmoid()[:, :, None, None]


class ChannelsLast(nn.Module):
    """As ConvNeXt has it."""

    def __init__(self, channels):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(channels), nn.Linear(channels, channels)

    def forward(self, x):
        y = F.gelu(self.fc(self.norm(x.permute(0, 2, 3, 1))))
        return x + y.permute(0, 3, 1, 2)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class PositionalScale(nn.Module):
    def forward(self, x):
        return x * torch.arange(x.shape[-1], dtype=x.dtype).add(1).rsqrt()


FUNCTIONS = {
    "pad": lambda x: F.pad(x, (1, 0, 2, 1)),
    "pad with a value": lambda x: F.pad(x, (0, 2, 1, 0), value=0.5),
    "crop": lambda x: F.pad(x, (-1, 0, 0, -1)),
    "relu6": lambda x: F.relu6(x),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "relu_": lambda x: x.relu_(),
    "leaky": lambda x: F.leaky_relu(x, 0.2, inplace=True),
    "scale": lambda x: 2 * x - 1,
    "twice": lambda x: x * torch.sigmoid(x),
    "local response": lambda x: F.local_response_norm(x, 2),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
    "softmax": lambda x: x.softmax(1),
    "flip": lambda x: x.flip(3) + x,
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "written": lambda x: written(x),
}


def written(x):
    y = x * 1
    y[:, :, :2] = 0
    return y


@st.composite
def networks(draw):
    channels, layers = 4, []
    kinds = ["conv", "conv", "conv", "max", "avg", "norm", "act", "residual", "in place", "dense", "other", "function"]
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(kinds))
        if kind == "conv":
            groups = draw(st.sampled_from([1, 1, 2, channels]))
            mode = draw(st.sampled_from(["zeros", "zeros", "zeros", "reflect", "replicate", "circular"]))
            kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 7)))
            strided = draw(st.booleans())
            padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
            if mode == "zeros" and not strided and draw(st.booleans()):
                padding = draw(st.sampled_from(["same", "valid"]))
            stride = (draw(st.integers(1, 3)), draw(st.integers(1, 2))) if strided else 1
            options = {"groups": groups, "padding_mode": mode, "dilation": draw(st.integers(1, 2))}
            layers.append(nn.Conv2d(channels, channels, kernel, stride, padding, bias=draw(st.booleans()), **options))
            if draw(st.booleans()):
                layers.append(nn.BatchNorm2d(channels))
            if draw(st.booleans()):
                layers.append(nn.ReLU(inplace=draw(st.booleans())))
        elif kind == "max":
            size = draw(st.integers(2, 3))
            padding = draw(st.integers(0, 1))
            stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
            layers.append(nn.MaxPool2d(size, stride, padding, dilation, ceil_mode=draw(st.booleans())))
        elif kind == "avg":
            size = draw(st.integers(2, 3))
            options = {"ceil_mode": draw(st.booleans()), "count_include_pad": draw(st.booleans())}
            divisor = draw(st.sampled_from([None, None, 5]))
            stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 1))
            layers.append(nn.AvgPool2d(size, stride, padding, divisor_override=divisor, **options))
        elif kind == "norm":
            made = draw(st.sampled_from([nn.BatchNorm2d(channels), nn.GroupNorm(2, channels)]))
            layers.append(made)
        elif kind == "act":
            layers.append(
                draw(st.sampled_from([nn.ReLU(True), nn.GELU(), nn.PReLU(channels), nn.Dropout(), nn.SiLU()]))
            )
        elif kind in ("residual", "in place", "dense"):
            inner = [nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            made = {"residual": Residual, "in place": InPlaceResidual, "dense": Dense}[kind](*inner)
            layers.append(made)
            if kind == "dense":
                layers.append(nn.Conv2d(2 * channels, channels, 1))
        elif kind == "other":
            others = [Squeeze(channels), ChannelsLast(channels), PositionalScale()]
            others.append(nn.ConvTranspose2d(channels, channels, 3, 2, 1))
            layers.append(draw(st.sampled_from(others)))
        else:
            layers.append(Function(FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]))
    head = draw(st.sampled_from(["pool", "flatten", "map"]))
    return layers, head


def build(layers, head, size) -> nn.Module | None:
    body = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), *layers).double().eval()
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
    try:
        with torch.no_grad():
            shape = body(torch.zeros(1, 2, *size, dtype=torch.double)).shape
    except (RuntimeError, ValueError):
        return None  # the image became too small for these layers
    if min(shape) < 1:
        return None
    ends = {
        "pool": [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[1], 3)],
        "flatten": [nn.Flatten(), nn.Linear(shape[1:].numel(), 3)],
        "map": [nn.Conv2d(shape[1], 3, 1)],
    }
    return nn.Sequential(*body, *ends[head]).double().eval()


def plainly(model: nn.Module, x: Tensor, covered: Tensor) -> Tensor:
    """One plain pass per position."""
    with torch.no_grad():
        recording = None if isinstance(model, torch.jit.ScriptModule) else record(model, x)
        meaning = detect_meaning(model(x), recording)
        return torch.cat([meaning.read(model(image[None]), 1) for image in covered])


class Chooses(nn.Module):
    """Takes another path for other images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        y = self.conv(x)
        return (y.relu() if float(x.mean()) > 0.5 else y.tanh()).mean((2, 3))
