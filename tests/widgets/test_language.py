"""The language of the views: what is shown comes from the catalogues, which are complete."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from typing import Any

import catalogues
import pytest

import nnlens
from nnlens.inputs.labels import names_of
from nnlens.kernels import METHODS, Occlusion, ScoreMeaning
from nnlens.kernels.attribution.evidence.evidence import check_words, verdict_words
from nnlens.session.targets import resolve_target
from nnlens.utils import language as languages

QUICK = {"samples": 40, "segments": 9, "segmentation": "grid"}
# Names that are the same in every language.
NAMES = {"nnlens", "LIME", "Guided", "Grad", "CAM", "RISE", "SmoothGrad", "KernelSHAP", "SSIM", "fourier"}


class Marked(gettext.NullTranslations):
    """A catalogue of the English texts, every piece of which is marked; the values in them are not."""

    def gettext(self, message: str) -> str:
        pieces = re.split(r"(\{\w+\})", message)
        return "".join(piece if piece.startswith("{") else f"⟦{piece}⟧" for piece in pieces if piece)

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.gettext(one if count == 1 else many)


@pytest.fixture
def german() -> Iterator[None]:
    nnlens.set_language("de")
    yield
    nnlens.set_language(None)


@pytest.fixture
def marked(german: None, monkeypatch: pytest.MonkeyPatch) -> None:
    own = languages._catalogue
    monkeypatch.setattr(
        languages, "_catalogue", lambda domain, name: Marked() if domain == "nnlens" else own(domain, name)
    )


@pytest.fixture
def digits() -> nnlens.Lens:
    model, preprocess, labels = nnlens.zoo.digits()
    return nnlens.Lens(model, preprocess=preprocess, labels=labels)


@pytest.fixture
def digit() -> Any:
    return nnlens.zoo.DigitImages()[3][0]


def words_in(value: Any) -> Iterator[str]:
    """The texts in a payload or a list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from words_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from words_in(item)


def unmarked(view: Any, *values: Any) -> list[str]:
    """The words that no catalogue has, and that are no names of layers, operations or classes."""
    sample = view.selection.sample
    data = {*sample.names, sample.input.name, "input"}  # as the recording calls what the model is given
    for operation in sample.recording:
        data |= {operation.name, operation.label, operation.op}
    found = []
    everything = [view.describe(), view.title(), view.photo["shown_as"], view.photo["notes"]]
    everything += [view.meaning["words"], view.meaning["why"], [panel.title for panel in view.panels()], *values]
    for text in words_in(everything):
        left = re.sub(r"⟦[^⟧]*⟧", " ", text)
        for name in sorted(data, key=len, reverse=True):
            left = left.replace(name, " ")
        found += [f"{word}: {text}" for word in re.findall(r"[^\W\d_]{3,}", left) if word not in NAMES]
    return found


def test_the_explorer_shows_no_text_that_is_not_in_a_catalogue(marked, digits, digit):
    view = digits.explore(digit, layer="features.2", unit=3, card=True)
    assert view.wait(60)
    assert view.error is None
    assert "⟦" in view.describe()
    shown = [view.mosaic["layout"]] if view.mosaic["layout"] != "one map per channel" else []
    assert unmarked(view, shown, view.back_projection["words"], view.connections["words"]) == []
    # What a page says of values that it has no room for.
    note = view.page_state(1)["note"]
    assert "⟦" in note
    assert unmarked(view, note) == []
    result = view.result
    assert unmarked(view, result.occlusion.describe(), result.occlusion.how) == []


@pytest.mark.parametrize("rule", ["gradient", "input × gradient", "deconvnet", "guided backprop"])
def test_the_unit_card_shows_no_text_that_is_not_in_a_catalogue(marked, digits, digit, rule):
    view = digits.unit(digit, layer="features.4", unit=3, rule=rule)
    view.steps = 8
    view.synthesis_run += 1
    assert view.wait(60)
    assert view.error is None
    card = view.result
    texts = [view.back_projection["words"], view.connections["words"], card.ablation.describe()]
    assert unmarked(view, texts, view.synthesis["frame"]["objective"], card.synthesis.describe()) == []


def test_the_attributions_show_no_text_that_is_not_in_a_catalogue(marked, digits, digit):
    view = digits.attribution(digit, methods=[name for name in METHODS if name != "attention_rollout"], **QUICK)
    assert view.wait(120)
    assert view.error is None
    texts: list[Any] = [method["title"] for method in view.known_methods]
    for name in view.methods:
        texts.append(getattr(view, f"map_{name}")["0"]["words"])
        texts += [words for _, _, words in getattr(view, f"evidence_{name}")["0"]["findings"]]
    assert len(texts) > 40
    assert unmarked(view, texts, view.superpixels["words"]) == []
    evidence = view.result.evidence["lime", 0]
    assert unmarked(view, evidence.describe(), evidence.faithfulness.describe()) == []


def test_the_examples_show_no_text_that_is_not_in_a_catalogue(marked, digits):
    view = digits.examples([nnlens.zoo.DigitImages()[item] for item in range(20)], layers=["features.4"])
    assert view.wait(60)
    assert view.error is None
    assert unmarked(view, view.search["error"]) == []


def test_the_summary_shows_no_text_that_is_not_in_a_catalogue(marked, digits, digit):
    view = digits.activations(digit)
    table = digits.summary(digit)
    heads = re.findall(r"<span>([^<]*)</span>", table._repr_html_().partition("<details")[0])
    assert len(heads) == 7
    units = {"FLOPs", "kB", "MB", "GB", "ms", "µs"}
    assert [word for word in unmarked(view, table.caption(), heads) if word.partition(":")[0] not in units] == []


def test_numbers_have_a_comma_in_german(german, lens, photo):
    view = lens.explore(photo)
    assert view.wait(60)
    assert re.search(r"\b0,\d\d\b", view.title())
    assert not re.search(r"\d\.\d", view.describe().replace("block.", ""))
    assert view.describe().startswith("nnlens: Bild. Das Modell sagt ")
    assert "% Nullen" in view.describe()
    assert '<html lang="de">' in page_of(view)


def page_of(view: Any) -> str:
    from nnlens.export.bundle import BUDGET, page

    return page(view, budget=BUDGET, title=view.title())


def test_texts_are_made_in_the_language_that_is_chosen_when_they_are_used():
    meaning = ScoreMeaning(task="multiclass")
    english = meaning.describe()
    nnlens.set_language("de")
    try:
        assert meaning.describe() == "Mehrklassen: Softmax der Bewertungen des Modells"
        assert (check_words("faithfulness"), verdict_words("bad")) == ("Treue", "schlecht")
        assert Occlusion.__dataclass_fields__["how"].default == "whole passes"
    finally:
        nnlens.set_language(None)
    assert meaning.describe() == english == "multiclass: the softmax of the model's scores"


def test_a_class_without_a_name_can_be_chosen_in_english_in_every_language(german):
    names = names_of(None, 4)
    assert names[2] == "Klasse 2"
    assert resolve_target("Klasse 2", names) == resolve_target("class 2", names) == 2
    with pytest.raises(ValueError, match="target must be one of the 4 labels"):
        resolve_target("class 4", names)


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="language must be one of en, de or None, got 'fr'"):
        nnlens.set_language("fr")


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_the_catalogue_is_up_to_date_and_complete(language):
    path = catalogues.path_of("nnlens", language)
    catalog = catalogues.updated("nnlens", language)
    assert catalogues.missing(catalog) == []
    assert path.read_bytes() == catalogues.as_po(catalog), "run python tests/catalogues.py"
    for message in catalog:
        texts = [message.id, message.string] if isinstance(message.id, str) else [message.id[1], message.string[1]]
        places = [set(re.findall(r"\{\w+\}", text)) for text in texts]
        assert not message.id or places[0] == places[1], message.id
