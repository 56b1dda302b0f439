"""Models of every make: how they are wrapped, in which precision, what they return, what they do on the way."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from nets import Net, same_state, state_of
from torch import nn
from zoo import ZOO

from nnlens.recording import ForwardError, Recorder, borrow, record


def test_precisions(net):
    x = torch.randn(1, 3, 16, 16)
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        model = Net().to(dtype).eval()
        recording = record(model, x.to(dtype))
        with torch.no_grad():
            torch.testing.assert_close(recording.output, model(x.to(dtype)))
        assert recording.operation("stem").dtype == dtype


def test_without_values():
    """A model on the meta device computes shapes only."""
    model = Net().to("meta")
    recording = record(model, torch.randn(1, 3, 16, 16, device="meta"))
    with_values = record(Net(), torch.randn(1, 3, 16, 16))
    assert [(one.name, one.shape) for one in recording] == [(one.name, one.shape) for one in with_values]
    assert recording.output.is_meta


def test_autocast_of_the_caller_and_of_the_model():
    class Casts(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.fc(x)

    x = torch.randn(2, 4)
    assert record(Casts(), x).operation("fc").dtype == torch.bfloat16
    plain = nn.Linear(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        recording = record(plain, x)
        with torch.no_grad():
            assert torch.equal(recording.output, plain(x))
    assert recording.operation("linear").dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


def test_compiled_models_and_parts(net):
    x = torch.randn(1, 3, 16, 16)
    expected = record(net, x)
    whole = torch.compile(net, backend="eager")
    assert record(whole, x).names == expected.names

    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = torch.compile(net, backend="eager")

        def forward(self, x):
            return self.part(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = record(Holds(), x)
        assert [name.replace("part._orig_mod.", "").replace("part.", "") for name in found.names] == [*expected.names]
        net.compile(backend="eager")
        assert record(net, x).names == expected.names


def test_data_parallel(net):
    x = torch.randn(1, 3, 16, 16)
    assert record(nn.DataParallel(net), x).names == record(net, x).names


def test_scripted_models_are_refused_and_scripted_parts_are_one_operation():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.ReLU()))
    with pytest.raises(TypeError, match=r"model must run in Python, got a torch\.jit\.ScriptModule"):
        record(scripted, torch.zeros(1, 3))
    model, x = nn.Sequential(nn.Tanh(), scripted, nn.Linear(4, 2)), torch.randn(1, 3)
    recording = record(model, x)
    assert recording.names == ("0", "1", "2")
    with torch.no_grad():
        torch.testing.assert_close(recording["1"], scripted(x.tanh()))


def test_lazy_models_are_refused_until_they_ran():
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU())
    with pytest.raises(ValueError, match="the model's 0 is lazy and never ran: run the model once, then record"):
        record(model, torch.zeros(1, 2))
    model(torch.zeros(1, 2))
    assert record(model, torch.zeros(1, 2)).names == ("0", "1")


def test_several_inputs_of_every_kind():
    class Pair(NamedTuple):
        a: torch.Tensor
        b: torch.Tensor

    class Takes(nn.Module):
        def forward(self, pair, many, *, named):
            pair.a.add_(1)
            many["x"][0].mul_(2)
            return pair.a + pair.b + many["x"][0] + named

    pair, many = Pair(torch.zeros(2), torch.ones(2)), OrderedDict(x=[torch.ones(2)])
    recording = record(Takes(), pair, many, named=torch.ones(2))
    assert recording.output.tolist() == [5, 5]
    assert pair.a.tolist() == [0, 0]
    assert many["x"][0].tolist() == [1, 1]


def test_no_grad_frozen_and_inference_mode(net):
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(1, 3, 16, 16)
    expected = record(net, x).output
    with torch.no_grad():
        assert torch.equal(record(net, x).output, expected)
    with torch.inference_mode():
        assert torch.equal(record(net, x).output, expected)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_train_mode_on_request():
    model = nn.Sequential(nn.Dropout(0.5), nn.ReLU()).train()
    x = torch.ones(1, 1000)
    assert (record(model, x)["0"] == 1).all()
    assert 300 < (record(model, x, mode="as is")["0"] == 0).sum() < 700


class Greedy(nn.Module):
    """Turns, replaces and stores all that it can reach, and then fails if it is told to."""

    def __init__(self):
        super().__init__()
        self.fc, self.seen, self.table = nn.Linear(3, 3), [], {}
        self.register_buffer("count", torch.zeros(2))
        self.register_buffer("other", torch.ones(1, dtype=torch.long))
        self.steps = 0

    def forward(self, x, fail):
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_grad_enabled(True)
        torch.set_autocast_enabled("cpu", True)
        self.steps += 1
        self.seen.append(x)
        self.table["x"] = x
        self.count = self.count + 1
        self.other.data.add_(1)
        self.extra = nn.Linear(2, 2)
        self.fc.register_forward_hook(lambda *_: None)
        self.fc.requires_grad_(False)
        self.fc.bias.zero_()
        self.fc.weight.grad = torch.ones_like(self.fc.weight)
        self.fc.weight = nn.Parameter(torch.zeros(3, 3, dtype=torch.float32))
        self.fc.training = True
        torch.rand(1)
        if fail:
            raise fail("told to")
        return self.fc(x.double().float())


@pytest.mark.parametrize("fail", [None, ValueError, KeyboardInterrupt])
def test_a_greedy_forward_leaves_nothing(fail):
    model = Greedy().eval()
    model.fc.weight.grad = torch.full((3, 3), 7.0)
    before, things = state_of(model), {name: id(value) for name, value in vars(model).items()}
    weight, gradient = model.fc.weight, model.fc.weight.grad
    x = torch.randn(1, 3)
    random = torch.get_rng_state()
    try:
        record(model, x, fail)
    except (ForwardError, KeyboardInterrupt):
        assert fail
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")
    assert model.fc.weight is weight
    assert weight.grad is gradient
    assert weight.requires_grad
    assert (model.seen, model.table, model.steps) == ([], {}, 0)
    assert not hasattr(model, "extra")
    assert not model.fc._forward_hooks
    assert {name: id(value) for name, value in vars(model).items()} == things
    after = state_of(model)
    before["rng"] = after["rng"]
    assert same_state(before, after)


def test_buffers_with_nan_of_any_shape_and_dtype_come_back():
    class Moves(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("nan", torch.full((2, 2), torch.nan))
            self.register_buffer("flags", torch.tensor([True, False]))
            self.register_buffer("empty", torch.empty(0))
            self.register_buffer("complex", torch.zeros(2, dtype=torch.complex64))

        def forward(self, x):
            self.nan.zero_()
            self.flags.logical_not_()
            self.empty.resize_(3)
            self.complex.add_(1j)
            return x

    model = Moves()
    record(model, torch.zeros(1))
    assert model.nan.isnan().all()
    assert model.flags.tolist() == [True, False]
    assert model.empty.shape == (0,)
    assert (model.complex == 0).all()


def test_a_borrow_that_is_abandoned_gives_the_model_back(net):
    net.train()
    lent = borrow(net)
    lent.__enter__()
    assert not net.training
    del lent  # garbage collection closes the generator
    assert net.training


def test_the_line_of_the_users_code_is_named():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            x = self.fc(x)
            return torch.cat([x, x[:, :2]], 0)  # the culprit

    with pytest.raises(ForwardError) as caught:
        record(Fails(), torch.zeros(1, 3))
    message = str(caught.value)
    assert "cat on (1, 3) and (1, 2)" in message
    assert "test_models.py, line" in message
    assert "the culprit" in message
    assert caught.value.recording.names == ("fc", "slice")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_failure_that_the_model_catches_is_not_blamed():
    class Recovers(nn.Module):
        def forward(self, x):
            try:
                torch.cat([x, x[:, :1]], 0)
            except RuntimeError:
                x = x + 1
            raise KeyError("later")

    with pytest.raises(ForwardError, match=r"the forward of Recovers .*KeyError"):
        record(Recovers(), torch.zeros(1, 3))


def test_only_by_kind_pattern_module_and_several(net):
    x = torch.randn(1, 3, 16, 16)
    whole = record(net, x)
    cases = {
        "convolution": ["stem", "block.0"],
        "block.*": ["block.0", "block.1"],
        "relu:?": ["relu:1", "relu:2", "relu:3"],
        "relu:2": ["relu:2"],
        "block": ["block.1"],
    }
    for only, names in cases.items():
        part = record(net, x, only=only)
        assert [*part.names] == names, only
        for name in names:
            assert torch.equal(part[name], whole[name])
    part = record(net, x, only=[net.stem, "head", "pool*"])
    assert part.names == ("stem", "pool", "head")
    assert torch.equal(part["block"], whole["block"]) if "block" in part else True
    assert torch.equal(part.output, whole.output)


def test_only_holds_nothing_else_alive(net):
    import gc
    import weakref

    x = torch.randn(1, 3, 16, 16)
    seen = []
    handle = net.pool.register_forward_hook(lambda module, args, output: seen.append(weakref.ref(output)))
    recording = record(net, x, only="stem")
    handle.remove()
    gc.collect()
    assert seen[0]() is None
    assert recording.names == ("stem",)


@pytest.mark.parametrize(
    ("only", "error", "message"),
    [
        ("blok.1", ValueError, "only must name what runs in the pass, got 'blok.1'; did you mean 'block.1'"),
        ("unused", ValueError, "only must name what runs in the pass, got 'unused'"),
        ("zzz.*", ValueError, r"only must name what runs in the pass, got 'zzz\.\*'"),
        ("recurrent", ValueError, "only must name what runs in the pass, got 'recurrent'"),
        ([], ValueError, "only must name at least one operation, module, pattern or kind, got an empty list"),
        ([3], TypeError, r"only must hold names \(str\) or modules, got int"),
        (nn.ReLU(), ValueError, "only must name modules of this model, got a ReLU that is none of them"),
    ],
)
def test_only_that_fits_nothing_is_an_error(net, only, error, message):
    before = state_of(net)
    x = torch.ones(1, 3, 16, 16)
    with pytest.raises(error, match=message):
        record(net, x, only=only)
    assert same_state(before, state_of(net))


def test_a_path_that_ran_more_than_once_must_be_chosen():
    specimen = ZOO["Reused"]
    recording = record(specimen.build(), *specimen.inputs())
    with pytest.raises(ValueError, match="layer 'act' ran 3 times: choose one of 'act:1' … 'act:3'"):
        recording["act"]


def test_recorders_see_a_model_that_changes_between_passes(net):
    recorder, x = Recorder(net), torch.randn(1, 3, 16, 16)
    first = recorder(x)["head"]
    with torch.no_grad():
        net.head.bias.add_(1)
    torch.testing.assert_close(recorder(x)["head"], first + 1)


def test_tensors_written_by_functions_that_do_not_say_so():
    class Functional(nn.Module):
        def forward(self, x):
            y = x + 1
            z = torch.exp(y, out=y)
            return F.dropout(z, 0.0, False, True) * 1

    x = torch.zeros(3)
    recording = record(Functional(), x)
    assert recording["add"].tolist() == [1, 1, 1]
    torch.testing.assert_close(recording["exp"], torch.ones(3).exp())
