"""Tiny networks, one for each thing that trips recorders, with the operations that a person would count in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

ZOO: dict[str, Specimen] = {}


class Specimen(NamedTuple):
    """How to build a network, what to give it, and the names that its recording must have, in order."""

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    names: str
    keywords: Callable[[], dict[str, Any]] = dict


def image(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.randn(*(shape or (1, 3, 8, 8))),)


def specimen(names: str, inputs: Any = None, keywords: Any = dict) -> Callable[[type[nn.Module]], type[nn.Module]]:
    def add(cls: type[nn.Module]) -> type[nn.Module]:
        ZOO[cls.__name__] = Specimen(cls, inputs or image(), names, keywords)
        return cls

    return add


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


GATES = ("input_gate", "forget_gate", "cell_gate", "output_gate", "cell", "hidden")
WAYS = ("l0", "l0_reverse", "l1", "l1_reverse")


@specimen(
    "lstm lstm[1] lstm[2] " + " ".join(f"lstm.{part}_{way}" for way in WAYS for part in GATES) + " slice head",
    image(5, 2, 3),
)
class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, num_layers=2, bidirectional=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][-1])


class PackedGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.LSTMCell(3, 4), nn.GRUCell(4, 4), nn.RNNCell(4, 2)

    def forward(self, x):
        hidden, _ = self.first(x)
        return self.third(self.second(hidden))


class ViTBlock(nn.Module):
    def __init__(self, width: int = 8, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, width))

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(self.norm2(x))


@specimen(
    "patch flatten transpose expand cat add blocks.0.norm1 blocks.0.qkv blocks.0.reshape:1 "
    "blocks.0.permute blocks.0.unbind blocks.0.unbind[1] blocks.0.unbind[2] "
    "blocks.0.scaled_dot_product_attention blocks.0.attention_weights blocks.0.transpose "
    "blocks.0.reshape:2 blocks.0.proj blocks.0.add:1 blocks.0.norm2 blocks.0.mlp.0 blocks.0.mlp.1 "
    "blocks.0.mlp.2 blocks.0.mlp.3 blocks.0.add:2 blocks.1.norm1 blocks.1.qkv blocks.1.reshape:1 "
    "blocks.1.permute blocks.1.unbind blocks.1.unbind[1] blocks.1.unbind[2] "
    "blocks.1.scaled_dot_product_attention blocks.1.attention_weights blocks.1.transpose "
    "blocks.1.reshape:2 blocks.1.proj blocks.1.add:1 blocks.1.norm2 blocks.1.mlp.0 blocks.1.mlp.1 "
    "blocks.1.mlp.2 blocks.1.mlp.3 blocks.1.add:2 slice head"
)
class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.cls, self.position = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.blocks = nn.ModuleList([ViTBlock(), ViTBlock()])
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


@specimen(
    "wte wpe add:1 norm qkv chunk chunk[1] chunk[2] transpose matmul:1 div not masked_fill softmax "
    "matmul:2 add:2 scaled_dot_product_attention attention_weights add:3 linear",
    lambda: (torch.tensor([[1, 4, 2, 0, 3]]),),
)
class GPT(nn.Module):
    """Token embedding, causal attention with a mask of its own, tied output."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(6, 8), nn.Embedding(5, 8)
        self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)
        self.register_buffer("mask", torch.ones(5, 5).tril().bool())

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        query, key, value = self.qkv(self.norm(x)).chunk(3, -1)
        scores = query @ key.transpose(-2, -1) / 8**0.5
        weights = scores.masked_fill(~self.mask, -torch.inf).softmax(-1)
        x = x + weights @ value
        x = x + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return F.linear(x, self.wte.weight)


@specimen("attention attention.attention_weights", image(4, 2, 8))
class MultiHead(nn.Module):
    """What would take torch's fast path."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        mixed, _ = self.attention(x, x, x, need_weights=False)
        return mixed


@specimen(
    "encoder.layers.0.self_attn.transpose:1 encoder.layers.0.self_attn.multi_head_attention_forward "
    "encoder.layers.0.self_attn.attention_weights encoder.layers.0.self_attn.transpose:2 "
    "encoder.layers.0.dropout1 encoder.layers.0.add:1 encoder.layers.0.norm1 encoder.layers.0.linear1 "
    "encoder.layers.0.relu encoder.layers.0.dropout encoder.layers.0.linear2 encoder.layers.0.dropout2 "
    "encoder.layers.0.add:2 encoder.layers.0.norm2 encoder.layers.1.self_attn.transpose:1 "
    "encoder.layers.1.self_attn.multi_head_attention_forward encoder.layers.1.self_attn.attention_weights "
    "encoder.layers.1.self_attn.transpose:2 encoder.layers.1.dropout1 encoder.layers.1.add:1 "
    "encoder.layers.1.norm1 encoder.layers.1.linear1 encoder.layers.1.relu encoder.layers.1.dropout "
    "encoder.layers.1.linear2 encoder.layers.1.dropout2 encoder.layers.1.add:2 encoder.layers.1.norm2",
    image(2, 4, 8),
)
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.encoder(x)


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


def _packed() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 5, 3), torch.tensor([2, 5, 3])


ZOO["PackedGRU"] = Specimen(
    PackedGRU,
    _packed,
    "to:1 sort sort[1] to:2 index_select:1 pack_padded_sequence pack_padded_sequence[1] "
    "scatter gru.slice:1 gru.zeros gru.slice:2 gru.gru gru.gru[1] gru.reset_gate_l0 gru.update_gate_l0 "
    "gru.new_gate_l0 gru.hidden_l0 gru.reset_gate_l0_reverse gru.update_gate_l0_reverse "
    "gru.new_gate_l0_reverse gru.hidden_l0_reverse gru.index_select pad_packed_sequence "
    "pad_packed_sequence[1] index_select:2 cpu slice",
)
ZOO["Cells"] = Specimen(
    Cells,
    image(2, 3),
    "first first[1] first.input_gate first.forget_gate first.cell_gate first.output_gate first.cell "
    "first.hidden second second.reset_gate second.update_gate second.new_gate second.hidden third "
    "third.hidden",
)
