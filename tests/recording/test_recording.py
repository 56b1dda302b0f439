from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net, same_state, state_of
from torch import nn

from nnlens.recording import ForwardError, borrow, record


def reference(net: Net, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same pass written out, without anything of nnlens."""
    with torch.no_grad():
        values = {"stem": net.stem(x)}
        values["bn"] = net.bn(values["stem"])
        values["relu:1"] = values["bn"].clamp(min=0)
        values["pool"] = F.max_pool2d(values["relu:1"], 2)
        values["block.0"] = net.block[0](values["pool"])
        values["block.1"] = values["block.0"].clamp(min=0)
        values["add"] = values["pool"] + values["block.1"]
        values["relu:2"] = values["add"].clamp(min=0)
        values["sub"] = values["relu:2"] - 0.1
        values["relu"] = values["sub"].clamp(min=0)
        values["mean"] = values["relu"].mean((2, 3))
        values["drop"] = values["mean"]
        values["head"] = net.head(values["mean"])
    return values


def test_every_operation_with_its_value_as_it_was_then(net):
    x = torch.randn(2, 3, 32, 32)
    recording, expected = record(net, x), reference(net, x)
    names = set(expected) - {"relu:1", "relu:2", "relu"} | {"relu:1", "relu:2", "relu:3"}
    assert set(recording.names) == names
    # The module's calls and the functional call share a name: three calls in the order of the pass.
    for name, value in expected.items():
        found = {"relu": "relu:3"}.get(name, name)
        torch.testing.assert_close(recording[found], value, rtol=0, atol=1e-6)
    torch.testing.assert_close(recording.output, expected["head"])


def test_in_place_operations_do_not_overwrite_what_was_recorded():
    class Overwriting(nn.Module):
        def forward(self, x):
            y = x * 2
            y.add_(1)
            z = y[:, :2]
            y[:, 0] = 7
            y += 1
            return F.relu(y, True), z

    x = torch.randn(1, 3)
    recording = record(Overwriting(), x)
    torch.testing.assert_close(recording["mul"], x * 2)
    torch.testing.assert_close(recording["add:1"], x * 2 + 1)
    torch.testing.assert_close(recording["slice"], (x * 2 + 1)[:, :2])
    expected = x * 2 + 1
    expected[:, 0] = 7
    torch.testing.assert_close(recording["add:2"], expected + 1)
    torch.testing.assert_close(recording["relu"], (expected + 1).relu())


def test_names_are_unique_and_stable(net):
    x = torch.randn(1, 3, 16, 16)
    first, second = record(net, x), record(net, x * 2)
    assert first.names == second.names
    assert len(set(first.names)) == len(first.names)


def test_a_modules_path_names_its_output(net):
    recording = record(net, torch.randn(1, 3, 16, 16))
    torch.testing.assert_close(recording["block"], recording["block.1"])
    assert recording.resolve("block") == "block.1"
    assert recording.not_run == ("unused",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blok.1", "did you mean 'block.1'"),
        ("unused", "did not run in this pass"),
        ("zzz", "layer must be one of the 13 operations of the pass, got 'zzz'"),
    ],
)
def test_unknown_layers_are_named(net, name, message):
    with pytest.raises(ValueError, match=message):
        record(net, torch.randn(1, 3, 16, 16))[name]


def test_shapes_kinds_and_labels(net):
    recording = record(net, torch.randn(1, 3, 16, 16))
    found = {operation.name: (operation.label, operation.kind, operation.shape) for operation in recording}
    assert found["stem"] == ("Conv2d", "convolution", (1, 8, 16, 16))
    assert found["bn"] == ("BatchNorm2d", "normalisation", (1, 8, 16, 16))
    assert found["pool"] == ("MaxPool2d", "pooling", (1, 8, 8, 8))
    assert found["add"] == ("add", "arithmetic", (1, 8, 8, 8))
    assert found["relu:3"] == ("relu", "activation", (1, 8, 8, 8))
    assert found["head"] == ("Linear", "linear", (1, 5))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_goes_back_untouched(net, training):
    net.train(training)
    net.stem.weight.requires_grad_(False)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    before = state_of(net)
    record(net, torch.randn(2, 3, 16, 16))  # the seed is set: this moves the RNG, not the recording
    torch.manual_seed(0)
    before = state_of(net)
    x = torch.ones(2, 3, 16, 16)
    for mode in ("eval", "as is"):
        record(net, x, mode=mode)
        assert same_state(before, state_of(net))


class FailureError(RuntimeError):
    pass


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, 12), interrupt=st.booleans())
def test_an_exception_at_any_operation_leaves_nothing_behind(at, interrupt):
    torch.manual_seed(1)
    net = Net().train()
    calls = 0

    class FailingMode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            nonlocal calls
            if getattr(func, "__name__", "") != "__get__":
                if calls == at:
                    raise KeyboardInterrupt if interrupt else FailureError("here")
                calls += 1
            return func(*args, **(kwargs or {}))

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            with FailingMode():
                return self.net(x)

    model = Wrapped()
    x = torch.randn(1, 3, 16, 16)
    before = state_of(model)
    with pytest.raises((ForwardError, KeyboardInterrupt)):
        record(model, x)
    assert same_state(before, state_of(model))


def test_a_failing_forward_names_the_operation_and_keeps_what_ran(net):
    with pytest.raises(ForwardError, match=r"stem · conv2d on \(1, 4, 8, 8\) and \(8, 3, 3, 3\)") as caught:
        record(net, torch.zeros(1, 4, 8, 8))
    assert len(caught.value.recording) == 0

    class Breaks(nn.Module):
        def forward(self, x):
            x.relu()
            raise FailureError("no torch operation")

    with pytest.raises(
        ForwardError, match=r"the forward of Breaks \(test_recording.py, line \d+: raise FailureError"
    ) as caught:
        record(Breaks(), torch.zeros(1))
    assert caught.value.recording.names == ("relu",)


def test_two_threads_record_one_model_without_mixing(net):
    net.train()
    inputs = [torch.randn(1, 3, 16, 16) for _ in range(8)]
    expected = []
    net.eval()
    with torch.no_grad():
        expected = [net(x) for x in inputs]
    net.train()
    results: dict[int, object] = {}

    def work(position: int) -> None:
        results[position] = record(net, inputs[position])

    threads = [threading.Thread(target=work, args=(position,)) for position in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for position in range(8):
        assert len(results[position]) == 13
        torch.testing.assert_close(results[position].output, expected[position])
    assert all(module.training for module in net.modules())


def test_borrow_restores_buffers_and_random_state():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x):
            self.seen += 1
            return x + torch.rand(())

    model = Counts()
    before = state_of(model)
    with borrow(model):
        model(torch.zeros(1))
        assert model.seen == 1
    assert same_state(before, state_of(model))


def test_borrow_restores_buffers_that_are_replaced_and_inputs_that_are_written():
    class Replaces(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x, scale):
            self.seen = self.seen + 1
            self.register_buffer("cache", x)
            x.add_(1)
            scale["by"].mul_(2)
            return x

    model, x, scale = Replaces(), torch.zeros(2), {"by": torch.ones(1)}
    buffer = model.seen
    record(model, x, scale=scale)
    assert model.seen is buffer
    assert model.seen == 0
    assert not hasattr(model, "cache")
    assert x.tolist() == [0, 0]
    assert scale["by"] == 1


def test_a_thread_does_not_undo_the_seed_of_the_main_one(net):
    record(net, torch.zeros(1, 3, 8, 8))
    inside, seeded = threading.Event(), threading.Event()

    def work() -> None:
        with borrow(net):
            inside.set()
            seeded.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(5)
    torch.manual_seed(7)
    seeded.set()
    thread.join()
    found = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(found, torch.rand(3))


def test_outputs_of_several_tensors_and_nested_modules():
    lstm, x = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    recording = record(lstm, x)
    assert [name for name in recording.names if name.startswith("lstm")] == ["lstm", "lstm[1]", "lstm[2]"]
    output, (hidden, cell) = lstm(x)
    for name, value in (("lstm", output), ("lstm[1]", hidden), ("lstm[2]", cell)):
        torch.testing.assert_close(recording[name], value.detach())


def test_a_shared_module_answers_to_each_of_its_names():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh())
            self.c = self.a

        def forward(self, x):
            return self.c(x)

    net, x = Net(), torch.rand(1, 2)
    for only in (None, "c", ["c", "c.1"]):
        recording = record(net, x, only=only)
        assert torch.equal(recording["c"], recording.output)
        assert torch.equal(recording["a"], recording.output)
    assert recording.names == ("a.1", "a.2")
    assert recording["c.1"] is recording["a.1"]


def test_record_refuses_what_is_no_module():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got function"):
        record(lambda x: x, torch.zeros(1))
    with pytest.raises(ValueError, match='mode must be "eval" or "as is", got'):
        record(nn.ReLU(), torch.zeros(1), mode="train")
