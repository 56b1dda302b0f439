"""The report over many images is the evidence of each, put together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nets import same_state, state_of

import nnlens
from nnlens.kernels import Subject, attribution_steps, evidence_steps
from nnlens.session.evaluation import evaluate_steps

OPTIONS = {"samples": 30, "segments": 9, "segmentation": "grid", "progress": False}


@pytest.fixture
def images() -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8) for seed in range(6)]


def test_the_report_is_the_evidence_of_each_image(lens, net, images):
    before = state_of(net)
    report = nnlens.evaluate(lens, images, ["Grad-CAM", "lime"], count=3, **OPTIONS)
    assert same_state(before, state_of(net))
    assert report.complete
    assert (report.images, report.total, len(report.rows)) == (3, 3, 6)
    assert {row["image"] for row in report.rows} == {"image 0", "image 2", "image 5"}
    sample = lens.sample(images[2])
    subject = Subject(net, sample.input.x)
    *_, found = attribution_steps(subject, "grad_cam")
    *_, evidence = evidence_steps(subject, found, {}, checks=["randomisation"])
    row = next(one for one in report.rows if one["image"] == "image 2" and one["method"] == "grad_cam")
    assert row["correlation after randomisation"] == pytest.approx(evidence.randomisation.remaining, abs=1e-4)
    assert row["class"] == sample.names[sample.top(1)[0]]
    values = report.values("grad_cam", "insertion gain")
    line = report.summary()[0]
    assert line["insertion gain"][0] == pytest.approx(values.mean())
    assert line["insertion gain"][1] == pytest.approx(values.std(ddof=1) / 3**0.5)
    assert "R²" in report.columns
    assert len(report.values("grad_cam", "R²")) == 0


def test_it_is_a_table_and_charts(lens, images):
    report = nnlens.evaluate(lens, images, ["gradient", "attention_rollout"], count=2, **OPTIONS)
    text = report._repr_html_()
    assert "<th>gradient</th>" in text
    assert "2 of 2 images" in text
    assert "attention rollout: attention_rollout needs a model with self-attention" in text
    assert "gradient: deletion" in repr(report)
    figure = report.figure()
    bars = [one for one in figure.data if one.type == "bar"]
    assert list(bars[0].x) == ["gradient", "attention rollout"]
    assert bars[0].y[0] == pytest.approx(report.values("gradient", "deletion").mean())
    assert bars[0].y[1] is None


def test_what_cannot_be_read_is_skipped_and_what_was_done_is_kept(lens, images, tmp_path):
    from PIL import Image

    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    steps = list(evaluate_steps(lens, tmp_path, ["gradient"], checks=["faithfulness"]))
    assert [one.images for one in steps] == [1, 2, 3, 3, 4, 5]
    assert steps[-1].skipped[0][0] == "3.png"
    assert not steps[-1].complete
    *_, whole = evaluate_steps(lens, tmp_path, ["gradient"], checks=[], count=5)
    assert whole.complete
    assert "1 could not be read" in steps[-1]._repr_html_()
    assert not steps[0].complete

    class Interrupted(list):
        def __getitem__(self, item):
            if item == 2:
                raise KeyboardInterrupt
            return super().__getitem__(item)

    report = nnlens.evaluate(lens, Interrupted(images), ["gradient"], progress=False, checks=[])
    assert (report.images, report.complete) == (2, False)


def test_bad_input_is_told(lens, images):
    for options, error, words in (
        ({"methods": "lime"}, ValueError, "methods must be a list of names, got 'lime'"),
        ({"methods": []}, ValueError, "methods must be a list of names"),
        ({"methods": ["shap"]}, ValueError, "method must be one of gradient"),
        ({"methods": ["lime"], "checks": ["luck"]}, ValueError, "checks must be of"),
        ({"methods": ["lime"], "count": 0}, ValueError, "count must be a whole number, 1 or more, got 0"),
        (
            {"methods": ["lime"], "sample": 3},
            TypeError,
            r"evaluate has no option 'sample'; did you mean 'samples'\?; it takes count, checks",
        ),
    ):
        with pytest.raises(error, match=words):
            nnlens.evaluate(lens, images, **options)
    with pytest.raises(TypeError, match="lens must be a Lens"):
        nnlens.evaluate(lens.model, images, ["gradient"])
    with pytest.raises(ValueError, match="none can"):
        nnlens.evaluate(lens, [torch.ones(3), torch.ones(3)], ["gradient"], progress=False)
