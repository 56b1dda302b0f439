from __future__ import annotations

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from zoo import ZOO

from nnlens.kernels import receptive_field, seen_by
from nnlens.recording import record

SIZE = (11, 9)


def box(mask: Tensor) -> tuple[slice, ...]:
    """The smallest box around what is true."""
    slices = []
    for axis in range(mask.ndim):
        places = mask.any(tuple(dim for dim in range(mask.ndim) if dim != axis)) if mask.ndim > 1 else mask
        found = places.nonzero().flatten().tolist()
        slices.append(slice(found[0], found[-1] + 1) if found else slice(0, 0))
    return tuple(slices)


def seen_by_gradient(net: nn.Module, name: str, size: tuple[int, ...], position: tuple[int, ...]) -> tuple[slice, ...]:
    """The box of the input pixels with a gradient, weights and input being positive so that nothing cancels."""
    x = torch.rand(1, 2, *size, dtype=torch.double, requires_grad=True)
    values = {}
    handle = net.get_submodule(name).register_forward_hook(lambda m, a, output: values.update(value=output))
    net(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(values["value"][position], x)
    return box(gradient[0].abs().sum(0) > 0)


def seen_by_nan(net: nn.Module, size: tuple[int, ...]) -> Tensor:
    """For each input pixel in turn, where the output becomes NaN: (pixels, *output)."""
    pixels = size[0] * size[1]
    x = torch.rand(pixels, 2, *size)
    x.view(pixels, 2, -1)[torch.arange(pixels), :, torch.arange(pixels)] = torch.nan
    with torch.no_grad():
        return net(x).isnan()


@st.composite
def layers(draw: st.DrawFn, kinds: tuple[str, ...]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        stride, padding = draw(st.integers(1, 2)), draw(st.integers(0, 1))
        kind = draw(st.sampled_from(kinds))
        if kind == "conv":
            found.append(nn.Conv2d(2, 2, kernel, stride, padding, dilation=draw(st.integers(1, 2))))
        elif kind == "same":
            found.append(
                nn.Conv2d(2, 2, (3, 1), padding="same", padding_mode=draw(st.sampled_from(["zeros", "circular"])))
            )
        elif kind == "transposed":
            found.append(nn.ConvTranspose2d(2, 2, kernel, stride, padding, dilation=draw(st.integers(1, 2))))
        elif kind == "avg":
            found.append(nn.AvgPool2d(2, stride, padding, ceil_mode=draw(st.booleans())))
        elif kind == "max":
            found.append(nn.MaxPool2d((2, 3), stride, padding, ceil_mode=draw(st.booleans())))
        elif kind == "adaptive":
            found.append(nn.AdaptiveAvgPool2d((draw(st.integers(1, 5)), draw(st.integers(1, 5)))))
        elif kind == "up":
            found.append(nn.Upsample(scale_factor=draw(st.sampled_from([1.5, 2, 3])), mode="nearest"))
        elif kind == "bilinear":
            found.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=draw(st.booleans())))
        else:
            found.append(nn.Sequential(nn.BatchNorm2d(2).eval(), nn.Hardtanh(-1e9, 1e9)))
    return found


def positive(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.1)
    return net.double().eval()


@settings(max_examples=60, deadline=None)
@given(parts=layers(("conv", "same", "transposed", "avg", "adaptive", "up", "bilinear", "pointwise")), data=st.data())
def test_every_unit_sees_what_has_a_gradient(parts, data):
    net = positive(nn.Sequential(*parts))
    x = torch.rand(1, 2, *SIZE, dtype=torch.double)
    try:
        shape = net(x).shape
    except RuntimeError:
        return  # the image became too small for these layers
    recording = record(net, x)
    last = str(len(parts) - 1)
    for _ in range(4):
        position = (0, 0, data.draw(st.integers(0, shape[2] - 1)), data.draw(st.integers(0, shape[3] - 1)))
        assert seen_by(recording, last, position) == seen_by_gradient(net, last, SIZE, position)


@settings(max_examples=40, deadline=None)
@given(parts=layers(("conv", "max", "avg", "pointwise")))
def test_every_unit_sees_what_makes_it_nan(parts):
    net = nn.Sequential(*parts).eval()
    try:
        nans = seen_by_nan(net, SIZE)
    except RuntimeError:
        return
    recording = record(net, torch.rand(1, 2, *SIZE))
    name = recording.names[-1]
    for row in range(nans.shape[2]):
        for column in range(nans.shape[3]):
            assert seen_by(recording, name, (0, 0, row, column)) == box(nans[:, 0, row, column].view(SIZE))


@settings(max_examples=40, deadline=None)
@given(parts=layers(("conv", "max", "avg", "pointwise")))
def test_the_window_says_the_same_away_from_the_borders(parts):
    net = nn.Sequential(*parts).eval()
    try:
        recording = record(net, torch.rand(1, 2, 64, 64))
    except RuntimeError:
        return
    name = recording.names[-1]
    field, shape = receptive_field(recording, name), recording[name].shape
    assert field is not None
    assert field.exact
    for axis in (0, 1):
        size, stride, offset = field.size[axis], field.stride[axis], field.offset[axis]
        assert None not in (size, stride, offset)
        for index in range(shape[2 + axis]):
            position = (0, 0, index, shape[3] // 2) if axis == 0 else (0, 0, shape[2] // 2, index)
            found = seen_by(recording, name, position)[axis]
            first = offset + stride * index
            if first >= 0 and first + size <= 64:
                assert (found.start, found.stop) == (first, first + size)


def test_known_sizes():
    """VGG's and AlexNet's, as they are published: Araujo, Norris & Sim 2019, table 1 (its VGG-16: 212, 32)."""
    vgg = []
    for convolutions in (2, 2, 3, 3, 3):
        vgg += [nn.Conv2d(1, 1, 3, padding=1) for _ in range(convolutions)] + [nn.MaxPool2d(2)]
    recording = record(nn.Sequential(*vgg), torch.zeros(1, 1, 224, 224))
    field = receptive_field(recording, recording.names[-1])
    assert field.size == (212, 212)
    assert field.stride == (32, 32)
    assert field.offset == (Fraction(-90), Fraction(-90))
    assert str(field) == "212"


def test_joins_permutations_and_tokens():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 5, padding=2)
            self.norm, self.fc = nn.LayerNorm(8), nn.Linear(8, 8)
            self.patch = nn.Conv2d(8, 6, 2, 2)

        def forward(self, x):
            y = torch.cat([self.a(x), self.b(x)], 1)
            y = self.fc(self.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            tokens = self.patch(y).flatten(2).transpose(1, 2)
            tokens = torch.cat([torch.zeros(1, 1, 6), tokens], 1) + 1
            mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)
            return mixed[:, 0], y.mean((2, 3))

    recording = record(Mixed(), torch.rand(1, 2, 8, 12))
    assert receptive_field(recording, "a").size == (3, 3)
    assert receptive_field(recording, "fc").size == (5, 5)
    assert seen_by(recording, "fc", (0, 4, 6, 0)) == (slice(2, 7), slice(4, 9)), (
        "rows and columns are dimensions 1 and 2"
    )
    # Tokens: the first is a constant, the others lie row by row.
    assert seen_by(recording, "add", (0, 0, 0)) == (slice(0, 0), slice(0, 0))
    assert seen_by(recording, "add", (0, 1 + 6 + 2, 0)) == (slice(0, 6), slice(2, 8))
    assert str(receptive_field(recording, "add")) == "varies"
    for name in ("scaled_dot_product_attention", "mean"):
        assert str(receptive_field(recording, name)) == "all"
        assert receptive_field(recording, name).exact


WEIGHT = torch.rand(2, 2, 3, 3, dtype=torch.double) + 0.1
EXACT = {
    "batch statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "running statistics": lambda x: F.batch_norm(x, torch.ones(2).double(), torch.ones(2).double()),
    "instance norm of the image": lambda x: F.instance_norm(x),
    "instance norm, running": lambda x: F.instance_norm(
        x, torch.ones(2).double(), torch.ones(2).double(), use_input_stats=False
    ),
    "var_mean": lambda x: torch.var_mean(x, dim=3, keepdim=True)[0] + 0 * x[:, :, :, :1],
    "unbiased given by place": lambda x: x.var(False).view(1, 1, 1, 1),
    "norm by rows": lambda x: x.norm(2, 3, True),
    "normalize": lambda x: F.normalize(x, 2.0, 2),
    "constant @ x": lambda x: torch.rand(4, 6).double() @ x,
    "x @ constant": lambda x: x @ torch.rand(5, 4).double(),
    "x + row mean": lambda x: x + x.mean(3, keepdim=True),
    "x + column": lambda x: x * x[..., :1],
    "column expanded": lambda x: x[..., :1].expand(1, 2, 6, 7),
    "numpy's axis": lambda x: x.mean(axis=2, keepdims=True),
    "nearest by factor": lambda x: F.interpolate(x, scale_factor=1.7),
    "nearest-exact by factor": lambda x: F.interpolate(x, scale_factor=(0.6, 2.3), mode="nearest-exact"),
    "bilinear by factor": lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
    "bilinear, corners": lambda x: F.interpolate(x, (9, 4), mode="bilinear", align_corners=True),
    "bicubic": lambda x: F.interpolate(x, (9, 12), mode="bicubic"),
    "area": lambda x: F.interpolate(x, (4, 2), mode="area"),
    "cumulative sum": lambda x: x.cumsum(2),
    "logcumsumexp": lambda x: x.logcumsumexp(3),
    "flip": lambda x: x.flip(3).cumsum(3),
    "joined rows": lambda x: torch.cat([x, x[:, :, :2]], 2),
    "joined with constants": lambda x: torch.cat([x, torch.ones(1, 2, 6, 3).double()], 3).cumsum(3),
    "local response": lambda x: F.local_response_norm(x, 2),
    "gumbel": lambda x: F.gumbel_softmax(x, dim=2),
    "sum of everything": lambda x: x.sum(dim=()).view(1, 1, 1, 1),
    "attention between rows": lambda x: F.scaled_dot_product_attention(x, x, x) * 1,
    "tokens and back": lambda x: x.flatten(2).transpose(1, 2).transpose(1, 2).unflatten(2, (6, 5)),
}
BOUNDED = {
    "dynamic convolution": lambda x: F.conv2d(x, WEIGHT * x.mean()),
    "antialias": lambda x: F.interpolate(x, (3, 3), mode="bilinear", antialias=True),
    "einsum": lambda x: torch.einsum("bchw,hk->bckw", x, torch.rand(6, 4).double()),
    "x @ x": lambda x: x @ x.transpose(2, 3),
    "masked attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True) * 1,
    "other rows and columns": lambda x: x.flatten(2).unflatten(2, (5, 6)),
    "written through a view": lambda x: written_through_a_view(x) * 1,
    "written into a slice": lambda x: written_into_a_slice(x) * 1,
}


def written_through_a_view(x):
    y = x * 1
    y.transpose(2, 3)[..., :5, :].mul_(2.0)
    return y


def written_into_a_slice(x):
    y = x * 1
    y[:, :, :3] = x[:, :, 3:]
    return y


@pytest.mark.parametrize("name", [*EXACT, *BOUNDED])
def test_operations_that_reach_in_their_own_way(name):
    """Against gradients at every place; where the field is a bound, the gradient stays inside it."""

    class Net(nn.Module):
        def forward(self, x):
            torch.manual_seed(0)
            return (EXACT | BOUNDED)[name](x)

    x = torch.rand(1, 2, 6, 5, dtype=torch.double, requires_grad=True)
    recording = record(Net(), x)
    last = recording.names[-1]
    assert receptive_field(recording, last).exact == (name in EXACT)
    output = Net()(x)
    for position in torch.ones_like(output[0, 0]).nonzero().tolist():
        (gradient,) = torch.autograd.grad(output[0, 0][tuple(position)], x, retain_graph=True)
        found, sees = box(gradient[0].abs().sum(0) > 0), seen_by(recording, last, (0, 0, *position))
        if name in EXACT:
            assert sees == found, position
        else:
            assert all(a.start <= b.start and a.stop >= b.stop for a, b in zip(sees, found, strict=True)), position


def test_an_image_without_a_batch_has_no_field():
    recording = record(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()), torch.rand(2, 6, 6))
    assert receptive_field(recording, "1") is None


def test_what_is_not_known_is_an_upper_bound():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.fft.fft2(x).real.relu()

    field = receptive_field(record(Odd(), torch.rand(1, 2, 8, 8)), "relu")
    assert field.whole
    assert not field.exact
    assert str(field) == "≤ all"


def test_no_image_no_field():
    recording = record(ZOO["GPT"].build(), *ZOO["GPT"].inputs())
    assert receptive_field(recording, "wte") is None
    with pytest.raises(ValueError, match=r"position must be an index into the shape \(1, 5, 8\), got \(9,\)"):
        seen_by(recording, "wte", (9,))


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_whole_zoo_has_fields_that_hold(name):
    """Whatever the operations: a unit never depends on a pixel outside of what it is said to see."""
    torch.manual_seed(0)
    specimen = ZOO[name]
    inputs = specimen.inputs()
    if inputs[0].ndim != 4:
        return
    model = specimen.build().eval()
    recording = record(model, *inputs)
    changed = inputs[0].clone()
    changed[..., 0, 0] += 1
    other = record(model, changed)
    for operation in recording:
        field = receptive_field(recording, operation.name)
        difference = recording[operation.name] != other[operation.name]
        if field is None:
            assert not difference.any(), operation.name
            continue
        for position in difference.nonzero()[:5].tolist():
            rows, columns = seen_by(recording, operation.name, tuple(position))
            assert rows.start == columns.start == 0, operation.name


@pytest.mark.parametrize("name", ZOO)
def test_pixels_outside_never_change_a_unit(name):
    """Every zoo network's layers at a few places, with all that their fields do not hold replaced."""
    torch.manual_seed(0)
    specimen = ZOO[name]
    model, inputs, keywords = specimen.build().eval(), specimen.inputs(), specimen.keywords()
    x = inputs[0]
    recording = record(model, *inputs, **keywords)
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim < 3:
        return
    for operation in recording:
        if not operation.dtype.is_floating_point or 0 in operation.shape:
            continue
        for position in ([0] * len(operation.shape), [size // 2 for size in operation.shape]):
            found = seen_by(recording, operation.name, tuple(position))
            if found is None or len(found) != x.ndim - 2:
                continue
            other = torch.randn_like(x) * 3
            other[(slice(None), slice(None), *found)] = x[(slice(None), slice(None), *found)]
            again = record(model, other, *inputs[1:], **keywords)
            if operation.name not in again or again.operation(operation.name).shape != operation.shape:
                continue  # its path depends on the values
            before, after = (one[operation.name][tuple(position)] for one in (recording, again))
            torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4, equal_nan=True, msg=operation.name)
