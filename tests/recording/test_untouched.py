"""What a forward does to its own model, or to values that it gave before: undone, or seen coming."""

from __future__ import annotations

import random
import threading
from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nnlens.recording import borrow, record

X = torch.tensor([[-1.0, 2.0, -3.0, 4.0]])


class Writes(nn.Module):
    """A linear layer whose forward begins by `write(self)`."""

    def __init__(self, write):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 4)
        self.both = torch.arange(4.0)
        self.one, self.other = nn.Parameter(self.both[:2]), nn.Parameter(self.both[2:])
        self.write = write

    def forward(self, x):
        self.write(self)
        return self.fc(x).relu()


def replace_data(net):
    net.fc.weight.data = torch.ones(4, 4)


def clamp_data(net):
    net.fc.weight.data.clamp_(0, 0.1)


def add_in_place(net):
    net.fc.bias.add_(1)


def write_into_shared_memory(net):
    net.one.mul_(3)
    net.other.sub_(5)


def set_items(net):
    net.fc.weight[0] = 7


def renormalise(net):
    F.embedding(torch.tensor([0, 1]), net.fc.weight, max_norm=0.1)


def custom(net):
    torch.ops.aten.relu_.default(net.fc.weight)


@pytest.mark.parametrize("only", [None, "fc"])
@pytest.mark.parametrize(
    "write", [replace_data, clamp_data, add_in_place, write_into_shared_memory, set_items, renormalise, custom]
)
def test_parameters_that_a_forward_writes_come_back(write, only):
    net = Writes(write)
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    memory = {name: one.data_ptr() for name, one in net.named_parameters()}
    record(net, X, only=only)
    for name, one in net.named_parameters():
        assert torch.equal(one, before[name]), name
        assert one.data_ptr() == memory[name], name


def overwrites_by_script(x):
    @torch.jit.script
    def forward(x: Tensor) -> Tensor:
        return x.relu_()

    return forward(x)


def overwrites_by_the_library(x):
    return torch.ops.aten.relu_.default(x)


def overwrites_by_slice(x):
    x[:, 0] = 9
    return x


def overwrites_by_a_view(x):
    x.view(-1)[1:].zero_()
    return x


def overwrites_by_data(x):
    x.data = torch.zeros(1, 4)
    return x


def overwrites_by_out(x):
    torch.neg(torch.ones(1, 4), out=x)
    return x


@pytest.mark.parametrize(
    "overwrite",
    [overwrites_by_the_library, overwrites_by_slice, overwrites_by_a_view, overwrites_by_data, overwrites_by_out],
)
def test_a_value_is_kept_as_it_was(overwrite):
    class Net(nn.Module):
        def forward(self, x):
            return overwrite(x * 2)

    recording = record(Net(), X)
    assert torch.equal(recording["mul"], X * 2)
    assert recording.output is not recording["mul"]


def test_a_scripted_module_in_place_overwrites_no_recorded_value():
    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu_()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.jit.script(Inner())

        def forward(self, x):
            return self.inner(x * 2) + 1

    recording = record(Net(), X)
    assert torch.equal(recording["mul"], X * 2)
    assert torch.equal(recording["inner"], (X * 2).relu())
    assert recording.names == ("mul", "inner", "add")


@pytest.mark.parametrize("overwrite", ["script", "real"])
def test_what_cannot_be_seen_coming_is_told(overwrite):
    """Neither a scripted function nor `z.real = …` passes through torch's overrides."""

    class Net(nn.Module):
        def forward(self, x):
            y = x * 2 if overwrite == "script" else (x * 2).to(torch.complex64)
            if overwrite == "script":
                return overwrites_by_script(y)
            y.real = torch.zeros(1, 4)
            return y

    with pytest.warns(UserWarning, match="was overwritten by something that nnlens cannot see"):
        record(Net(), X)


@dataclass
class Inputs:
    x: Tensor
    scale: float


def test_inputs_of_any_container_are_copied():
    class Net(nn.Module):
        def forward(self, given, more):
            given.x.mul_(given.scale)
            more["y"].zero_()
            return given.x + more["y"]

    given = Inputs(X.clone().requires_grad_(), 2.0)
    more = defaultdict(list, y=torch.ones(1, 4))
    recording = record(Net(), given, more)
    assert torch.equal(recording.output, X * 2)
    assert torch.equal(given.x, X)
    assert torch.equal(more["y"], torch.ones(1, 4))


class Keeps(nn.Module):
    """Keeps things of all kinds, and changes them in every forward."""

    def __init__(self):
        super().__init__()
        self.table, self.queue, self.seen = {"deep": [1, 2]}, deque([1], maxlen=3), {1}
        self.counts = defaultdict(int)
        self.tensor = torch.zeros(3)
        self.generator = torch.Generator().manual_seed(3)
        self.register_buffer("sparse", torch.eye(3).to_sparse())
        self.register_buffer("nan", torch.full((3,), torch.nan))
        self.register_buffer("same", torch.zeros(3))

    def forward(self, x):
        self.table["deep"].append(3)
        self.table["new"] = x
        self.queue.append(x)
        self.seen.add(2)
        self.counts["a"] += 1
        self.tensor.add_(1)
        self.nan[0] = 0
        self.sparse.mul_(2)
        torch.rand(1, generator=self.generator)
        self.later = x
        return x + 1


def test_all_that_a_model_keeps_comes_back():
    net = Keeps()
    state = net.generator.get_state()
    version = net.same._version
    record(net, X)
    assert net.table == {"deep": [1, 2]}
    assert net.queue == deque([1])
    assert net.seen == {1}
    assert net.counts == {}
    assert torch.equal(net.tensor, torch.zeros(3))
    assert torch.equal(net.generator.get_state(), state)
    assert torch.equal(net.sparse.to_dense(), torch.eye(3))
    assert net.nan.isnan().all()
    assert net.same._version == version, "what did not change is not written"
    assert not hasattr(net, "later")


def test_buffers_that_hold_nan_are_not_written_without_need():
    net = nn.BatchNorm1d(4)
    net.running_mean.fill_(torch.nan)
    version = net.running_mean._version
    with borrow(net):
        net(X)
    assert net.running_mean._version == version


def test_eval_reaches_scripted_parts():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.jit.script(nn.Sequential(nn.Dropout(0.9), nn.ReLU()))

        def forward(self, x):
            return self.inner(x)

    net = Net().train()
    assert torch.equal(record(net, X).output, X.relu())
    assert net.inner.training
    assert net.inner.original_name == "Sequential"
    assert all(module.training for module in net.modules())


def test_a_scripted_part_alone_can_be_asked_for():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.inner = torch.jit.script(nn.Sequential(nn.Tanh()))

        def forward(self, x):
            return self.inner(self.first(x))

    net = Net()
    recording = record(net, X, only="inner")
    assert torch.equal(recording["inner"], net(X))
    assert recording.names == ("inner",)


@pytest.mark.parametrize("transform", ["vmap", "grad"])
def test_function_transforms_inside_a_forward(transform):
    class Net(nn.Module):
        def forward(self, x):
            if transform == "vmap":
                return torch.vmap(lambda row: row.relu() * 2)(x) + 1
            return torch.func.grad(lambda one: (one * one).sum())(x) + 1

    recording = record(Net(), X)
    assert torch.equal(recording.output, X.relu() * 2 + 1 if transform == "vmap" else 2 * X + 1)
    assert torch.equal(recording[recording.names[-1]], recording.output)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_pass_through():
    class Net(nn.Module):
        def forward(self, x):
            nested = torch.nested.as_nested_tensor([x[0], x[0, :2]])
            return nested.to_padded_tensor(0.0) + 1

    assert record(Net(), X).output.shape == (2, 4)


def test_cells_with_keywords():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(4, 3)

        def forward(self, x):
            cell, state = self.cell, torch.zeros(1, 3)
            weights = cell.weight_ih, cell.weight_hh
            return torch.gru_cell(x, state, *weights, b_ih=cell.bias_ih, b_hh=cell.bias_hh) + 1

    recording = record(Net(), X)
    assert torch.equal(recording["gru_cell"] + 1, recording.output)


def test_a_pass_in_a_thread_leaves_the_random_numbers_of_the_main_one():
    net = nn.Linear(4, 4)
    states = []

    def work():
        with borrow(net):
            torch.manual_seed(5)  # stands for the main thread, which draws meanwhile
            random.seed(5)
            np.random.seed(5)
            states.append((torch.get_rng_state(), random.getstate()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert torch.equal(torch.get_rng_state(), states[0][0])
    assert random.getstate() == states[0][1]


def test_what_the_owner_changes_between_two_passes_is_what_is_restored():
    def write(net):
        net.notes.append("pass")
        net.last = object()
        net.other_scale = vars(net).pop("scale", None)  # the same object by another name
        net.fc.register_forward_hook(lambda *_: None)
        net.fc.bias = None

    net = Writes(write)
    net.notes, net.scale = ["first"], 1.5
    record(net, X)
    assert net.notes == ["first"]
    net.notes.append("second")
    net.fc.bias = own = nn.Parameter(torch.ones(4))
    net.more = [1]
    record(net, X)
    net.more.append(net.notes.pop())
    record(net, X)
    assert (net.notes, net.more, net.scale) == (["first"], [1, "second"], 1.5)
    assert not {"other_scale", "last"} & set(vars(net))
    assert net.fc.bias is own
    assert not net.fc._forward_hooks
