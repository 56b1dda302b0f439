"""Tiny networks, one for each thing that trips recorders, with the operations that a person would count in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from specimens import ZOO, Specimen, image, specimen
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from zoo_sequences import GPT, LSTM, Encoder, MultiHead, ViT

__all__ = ["GPT", "LSTM", "ZOO", "Answer", "Encoder", "MultiHead", "Specimen", "ViT"]


@specimen("conv relu:1 relu:2 relu:3 mul clamp")
class FunctionalReLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = torch.relu(F.relu(self.conv(x)).relu())
        return (x * -1).clamp(min=0)


@specimen("conv relu add sub mul setitem leaky_relu slice")
class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.conv(x))
        x += 1
        x.sub_(0.5)
        y = torch.mul(x, 2, out=torch.empty(0))
        y[:, 0] = 3
        return F.leaky_relu(y, 0.1, True)[:, :2]


@specimen("conv:1 act:1 conv:2 act:2 conv:3 act:3")
class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()

    def forward(self, x):
        for _ in range(3):
            x = self.act(self.conv(x))
        return x


@specimen("encode sigmoid t linear", image(2, 6))
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 4)

    def forward(self, x):
        return F.linear(self.encode(x).sigmoid(), self.encode.weight.t())


class Block(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x
        return self.relu(y)


@specimen(
    "stem layer.0.conv1 layer.0.bn1 layer.0.relu:1 layer.0.conv2 layer.0.bn2 layer.0.add layer.0.relu:2 "
    "layer.1.conv1 layer.1.bn1 layer.1.relu:1 layer.1.conv2 layer.1.bn2 layer.1.add layer.1.relu:2 pool flatten fc"
)
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.layer = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Sequential(Block(), Block())
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.layer(self.stem(x))), 1))


@specimen("layers.0 cat:1 layers.1 cat:2 layers.2 cat:3 max max[1]")
class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 2 * step, 2, 3, padding=1) for step in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        return x.max(1)


@specimen("narrow wide pool stack mean")
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 5, padding=2)
        self.pool = nn.AvgPool2d(3, 1, 1)
        self.never = nn.Linear(3, 3)

    def forward(self, x):
        return torch.stack([self.narrow(x), self.wide(x), self.pool(x)]).mean(0)


@specimen("slice step:1 norm:1 step:2 norm:2 step:3 norm:3", lambda: (torch.full((1, 4), 3.0),))
class Loop(nn.Module):
    """As many steps as the input says."""

    def __init__(self):
        super().__init__()
        self.step, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x):
        for _ in range(int(x[0, 0])):
            x = self.norm(self.step(x))
        return x


@dataclass
class Answer:
    logits: Tensor
    extra: dict[str, Tensor]


@specimen("body.a body.b add log_softmax", image(2, 3))
class Dictionaries(nn.Module):
    """A module that gives a dict, and a model that gives a dataclass."""

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, x):
            return {"a": self.a(x), "b": [self.b(x)]}

    def __init__(self):
        super().__init__()
        self.body = self.Body()

    def forward(self, x):
        found = self.body(x)
        total = found["a"] + found["b"][0]
        return Answer(total.log_softmax(-1), {"total": total})


@specimen("depthwise dilated up flatten line mean:1 slice volume mean:2 add")
class Convolutions(nn.Module):
    """Depthwise, dilated, transposed, one- and three-dimensional."""

    def __init__(self):
        super().__init__()
        self.depthwise, self.dilated = nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 4, 3, dilation=2)
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)
        self.line, self.volume = nn.Conv1d(3, 2, 3), nn.Conv3d(1, 2, 2)

    def forward(self, x):
        x = self.up(self.dilated(self.depthwise(x)))
        return self.line(x.flatten(2)).mean() + self.volume(x[:, None]).mean()


@specimen("conv mean reduce silu expand sigmoid mul")
class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.reduce, self.expand = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return x * self.expand(F.silu(self.reduce(x.mean((2, 3), keepdim=True)))).sigmoid()


@specimen(
    "normed.parametrizations.weight.0 normed mean spectral.parametrizations.weight.0.flatten "
    "spectral.parametrizations.weight.0.clone:1 spectral.parametrizations.weight.0.clone:2 "
    "spectral.parametrizations.weight.0.mv spectral.parametrizations.weight.0.vdot "
    "spectral.parametrizations.weight.0.div spectral"
)
class Parametrised(nn.Module):
    def __init__(self):
        super().__init__()
        self.normed = parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
        self.spectral = parametrizations.spectral_norm(nn.Linear(4, 2))

    def forward(self, x):
        return self.spectral(self.normed(x).mean((2, 3)))


@specimen("einsum softmax", image(2, 3, 4))
class Einsum(nn.Module):
    def forward(self, x):
        return torch.einsum("bij,bkj->bik", x, x).softmax(-1)


@specimen("fft_fft2 abs gt mul fft_ifft2 real")
class Fourier(nn.Module):
    def forward(self, x):
        spectrum = torch.fft.fft2(x)
        kept = spectrum * (spectrum.abs() > 1)
        return torch.fft.ifft2(kept).real


@specimen("parts.a.1.0")
class Nested(nn.Module):
    """Containers in containers, and a module that returns its input."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"a": nn.Sequential(nn.Identity(), nn.Sequential(nn.Conv2d(3, 3, 1)))})
        self.identity = nn.Identity()

    def forward(self, x):
        return self.identity(self.parts["a"](self.identity(x)))


@specimen("mul add", image(2, 3), lambda: {"scale": torch.tensor(2.0), "shifts": {"by": torch.ones(3)}})
class Keywords(nn.Module):
    def forward(self, x, scale, shifts):
        return x * scale + shifts["by"], (x,)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


@specimen("twice numpy conv")
class Opaque(nn.Module):
    """Modules whose insides torch runs where Python cannot see."""

    class Double(nn.Module):
        def forward(self, x):
            return Doubled.apply(x)

    class Numpy(nn.Module):
        def forward(self, x):
            return torch.from_numpy(x.numpy() + 1)

    def __init__(self):
        super().__init__()
        self.twice, self.numpy, self.conv = self.Double(), self.Numpy(), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.conv(self.numpy(self.twice(x)))


@specimen("conv mul relu.sub relu.relu")
class Hooked(nn.Module):
    """Hooks of the user's own, one of which changes what goes on."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
        self.conv.register_forward_hook(lambda module, args, output: output * 2)
        self.relu.register_forward_pre_hook(lambda module, args: (args[0] - 1,))

    def forward(self, x):
        return self.relu(self.conv(x))


@specimen("fails tanh", image(2, 4))
class Caught(nn.Module):
    """A forward that fails inside a module, catches it, and goes another way."""

    class Fails(nn.Module):
        def forward(self, x):
            return x.exp() @ torch.zeros(9, 9)

    def __init__(self):
        super().__init__()
        self.fails = self.Fails()

    def forward(self, x):
        try:
            return self.fails(x)
        except RuntimeError:
            return x.tanh()
