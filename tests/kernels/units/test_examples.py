"""The best inputs of a data set against sorting everything, whatever the batches, and after a break."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import Net, same_state, state_of
from torch import nn

from nnlens import record
from nnlens.kernels import DatasetExamples, LayerExamples, examples, examples_steps

LAYERS = ["relu:1", "block", "bn", "head"]


@pytest.fixture
def data() -> torch.Tensor:
    images = torch.randn(150, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    images[40:60] = images[20:40]  # equal maxima: the earlier one counts
    return images


def maxima(net: nn.Module, data: torch.Tensor, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, units) maxima and their flat places, by plain recording."""
    value = record(net, data, only=[layer])[layer]
    maps = value.reshape(*value.shape[:2], -1)
    return maps.amax(2).numpy(), maps.argmax(2).numpy()


def same(one: LayerExamples, other: LayerExamples, *, exact: bool) -> None:
    first, second = one.state(), other.state()
    for name, value in first.items():
        if value.dtype.kind == "f" and not exact:
            np.testing.assert_allclose(value, second[name], rtol=1e-5, atol=1e-6, err_msg=name)
        elif exact or name in ("numbers", "layer"):
            np.testing.assert_array_equal(value, second[name], err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 7, 64, None])
def test_the_best_are_those_of_a_full_sort(net, data, batch_size):
    before = state_of(net)
    found = examples(net, data, LAYERS, batch_size=batch_size)
    assert same_state(before, state_of(net))
    assert found.complete
    assert list(found) == ["relu:1", "block.1", "bn", "head"]
    for layer, index in found.items():
        values, places = maxima(net, data, layer)
        assert index.units == values.shape[1]
        for unit in range(index.units):
            for kind, sign in (("top", -1), ("bottom", 1)):
                order = np.argsort(sign * values[:, unit], kind="stable")[:9]
                shown = index.examples(unit, kind)
                np.testing.assert_allclose([one.value for one in shown], values[order, unit], rtol=1e-5, atol=1e-6)
                # Rounding differs between batches, so that values that are nearly equal may change places.
                gaps = np.diff(values[order, unit])
                if np.abs(gaps).min() > 1e-5:
                    assert [one.item for one in shown] == order.tolist()
                    flat = [one.position[0] * index.width + one.position[1] for one in shown]
                    if kind == "top":
                        assert flat == places[order, unit].tolist()
            ranks = [one.rank for one in index.examples(unit, "median")]
            if np.unique(values[:, unit]).size > 100:
                assert all(0.4 < rank < 0.6 for rank in ranks)


def test_statistics_are_those_of_all_values(net, data):
    index = examples(net, data, ["relu:1"], batch_size=32)["relu:1"]
    value = record(net, data, only=["relu:1"])["relu:1"]
    np.testing.assert_allclose(index.mean, value.mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(index.zeros, (value == 0).float().mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(index.active, (value.amax((2, 3)) > 0).float().mean(0), rtol=1e-4)
    assert index.quantiles(3, [0.5])[0] == pytest.approx(float(value[:, 3].amax((1, 2)).quantile(0.5)), abs=0.05)


def test_cancelled_and_taken_up_again(net, data, tmp_path):
    whole = examples(net, data, LAYERS, batch_size=10)
    steps = examples_steps(net, data, LAYERS, batch_size=10, store=tmp_path)
    for step in steps:
        if step.done >= 70:
            break
    steps.close()
    again = list(examples_steps(net, data, LAYERS, batch_size=10, store=tmp_path))
    assert again[0].done == 80
    for layer in whole:
        same(whole[layer], again[-1][layer], exact=True)
    # A third time nothing is left to do; another layer is looked for by itself.
    assert [step.done for step in examples_steps(net, data, LAYERS, store=tmp_path)] == [150]
    more = list(examples_steps(net, data, [*LAYERS, "pool"], batch_size=50, store=tmp_path))
    assert [step.done for step in more] == [50, 100, 150]
    same(whole["bn"], more[-1]["bn"], exact=True)
    same(examples(net, data, ["pool"], batch_size=50)["pool"], more[-1]["pool"], exact=True)


def test_what_is_kept_is_of_these_weights_and_data(net, data, tmp_path):
    def first(model: nn.Module, inputs: torch.Tensor, **options) -> int:
        return next(iter(examples_steps(model, inputs, ["bn"], batch_size=10, store=tmp_path, **options))).done

    examples(net, data, ["bn"], store=tmp_path)
    assert first(net, data) == 150
    assert first(net, data + 1) == 10
    assert first(net, data[:140]) == 10
    assert first(net, data, mark="another preprocessing") == 10
    with torch.no_grad():
        net.stem.weight[0, 0, 0, 0] += 1
    assert first(net, data) == 10


def test_a_broken_file_is_as_none(net, data, tmp_path):
    examples(net, data, ["bn"], store=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    again = examples(net, data, ["bn"], store=tmp_path)
    assert again.complete
    same(again["bn"], examples(net, data, ["bn"])["bn"], exact=True)


def test_memory_does_not_grow_with_the_data(net, data):
    class Long:
        def __len__(self) -> int:
            return 6000

        def __getitem__(self, item: int) -> torch.Tensor:
            return data[item % 150] + item / 1e4

    sizes = {}
    for step in examples_steps(net, Long(), ["block"], batch_size=250):
        sizes[step.done] = sum(array.nbytes for array in step["block.1"].state().values())
    assert sizes[6000] < 1.5 * sizes[2000]


class Broken:
    """Some of its images cannot be read, one has another shape."""

    def __init__(self, data: torch.Tensor, broken: set[int]):
        self.data, self.broken = data, broken

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, item: int) -> torch.Tensor:
        if item in self.broken:
            raise OSError("truncated")
        return self.data[item, :, :9] if item == 17 else self.data[item]


def test_what_cannot_be_read_is_skipped_and_listed(net, data):
    found = examples(net, Broken(data, {0, 31}), ["bn"], batch_size=16)
    assert [item for item, _ in found.skipped] == [0, 17, 31]
    assert found.skipped[0][1] == "truncated"
    assert "must all have the shape (3, 12, 12), got (3, 9, 12) as number 17" in found.skipped[1][1]
    assert (found.done, found["bn"].seen) == (150, 147)
    values, _ = maxima(net, data, "bn")
    values[[0, 17, 31]] = -np.inf
    assert found["bn"].examples(2)[0].item == values[:, 2].argmax()


def test_bad_arguments(net, data):
    for wrong, message in (
        (lambda: examples(net, data[:0], ["bn"]), "at least one input, got an empty data set"),
        (lambda: examples(net, data, "bn"), "layers must be a list of at least one name, got 'bn'"),
        (lambda: examples(net, data, ["bm"]), "did you mean"),
        (lambda: examples(net, data, ["bn"], batch_size=0), "batch_size must be a whole number of at least 1, got 0"),
        (lambda: examples(net, Broken(data, set(range(150))), ["bn"]), "none of the first 64 is: truncated"),
        (lambda: examples(net, data, ["bn"])["bn"].examples(8), r"unit must be 0…7 in layer 'bn', got 8"),
        (lambda: examples(net, data, ["bn"])["bn"].examples(0, "best"), "kind must be one of top, median, bottom"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            wrong()


def test_nan_counts_as_least_and_is_counted(data):
    class Odd(nn.Module):
        def forward(self, x):
            return (x + torch.where(x.amax((1, 2, 3), keepdim=True) > 3.5, torch.nan, 0.0)).relu().mean((2, 3))

    found = examples(Odd(), data, ["relu"], batch_size=50)["relu"]
    bad = int((data.amax((1, 2, 3)) > 3.5).sum())
    assert 0 < bad < 150
    assert found.not_finite == 3 * bad
    assert all(np.isfinite(one.value) for one in found.examples(0))


def test_tokens_and_lines():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 5, 4, 4)
            self.token = nn.Parameter(torch.randn(1, 1, 5))

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            return torch.cat([self.token.expand(len(x), -1, -1), x], 1).mul(2)[:, 0]

    net, data = Patches(), torch.randn(20, 3, 16, 16)
    index = examples(net, data, ["mul"])["mul"]
    value = record(net, data)["mul"][:, 1:]  # the first token stands for no place
    assert (index.units, index.height, index.width) == (5, 4, 4)
    best = index.examples(2)[0]
    assert best.item == int(value[:, :, 2].amax(1).argmax())
    assert best.position[0] * 4 + best.position[1] == int(value[best.item, :, 2].argmax())

    line = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8, 3))
    found = examples(line, torch.randn(30, 2, 10), ["1"])
    assert (found["1"].height, found["1"].width) == (1, 8)


def test_a_layer_without_a_row_per_input_is_refused():
    class Turned(nn.Module):
        def forward(self, x):
            return x.flatten(2).permute(2, 0, 1).relu().mean(0)

    with pytest.raises(ValueError, match="must give one value per input"):
        examples(Turned(), torch.randn(8, 3, 4, 4), ["relu"])


def test_progress_tells_what_is_left(net, data):
    steps = list(examples_steps(net, data, ["bn"], batch_size=50))
    assert isinstance(steps[0], DatasetExamples)
    assert steps[0].remaining > 0 == steps[-1].remaining
    assert not isinstance(net, Net) or net.training is False


def test_settings_of_operations_tell_models_apart(tmp_path):
    def leaky(slope: float) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(slope))

    data = torch.randn(30, 1, 8, 8)
    examples(leaky(0.01), data, ["1"], store=tmp_path)
    found = examples(leaky(0.9), data, ["1"], store=tmp_path)["1"]
    np.testing.assert_allclose(found.mean, examples(leaky(0.9), data, ["1"])["1"].mean, rtol=1e-5)


def test_broken_off_in_the_middle_of_a_batch(net, data, tmp_path, monkeypatch):
    whole = examples(net, data, ["bn"], batch_size=10)
    calls = []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return sample(self, *args)

    sample = LayerExamples._sample
    with monkeypatch.context() as patch:
        patch.setattr(LayerExamples, "_sample", interrupted)
        with pytest.raises(KeyboardInterrupt):
            examples(net, data, ["bn"], batch_size=10, store=tmp_path)
    same(whole["bn"], examples(net, data, ["bn"], batch_size=10, store=tmp_path)["bn"], exact=True)


def test_what_could_not_be_read_is_told_again_and_tried_again(net, data, tmp_path):
    first = examples(net, Broken(data, {3, 31}), ["bn", "pool"], batch_size=16, store=tmp_path)
    again = examples(net, Broken(data, {3, 31}), ["bn", "pool"], batch_size=16, store=tmp_path)
    assert again.skipped == first.skipped
    assert [item for item, _ in again.skipped] == [3, 17, 31]
    healed = examples(net, Broken(data, set()), ["bn", "pool"], batch_size=16, store=tmp_path)
    assert [item for item, _ in healed.skipped] == [17]
    assert healed["bn"].seen == 149
    values, _ = maxima(net, data, "bn")
    values[17] = -np.inf
    for unit in range(8):
        best = np.sort(values[:, unit])[::-1][:9]
        np.testing.assert_allclose([one.value for one in healed["bn"].examples(unit)], best, rtol=1e-5)


@pytest.mark.parametrize("content", [b"", b"none", "array", "flipped"])
def test_damaged_files_are_as_none(net, data, tmp_path, content):
    whole = examples(net, data, ["bn"], store=tmp_path)
    (file,) = tmp_path.iterdir()
    if content == "array":
        with file.open("wb") as out:
            np.save(out, np.zeros(3))
    elif content == "flipped":
        raw = bytearray(file.read_bytes())
        raw[10] ^= 255
        file.write_bytes(bytes(raw))
    else:
        file.write_bytes(content)
    same(whole["bn"], examples(net, data, ["bn"], store=tmp_path)["bn"], exact=True)


def test_a_store_that_is_a_file(net, data, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ValueError, match="store must be a folder, got the file"):
        examples(net, data, ["bn"], store=path)


def test_equal_maxima_count_in_the_order_of_the_inputs():
    data = torch.arange(40.0).remainder(4).view(40, 1, 1, 1).expand(40, 2, 3, 3).contiguous()
    for size in (1, 7, 40):
        index = examples(nn.ReLU(), data, ["relu"], batch_size=size)["relu"]
        assert [one.item for one in index.examples(0)] == [3, 7, 11, 15, 19, 23, 27, 31, 35]
        assert [one.item for one in index.examples(1, "bottom")] == [0, 4, 8, 12, 16, 20, 24, 28, 32]


def test_infinities_leave_the_statistics_whole():
    data = torch.rand(20, 2, 4, 4)
    data[3, 0, 0, 0], data[5, 0, 0, 0] = torch.nan, torch.inf

    class Plus(nn.Module):
        def forward(self, x):
            return x + 0

    index = examples(Plus(), data, ["add"])["add"]
    assert index.not_finite == 2
    assert 0 < index.mean[0] < 1
    assert index.mean[1] == pytest.approx(float(data[:, 1].mean()), rel=1e-5)


def test_weights_that_change_meanwhile_end_it(net, data):
    steps = examples_steps(net, data, ["bn"], batch_size=50)
    next(steps)
    with torch.no_grad():
        net.stem.weight += 1
    with pytest.raises(ValueError, match="the model has changed during the search"):
        next(steps)


def test_a_module_answers_to_its_path(net, data):
    found = examples(net, data, ["block"])
    assert found["block"] is found["block.1"]
    with pytest.raises(KeyError, match=r"layer must be one of block\.1"):
        found["bn"]
