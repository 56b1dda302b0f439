"""Views of networks that take other inputs than one photograph."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from input_networks import cases
from PIL import Image
from torch import nn

import nnlens
from nnlens.kernels import occluded_scores
from nnlens.utils.nests import tensors_in

CASES = cases()


def called_with(case):
    """The arguments and keywords that the plain model takes."""
    given = case.given
    if isinstance(given, tuple):
        return given, {}
    if isinstance(given, (list, dict)):
        return (given,), {}
    return (given,), case.keywords


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}, [m.training for m in model.modules()]


def opened(case, model, **options):
    lens = nnlens.Lens(model, **case.lens)
    view = lens.explore(case.given, **case.keywords, **options)
    assert view.wait(60)
    assert view.error is None, view.error
    return lens, view


@pytest.mark.parametrize("name", CASES)
def test_the_explorer_opens_moves_and_saves(name, tmp_path):
    case = CASES[name]
    model = case.model().train()
    before, training = state_of(model)
    _lens, view = opened(case, model)
    value = view.selection.sample.input
    assert (value.kind, value.around.as_image.axes) == (case.kind, case.axes)
    model.eval()
    args, keywords = called_with(case)
    with torch.no_grad():
        plain = model(*args, **keywords)[0].numpy()
    model.train()
    assert np.allclose(view.selection.sample.logits, plain, atol=1e-5)
    # The whole experiment, and the occluder where a hand moves it, by plain passes.
    result = view.result.occlusion
    assert result.complete
    row, column = (int(axis[len(axis) // 2]) for axis in np.nonzero(result.computed))
    view.occluder = [int(result.tops[row]), int(result.lefts[column])]
    assert view.wait(60)
    under = dict(zip(view.occluded["classes"], view.occluded["logit"], strict=True))
    for target, logit in under.items():
        assert logit == pytest.approx(float(result.logits[row, column, target]), abs=1e-4)
    assert view.error is None
    # What it computed for the map is what the model gives with that part hidden.
    fill = value.fill(view.fill)
    hidden = value.x.clone()
    top, left = view.occluder
    window = np.s_[..., top : top + result.size[0], left : left + result.size[1]]
    if isinstance(fill, str):
        fill = value.x.mean((2, 3), keepdim=True)[0]
    hidden[window] = torch.as_tensor(fill).expand(hidden.shape[1:])[window]
    args, keywords = value.around.call_with(value.around.as_image.value(hidden, value.around.value))
    model.eval()
    with torch.no_grad():
        assert np.allclose(model(*args, **keywords)[0], result.logits[row, column], atol=1e-4)
    model.train()
    view.selection.layer = view.selection.sample.recording.names[-1]
    assert view.save(tmp_path / "page.html").exists()
    after, now = state_of(model)
    assert now == training
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(torch.isfinite(item).all() for item in tensors_in((case.given, case.keywords)))


@pytest.mark.parametrize("name", CASES)
def test_an_attribution_equals_captums(name):
    case = CASES[name]
    model = case.model()
    lens = nnlens.Lens(model, **case.lens)
    # A list would be several images.
    given = tuple(case.given) if isinstance(case.given, list) else case.given
    view = lens.attribution(given, methods=["gradient"], checks=[], **case.keywords)
    assert view.wait(60)
    assert view.error is None
    value = view.selection.sample.input
    target = view.selection.target
    ours = view.result["gradient", 0].values
    around = value.around

    def of_the_input(tensor):
        args, keywords = around.call_with(tensor)
        return model(*args, **keywords)

    theirs = captum.attr.Saliency(of_the_input).attribute(
        around.value.clone().requires_grad_(), target=target, abs=False
    )
    expected = around.as_image.image(theirs)[0].numpy()
    assert np.allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_layers_and_units_open(name):
    case = CASES[name]
    model = case.model()
    lens = nnlens.Lens(model, **case.lens)
    given = case.given
    view = lens.unit(given, **case.keywords)
    assert view.wait(60)
    assert view.error is None
    sample = view.selection.sample
    hidden = sample.input.around.as_image.operations
    assert next(entry["name"] for entry in view.tree) == sample.recording.names[hidden]
    # What is recorded is what hooks see.
    seen = {}

    def note(path):
        def hook(_module, _given, output):
            seen.setdefault(path, output)

        return hook

    leaves = [(path, module) for path, module in model.named_modules() if path and not list(module.children())]
    hooks = [module.register_forward_hook(note(path)) for path, module in leaves]
    args, keywords = called_with(case)
    with torch.no_grad():
        model(*args, **keywords)
    for hook in hooks:
        hook.remove()
    for path, output in seen.items():
        if isinstance(output, torch.Tensor) and path in sample.recording:
            assert torch.allclose(sample.recording[path], output, atol=1e-6), path


def several():
    case = CASES["keywords"]
    return case, opened(case, case.model())


def test_another_input_is_varied_and_the_target_stays():
    case, (lens, view) = several()
    assert [(item["name"], item["varied"]) for item in view.inputs] == [
        ("rgb", True),
        ("depth", False),
        ("meta", False),
    ]
    assert view.inputs[2]["numbers"] == pytest.approx(case.keywords["meta"][0].tolist())
    other = int(np.argsort(view.selection.sample.logits)[0])
    view.selection.target = other
    view.varied_input = 1
    assert view.wait(60)
    assert view.error is None
    assert view.selection.target == other
    assert view.selection.sample.input.x.shape == (1, 1, 16, 16)
    assert [item["varied"] for item in view.inputs] == [False, True, False]
    view.varied_input = 2
    assert view.wait(60)
    assert view.photo["kind"] == "vector"
    # By name from the start; and of the latest inputs.
    assert lens.explore(varied="depth").selection.sample.input.x.shape == (1, 1, 16, 16)
    assert lens.occlusion(case.given, **case.keywords, varied="meta").photo["kind"] == "vector"
    with pytest.raises(ValueError, match=r"varied must be the name of an input .*\(rgb, depth, meta\), got 'colour'"):
        lens.explore(case.given, **case.keywords, varied="colour")


def test_a_number_is_changed_and_the_scores_follow():
    case, (_lens, view) = several()
    view.held_number = {"input": 2, "place": 3, "value": 2.5}
    assert view.wait(60)
    assert view.error is None
    meta = case.keywords["meta"].clone()
    meta[0, 3] = 2.5
    with torch.no_grad():
        plain = view.session.model(case.given, case.keywords["depth"], meta)[0].numpy()
    assert np.allclose(view.selection.sample.logits, plain, atol=1e-5)
    assert view.inputs[2]["numbers"][3] == 2.5
    assert case.keywords["meta"][0, 3] != 2.5
    for wrong in ({"input": 7, "place": 0, "value": 1}, {"input": 2, "place": 9, "value": 1}):
        view.held_number = wrong
        assert view.wait(60)
        assert "must be 0…" in view.error["message"]
        view.error = None


def test_slices_of_a_volume_in_three_directions():
    case = CASES["a volume"]
    _lens, view = opened(case, case.model())
    assert view.slices == {"along": "d", "axes": ["d", "h", "w"], "first": 8, "count": 1, "total": 16}
    before = view.selection.sample.logits
    for asked, shape in [
        ({"first": 3}, (1, 1, 18, 20)),
        ({"count": 4}, (1, 4, 18, 20)),
        ({"along": "w"}, (1, 1, 16, 18)),
        ({"along": "h", "first": 2}, (1, 1, 16, 20)),
    ]:
        view.asked_slices = asked
        assert view.wait(60)
        assert view.error is None
        assert tuple(view.selection.sample.input.x.shape) == shape
        assert np.allclose(view.selection.sample.logits, before, atol=1e-5)  # it is still the same volume
    assert view.slices["first"] == 2
    view.asked_slices = {"first": 99}
    assert view.wait(60)
    assert "first must be 0…17" in view.error["message"]


def test_a_signal_has_seconds_and_a_list_of_axes_is_accepted():
    case = CASES["a signal"]
    lens = nnlens.Lens(case.model(), rate=50, axes="nct")
    view = lens.explore(case.given[0].numpy())  # without the axis of the batch
    assert view.wait(60)
    assert view.photo["rate"] == 50
    assert view.photo["trace"]["channels"] == 2
    assert (view.photo["width"], view.photo["height"]) == (120, 1)
    assert view.fill == "mean"
    image = view.picture()
    assert isinstance(image, Image.Image)
    with pytest.raises(ValueError, match="rate must be a number of samples per second, above 0, got -1"):
        nnlens.Lens(case.model(), rate=-1)
    with pytest.raises(ValueError, match=r"axes must be one of nchw, .*, got 'xyz'"):
        nnlens.Lens(case.model(), axes="xyz")


def test_a_comparison_of_two_signals():
    case = CASES["a signal"]
    lens = nnlens.Lens(case.model())
    view = lens.compare(case.given, case.given + 0.1 * torch.randn_like(case.given))
    assert view.wait(120)
    assert view.error is None


def test_live_positions_of_kernels_and_views_agree():
    case = CASES["a signal"]
    _lens, view = opened(case, case.model())
    sample = view.selection.sample
    fill = sample.input.x.mean((2, 3), keepdim=True)[0]
    alone = occluded_scores(sample.model, sample.input.x, [(0, 7)], size=view.size, fill=fill)
    view.occluder = [0, 7]
    assert view.wait(60)
    assert view.occluded["logit"][0] == pytest.approx(float(alone[0][view.occluded["classes"][0]]), abs=1e-4)


def test_modules_of_a_model_with_several_inputs_can_be_chosen():
    case, (lens, view) = several()
    again = lens.activations(case.given, **case.keywords, layer=view.session.model.meta)
    assert again.selection.layer == "meta"
    assert isinstance(view.session.model, nn.Module)


def test_a_view_says_which_band_matters():
    bands = nn.Sequential(nn.Conv2d(7, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)).eval()
    x = torch.randn(1, 7, 12, 12)
    lens = nnlens.Lens(bands, bands=(2, 1, 0))
    view = lens.explore(x)
    assert view.wait(60)
    assert view.error is None
    sent = view.channel_scores
    expected = nnlens.kernels.channel_scores(bands, x)
    assert sent["count"] == 7
    for row, index in enumerate(sent["classes"]):
        assert np.allclose(sent["logit"][row], expected[:, index], atol=1e-5)
    # Colours of a picture are no question of their own.
    picture = nnlens.Lens(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())).explore(x[:, :3])
    assert picture.wait(60)
    assert picture.channel_scores is None
    assert picture.inputs_module == ""


def test_the_function_at_a_signal():
    case = CASES["a signal"]
    lens = nnlens.Lens(case.model())
    growth = lens.sensitivity(case.given)
    line = lens.local_map(case.given, 0.5 * case.given)
    for view in (growth, line):
        assert view.wait(120)
        assert view.error is None
