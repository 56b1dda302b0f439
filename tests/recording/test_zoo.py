"""Every operation of every specimen, held against references that know nothing of nnlens."""

from __future__ import annotations

import contextlib
import copy
import gc
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import same_state, state_of
from torch import Tensor, nn
from torch.overrides import BaseTorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from zoo import ZOO, Answer, Specimen

from nnlens.recording import ForwardError, Recorder, Recording, record
from nnlens.recording.operations import KINDS

INNER = {"gate", "state"}


class Everything(TorchDispatchMode):
    """A copy of whatever the library below Python computes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Tensor] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        written = args[:1] if func._schema.is_mutable else ()
        self.values += [tensor.clone() for tensor in tensors(((result, written),))]
        return result


def tensors(nest: Any) -> Iterator[Tensor]:
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from tensors(item)
    elif isinstance(nest, dict):
        yield from tensors(list(nest.values()))
    elif isinstance(nest, Answer):
        yield from tensors([nest.logits, nest.extra])


def same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)


def hooked(model: nn.Module, inputs: Any, keywords: Any) -> dict[str, list[Tensor]]:
    """What plain forward hooks see on a copy of the model: a copy of each module's first output tensor, per call."""
    model = copy.deepcopy(model)
    found: dict[str, list[Tensor]] = {}

    def keep(path: str):
        def hook(module, args, output):
            first = next(tensors(output), None)
            if first is not None:
                found.setdefault(path, []).append(first.detach().clone())

        return hook

    for path, module in model.named_modules():
        if path:
            module.register_forward_hook(keep(path), prepend=True)
    # As under any recorder that sees functions: without the fused kernels, which would skip submodules.
    with torch.no_grad(), BaseTorchFunctionMode():
        model(*copy.deepcopy(inputs), **copy.deepcopy(keywords))
    return found


def built(specimen: Specimen) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    torch.manual_seed(3)
    return specimen.build().eval(), specimen.inputs(), specimen.keywords()


@pytest.fixture(params=sorted(ZOO))
def specimen(request) -> Specimen:
    return ZOO[request.param]


def test_names_are_those_that_a_person_would_give(specimen):
    model, inputs, keywords = built(specimen)
    recording = record(model, *inputs, **keywords)
    assert " ".join(recording.names) == specimen.names
    assert len(set(recording.names)) == len(recording)
    other = record(model, *specimen.inputs(), **keywords) if "Loop" not in repr(model) else recording
    assert other.names == recording.names, "stable from run to run"


def test_values_are_those_that_the_library_computed(specimen):
    model, inputs, keywords = built(specimen)
    recording = record(model, *inputs, **keywords)
    with torch.no_grad(), BaseTorchFunctionMode(), Everything() as everything:
        model(*copy.deepcopy(inputs), **copy.deepcopy(keywords))
    # What modules give that torch did not compute: a NumPy array.
    known = [
        *everything.values,
        *model.parameters(),
        *(values[0] for values in hooked(model, inputs, keywords).values()),
    ]
    for operation in recording:
        if operation.kind not in INNER and operation.op != "attention_weights":
            value = recording[operation.name]
            assert any(same(value, other) for other in known), operation.name
        assert tuple(recording[operation.name].shape) == operation.shape


def test_modules_gave_what_their_own_hooks_saw(specimen):
    model, inputs, keywords = built(specimen)
    recording = record(model, *inputs, **keywords)
    seen = hooked(model, inputs, keywords)
    assert not set(seen) & set(recording.not_run)
    for path, calls in seen.items():
        for number, value in enumerate(calls, 1):
            name = path if len(calls) == 1 else f"{path}:{number}"
            if name in recording:
                torch.testing.assert_close(recording[name], value, rtol=0, atol=0)
            else:
                # Only a module that passes on what the model was given has no operation of its own.
                assert any(
                    torch.equal(value, tensor) for tensor in tensors((inputs, keywords)) if tensor.dtype == value.dtype
                )


def test_the_output_is_the_models(specimen):
    model, inputs, keywords = built(specimen)
    with torch.no_grad():
        expected = model(*copy.deepcopy(inputs), **copy.deepcopy(keywords))
    found = record(model, *inputs, **keywords).output
    assert type(found) is type(expected)
    for one, other in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_operations_know_what_they_were_given(specimen):
    model, inputs, keywords = built(specimen)
    recording = record(model, *inputs, **keywords)
    before = {"input", *(f"input[{index}]" for index in range(9))}
    for operation in recording:
        assert set(operation.inputs) <= before, operation
        before.add(operation.name)
    used = {name for operation in recording for name in operation.inputs}
    assert "input" in used or "Opaque" in repr(model)


def test_one_operation_at_a_time_is_the_same(specimen):
    model, inputs, keywords = built(specimen)
    whole = record(model, *inputs, **keywords)
    for name in {*whole.names, *whole.aliases} - set(KINDS):
        part = record(model, *inputs, only=name, **keywords)
        assert part.output is not None
        assert len(part) == 1, (name, part.names)
        torch.testing.assert_close(part[name], whole[name], rtol=0, atol=0, equal_nan=True)


def test_nothing_is_left_behind(specimen):
    model, inputs, keywords = built(specimen)
    model.train()
    before, attributes = state_of(model), {id(module): dict(vars(module)) for module in model.modules()}
    recording = record(model, *inputs, **keywords)
    assert same_state(before, state_of(model))
    for module in model.modules():
        assert {name: id(value) for name, value in attributes[id(module)].items()} == {
            name: id(value) for name, value in vars(module).items()
        }
    del recording


class Injected(Exception):  # noqa: N818
    pass


class Failing(torch.overrides.TorchFunctionMode):
    """Raises at the n-th operation."""

    def __init__(self, at: int, error: type[BaseException]):
        super().__init__()
        self.left, self.error = at, error

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") not in ("__get__", "__set__"):
            if self.left == 0:
                raise self.error("injected")
            self.left -= 1
        return func(*args, **(kwargs or {}))


class Carrier(nn.Module):
    """Runs a model under another mode, as a forward of the user's own might."""

    def __init__(self, model: nn.Module, mode: torch.overrides.TorchFunctionMode):
        super().__init__()
        self.model, self.mode = model, mode

    def forward(self, *inputs, **keywords):
        with self.mode:
            return self.model(*inputs, **keywords)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_exception_at_any_operation_leaves_nothing_behind(data):
    name = data.draw(st.sampled_from(sorted(ZOO)))
    model, inputs, keywords = built(ZOO[name])
    model.train()
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 2 == 0)
        if number % 3 == 0:
            parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    error = data.draw(st.sampled_from([Injected, KeyboardInterrupt]))
    only = data.draw(st.sampled_from([None, "activation", *ZOO[name].names.split()[:3]]))
    carrier = Carrier(model, Failing(data.draw(st.integers(0, 40)), error))
    before = state_of(carrier)
    if only not in (None, "activation"):
        only = f"model.{only}"
    with contextlib.suppress(ForwardError, KeyboardInterrupt, ValueError):
        record(carrier, *inputs, only=only, **keywords)
    assert same_state(before, state_of(carrier))
    assert not torch.overrides._get_current_function_mode_stack()
    assert not torch.nn.modules.module._global_forward_hooks


def alive() -> int:
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


def test_a_thousand_recordings_leak_nothing():
    model, inputs, _ = built(ZOO["Residual"])
    record(model, *inputs)
    gc.collect()
    state = state_of(model)
    tensors_before = alive()
    for number in range(1000):
        record(model, *inputs, only=None if number % 2 else "layer.0")
    gc.collect()
    assert alive() == tensors_before
    assert same_state(state, state_of(model))
    assert not torch.nn.modules.module._global_forward_hooks


def test_a_recording_dies_at_once_with_its_last_reference():
    model, inputs, _ = built(ZOO["ViT"])
    recording = record(model, *inputs)
    values = [weakref.ref(recording[name]) for name in recording.names]
    recording["blocks.0.attention_weights"]
    gc.disable()
    try:
        del recording
        assert all(value() is None for value in values), "no cycle keeps them"
    finally:
        gc.enable()


def test_two_threads_record_every_kind_of_model_at_once():
    names = ["Residual", "LSTM", "ViT", "Reused"]
    models = {name: built(ZOO[name]) for name in names}
    expected = {name: record(model, *inputs) for name, (model, inputs, _) in models.items()}
    found: dict[int, tuple[str, Recording]] = {}

    def work(position: int) -> None:
        name = names[position % len(names)]
        model, inputs, _ = models[name]
        found[position] = name, record(model, *inputs)

    threads = [threading.Thread(target=work, args=(position,)) for position in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    for name, recording in found.values():
        assert recording.names == expected[name].names
        for one in recording.names:
            torch.testing.assert_close(recording[one], expected[name][one], rtol=0, atol=0)


def test_a_recorder_that_recycles_gives_the_same_and_empties_the_last():
    model, inputs, _ = built(ZOO["ViT"])
    recorder = Recorder(model, recycle=True)
    first = recorder(*inputs)
    kept = {name: first[name].clone() for name in first.names}
    mine = first["patch"]
    second = recorder(*inputs)
    for name, value in kept.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"the value of 'patch' is gone: a later pass of its Recorder .* reused"):
        first["patch"]
    assert torch.equal(mine, kept["patch"]), "what somebody else holds stays"


def test_agreement_with_torchlens():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchlens = pytest.importorskip("torchlens")
        for name in ("FunctionalReLU", "Reused", "Residual", "Dense", "ViT", "SqueezeExcite"):
            model, inputs, keywords = built(ZOO[name])
            recording = record(model, *inputs, **keywords)
            once = torchlens.options.CaptureOptions(unwrap_when_done=True)
            theirs = torchlens.trace(copy.deepcopy(model), list(inputs), capture=once)
            values = [op.out for op in theirs.layer_list if isinstance(op.out, Tensor)]
            for operation in recording:
                if operation.op != "attention_weights":
                    found = recording[operation.name]
                    alike = [one for one in values if one.shape == found.shape and one.dtype == found.dtype]
                    assert any(torch.allclose(one, found) for one in alike), operation
