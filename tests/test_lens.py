from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import LABELS, Net, same_state, state_of
from torch import nn

import nnlens


def test_what_a_sample_holds_is_plain_torch(lens, net, photo):
    sample = lens.sample(photo)
    with torch.no_grad():
        logits = net(sample.input.x)[0]
    np.testing.assert_allclose(sample.logits, logits, atol=1e-6)
    np.testing.assert_allclose(sample.probabilities, logits.softmax(0), atol=1e-6)
    assert sample.top(2) == logits.argsort(descending=True)[:2].tolist()


def test_an_image_is_looked_at_once_and_again_when_the_weights_change(lens, net, photo):
    sample = lens.sample(photo)
    assert lens.sample(photo.copy()) is sample
    with torch.no_grad():
        net.head.bias += 1
    assert lens.sample(photo) is not sample


def test_views_of_one_image_share_a_selection_others_do_not(lens, photo):
    first, second = lens.explore(photo), lens.activations(photo)
    other = lens.explore(255 - photo)
    assert first.selection is second.selection
    assert other.selection is not first.selection
    assert lens.selection is other.selection
    first.selection.layer = "stem"
    assert second.layer == "stem"
    assert other.layer != "stem"
    assert lens.explore(photo, link=False).selection is not first.selection


def test_a_selection_takes_names_and_indices(lens, photo):
    selection = lens.explore(photo).selection
    selection.target = "dog"
    assert (selection.target, selection.label) == (3, "dog")
    selection.target = None
    assert selection.target == selection.sample.top(1)[0]
    with pytest.raises(AttributeError, match="a selection has target, layer, unit, position, grid, scale, not 'lyaer'"):
        selection.lyaer = "stem"
    selection.target = 1
    selection.layer = "block"
    assert selection.layer == "block.1"
    selection.unit = 7
    selection.position = (3, 4)
    assert selection.position == (3, 4)
    selection.layer = "stem"
    assert selection.position is None
    assert repr(selection).startswith("Selection(image='image', target=1 (bee), layer='stem', unit=")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("target", "dgo", "target must be one of the 5 labels, got 'dgo'; did you mean 'dog'"),
        ("target", 5, "target must be 0…4, got 5"),
        ("target", 1.5, "target must be a class index or a label, got float"),
        ("layer", "stm", "layer must be one of the 13 operations .* did you mean 'stem'"),
        ("unit", 8, "unit must be 0…7 in layer 'relu:3', got 8"),
        ("position", (16, 0), "position must be inside the 16 × 16 map"),
        ("position", 3, "position must be .row, column. or None"),
        ("scale", "huge", "scale"),
    ],
)
def test_a_wrong_choice_is_named_and_changes_nothing(lens, photo, name, value, message):
    selection = lens.explore(photo).selection
    before = repr(selection)
    with pytest.raises(Exception, match=message):
        setattr(selection, name, value)
    assert repr(selection) == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": LABELS[:4]}, ValueError, "labels must name each of the model's 5 scores, got 4 names"),
        ({"labels": "abcde"}, TypeError, "labels must be a sequence or a mapping of names, got str"),
        ({"output": "logits"}, ValueError, "output='logits' does not fit a model that returns Tensor"),
    ],
)
def test_a_lens_that_does_not_fit_says_so(net, photo, options, error, message):
    before = state_of(net)
    with pytest.raises(error, match=message):
        nnlens.Lens(net, preprocess={"size": 32}, **options).explore(photo)
    assert same_state(before, state_of(net))


def test_no_module_no_lens():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got str"):
        nnlens.Lens("resnet18")


def test_wrong_channels_name_the_operation(net, photo):
    before = state_of(net)
    with pytest.raises(nnlens.ForwardError, match=r"stem · conv2d on \(1, 1, 32, 32\)"):
        nnlens.Lens(net, preprocess={"size": (1, 32, 32), "mean": 0.5, "std": 0.5}).explore(photo)
    assert same_state(before, state_of(net))


def test_a_model_that_returns_nan_names_the_first_operation(net, photo):
    with torch.no_grad():
        net.block[0].bias[0] = torch.nan
    before = state_of(net)
    with pytest.raises(
        ValueError, match=r"the model returned NaN or infinity in 5 of 5 scores; the first NaN is in block.0"
    ):
        nnlens.Lens(net, preprocess={"size": 32}).explore(photo)
    after = state_of(net)
    assert before["training"] == after["training"]
    assert before["hooks"] == after["hooks"]


def test_labels_may_be_missing_or_a_mapping(net, photo):
    assert nnlens.Lens(net, preprocess={"size": 32}).sample(photo).names[2] == "class 2"
    lens = nnlens.Lens(net, preprocess={"size": 32}, labels={0: "zero", 4: "four"})
    assert lens.sample(photo).names == ("zero", "class 1", "class 2", "class 3", "four")


@pytest.mark.parametrize(
    ("wrap", "output"),
    [
        (lambda scores: {"loss": scores.sum(), "logits": scores}, None),
        (lambda scores: (scores, scores * 0), None),
        (lambda scores: (scores * 0, scores), 1),
        (lambda scores: {"a": scores * 0, "b": scores}, "b"),
        (lambda scores: [[scores]], lambda nested: nested[0][0]),
        (lambda scores: scores[:, :, None, None].expand(-1, -1, 2, 2), None),
    ],
)
def test_outputs_of_any_layout(photo, net, wrap, output):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return wrap(self.net(x))

    sample = nnlens.Lens(Wrapped(), preprocess={"size": 32}, output=output).sample(photo)
    plain = nnlens.Lens(net, preprocess={"size": 32}).sample(photo)
    np.testing.assert_allclose(sample.probabilities, plain.probabilities, atol=1e-6)


def test_a_model_in_training_is_seen_in_eval_and_stays_in_training(lens, net, photo):
    expected = lens.sample(photo).logits
    net.train()
    before = state_of(net)
    again = nnlens.Lens(net, preprocess={"size": 32, "mean": 0.5, "std": 0.25}).explore(photo)
    assert same_state(before, state_of(net))
    np.testing.assert_allclose(again.selection.sample.logits, expected, atol=1e-6)
    assert again.result.occlusion.complete
    assert same_state(before, state_of(net))


def test_half_precision_and_frozen_models(photo):
    model = Net().to(torch.bfloat16).requires_grad_(False)
    view = nnlens.Lens(model, preprocess={"size": 32}).explore(photo)
    assert view.result.activations.values.dtype == np.float32
    assert view.result.occlusion.complete


def test_ready_tensors_need_no_preprocess(net):
    view = nnlens.Lens(net).explore(torch.randn(3, 24, 28))
    assert view.photo["width"] == 28
    assert view.result.occlusion.image == (24, 28)
