"""What every widget of nnlens is: traits of one selection, errors shown where the user looks, a still picture."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import numpy as np
import torch
import traitlets as t
from PIL import Image
from torch import nn

from ..export.bundle import BUDGET, Response, mime_bundle, page
from ..export.mode import is_static
from ..files import replacing
from ..inputs import read_image, redrawn
from ..labels import short
from ..names import nearest
from ..recording import version_of
from ..render import Panel, color_tables, draw, encoded, finite
from ..selection import SCALES, Sample, Selection
from ..work import Steps
from .reruns import replaces_earlier_runs

if TYPE_CHECKING:
    from ..lens import Lens

LINKED = ("target", "layer", "unit", "position", "grid", "scale")
MOST_LABELS = 5000


def _path_of(model: nn.Module, module: nn.Module) -> str:
    """The path of a module of the model, as a layer's name."""
    for path, one in model.named_modules():
        if one is module:
            return path
    raise ValueError(f"layer must be a module of the model, got a {type(module).__name__} that is not in it")


@cache
def built(name: str) -> str:
    """The text of a built JavaScript or CSS file."""
    return files("nnlens").joinpath("static", name).read_text("utf-8")


def synced(trait: t.TraitType[Any, Any]) -> Any:
    return trait.tag(sync=True)


class View(anywidget.AnyWidget):
    """One view of an image through a lens. Its numbers are `.result`, what it shows is `.selection`."""

    parts: ClassVar[tuple[str, ...]] = ()
    # Parts that change what is shown, all of which `hide="controls"` leaves out.
    controls: ClassVar[tuple[str, ...]] = ("open", "webcam", "search", "meaning", "code")
    # Controls that a part is of little use without: `show` leaves them in with it.
    needed: ClassVar[dict[str, str]] = {"size": "map", "filter": "layers", "number": "unit", "overlay": "unit"}
    options: ClassVar[tuple[str, ...]] = ("layer", "unit", "target", "grid", "scale")
    needs_scores: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True

    # The selection, as the browser sees it; set `selection`, or these.
    target = synced(t.Int(0, help="class index"))
    layer = synced(t.Unicode("", help="name of an operation"))
    unit = synced(t.Int(0, help="channel of the layer"))
    position = synced(t.List(t.Int(), default_value=None, allow_none=True, help="[row, column] on the unit's map"))
    grid = synced(t.Any(None, allow_none=True, help='how tokens are shown: [rows, columns], "strip", null: the guess'))
    scale = synced(t.Enum(SCALES, "layer"))
    limits = synced(t.List(t.Float(), default_value=None, allow_none=True, help="what the colours are locked to"))

    labels = synced(t.List(t.Unicode(), help="the classes' names; empty where there are too many to send"))
    names = synced(t.Dict(help="then the names of the classes that are shown: index → name"))
    photo = synced(t.Dict(help="the picture: png bytes, width, height, name, how it is shown"))
    scores = synced(t.Dict(help="the classes that the bars show, with their clean probabilities and scores"))
    meaning = synced(t.Dict(help="what the scores mean: task, logits, noun, unit, and in words"))
    read_as = synced(
        t.Dict(default_value=None, allow_none=True, help="the user reads them in another way: task, logits")
    )
    hide = synced(t.List(t.Unicode(), help="parts that are left out"))
    stale = synced(t.Bool(False, help="whether the model has changed since this was computed"))
    refresh = synced(t.Int(0, help="counts up when the user wants the view of the model as it is now"))
    # Without an echo: the bytes would travel back.
    upload: Any = t.Dict(
        default_value=None, allow_none=True, help="a picture from the browser: name, data, drawn or not"
    )
    upload.tag(sync=True, echo_update=False)
    cancel = synced(t.Int(0, help="counts up when the user stops a long computation"))
    busy = synced(t.Unicode("", help="what is being computed, empty when nothing is"))
    error = synced(t.Dict(default_value=None, allow_none=True, help="message and traceback of what went wrong"))
    note = synced(t.Unicode("", help="what a reader of a saved page should know"))
    _colors = synced(t.Dict(help="the colour tables, 768 bytes each"))

    def __init__(self, lens: Lens, image: Any = None, **options: Any):
        known = (*self.options, "hide", "show", "link")
        for name in options:
            if name not in known:
                hint = nearest(name, known)
                raise TypeError(f"{type(self).__name__} has no option {name!r}{hint}; it takes {', '.join(known)}")
        hide = self._left_out(options.get("hide"), options.get("show"))
        choices = {name: options.get(name) for name in ("target", "layer", "unit", "grid", "scale")}
        if isinstance(choices["layer"], nn.Module):
            choices["layer"] = _path_of(lens.model, choices["layer"])
        if options.get("link", True):
            selection = lens.select(image, scores=self.needs_scores, **choices)
        else:
            selection = lens.separate(image, scores=self.needs_scores, **choices)
        if self.needs_image and not selection.sample.input.is_image:
            raise ValueError(
                f"image must be an image for this view, got {selection.sample.input.shown_as}: lens.activations, "
                "lens.summary and nnlens.record take any input"
            )
        self._static = is_static()
        self._ready = False
        self._lens = lens
        self._selection = selection
        self._shown: dict[str, Any] = {}  # what each payload was made of, so that nothing is made twice
        tables = {name: table.tobytes() for name, table in color_tables().items()}
        super().__init__(hide=hide, _colors=tables)
        self._prepare(options)
        self._follow()
        self._ready = True
        self.open()
        selection.observe(self._follow, [*LINKED, "sample"])
        self.observe(self._lead, list(LINKED))
        self.observe(self._take_upload, "upload")
        self.observe(self._read_as, "read_as")
        self.observe(self._renew, "refresh")
        self.on_msg(self._answer)
        lens.watch(self.look_for_changes)
        replaces_earlier_runs(self)
        self._start()

    def open(self) -> None:
        """Open the channel to the browser: once the state is whole, and unless nobody is there."""
        if self._ready and not self._static:
            super().open()

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        """Tell the browser that the kernel has heard it: a view whose kernel is gone must not look alive."""
        if content == {"heard": True}:
            self.send(content)

    def __repr__(self) -> str:
        ready = getattr(self, "_ready", False)
        return f"{type(self).__name__}({self._selection!r})" if ready else object.__repr__(self)

    @property
    def selection(self) -> Selection:
        """Image, target, layer, unit, position and scale, shared with the other views of this image."""
        return self._selection

    @property
    def lens(self) -> Lens:
        return self._lens

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being computed; False if `timeout` seconds pass first."""
        return self._lens.worker.join(timeout)

    def _left_out(self, hide: Any, show: Any) -> list[str]:
        """The parts that are left out, from the options `hide` and `show`."""
        every = tuple(dict.fromkeys((*self.parts, *self.controls)))
        if hide is not None and show is not None:
            raise ValueError("hide and show must not both be given: show names all that is left in")
        given = show if hide is None else hide
        names = [given] if isinstance(given, str) else list(given or ())
        names = [one for name in names for one in (self.controls if name == "controls" else (name,))]
        for name in names:
            if name not in every:
                which = "hide" if hide is not None else "show"
                hint = nearest(str(name), every)
                raise ValueError(f'{which} must name parts of {", ".join(every)}, or "controls", got {name!r}{hint}')
        if show is None:
            return names
        return [name for name in every if name not in names and self.needed.get(name) not in names]

    def _refresh(self, *, full: bool = False) -> bool:
        """Look at the image again if the model has changed; whether it had. `full` compares all of its weights."""
        sample = self._selection.sample
        now = self._lens.current(sample, full=full)
        if now is sample:
            return False
        self._selection.show(now)
        return True

    def look_for_changes(self) -> None:
        """Mark the view where the model has changed since it was computed: the user's code has run."""
        sample = self._selection.sample
        self.stale = version_of(self._lens.model) != sample.version

    def _renew(self, change: Any = None) -> None:
        def look() -> Generator[None, None, None]:
            self._refresh(full=True)
            yield

        self._lens.worker.submit(self, "image", lambda: self._steps("looking at the model again", look()))

    def _read_as(self, change: Any) -> None:
        asked = change["new"]
        if not asked:
            return
        try:
            self._lens.read_as(asked.get("task"), asked.get("logits"))
            self.error = None
        except Exception as error:
            self._show_error(error)
        finally:
            self.read_as = None

    # From the selection to the traits, and back.

    def _prepare(self, options: dict[str, Any]) -> None:
        """Take the options into the traits, before the browser sees any."""

    def _start(self) -> None:
        """Begin what takes longer."""

    def _payloads(self) -> dict[str, Any]:
        """Every trait that is made from the selection and is not up to date."""
        sample = self._selection.sample
        made: dict[str, Any] = {}
        if self._stale("sample", sample):
            width, height = sample.input.shown.size
            made["photo"] = {
                "data": encoded(sample.input.shown),
                "width": width,
                "height": height,
                "name": sample.input.name,
                "path": sample.input.path,
                "shown_as": "; ".join((sample.input.shown_as, *sample.input.notes)),
                "notes": list(sample.input.notes),
            }
            made["labels"] = [short(name) for name in sample.names] if len(sample.names) <= MOST_LABELS else []
            made["stale"] = False
            made["meaning"] = self._meaning_payload(sample)
        if self._stale("scores", (sample, self._selection.target)):
            shown = self.shown_classes()
            if len(sample.names) > MOST_LABELS:
                made["names"] = {str(index): short(sample.names[index]) for index in shown}
            odds = sample.odds()
            made["scores"] = finite({
                "classes": shown,
                "probability": [float(sample.probabilities[index]) for index in shown],
                "logit": [float(odds[index]) for index in shown],
            })  # fmt: skip
        return made

    def _meaning_payload(self, sample: Sample) -> dict[str, Any]:
        meaning = sample.meaning
        if meaning is None:
            return {"problem": sample.problem}
        kinds = ["multilabel", "regression"] + (
            ["binary"] if len(sample.logits) == 1 or meaning.both else ["multiclass"]
        )
        return {
            "task": meaning.task,
            "averaged": meaning.averaged,
            "tasks": sorted(kinds),
            "logits": meaning.logits,
            "noun": meaning.noun,
            "unit": meaning.unit,
            "words": meaning.describe(),
            "why": meaning.why,
        }

    def shown_classes(self) -> list[int]:
        """The five most probable classes, and the target where it is not among them."""
        if not len(self._selection.sample.logits):
            return []
        top = self._selection.sample.top(5)
        return top if self._selection.target in top else [*top, self._selection.target]

    def scored(self, sample: Sample, rows: np.ndarray, classes: list[int] | None = None) -> dict[str, Any]:
        """Class scores (n, classes) as the bars show them: lists of numbers for one row, else lists of lists."""
        meaning = sample.scored()
        shares, odds = (meaning.of(torch.from_numpy(rows), kind).numpy() for kind in ("probability", "logit"))
        shown, tops = self.shown_classes() if classes is None else classes, rows.argmax(1)
        made: dict[str, Any] = {
            "classes": shown,
            "probability": finite(shares[:, shown].T.tolist()),
            "logit": finite(odds[:, shown].T.tolist()),
            "top": tops.tolist(),
            "top_probability": finite(shares[np.arange(len(rows)), tops].tolist()),
        }
        if len(rows) > 1:
            return made
        flat = {name: [one[0] for one in made[name]] for name in ("probability", "logit")}
        return {**made, **flat, "top": made["top"][0], "top_probability": made["top_probability"][0]}

    def _stale(self, name: str, made_of: Any) -> bool:
        if self._shown.get(name) == made_of:
            return False
        self._shown[name] = made_of
        return True

    def _linked(self) -> dict[str, Any]:
        values = {name: getattr(self._selection, name) for name in LINKED}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def _follow(self, change: Any = None) -> None:
        """The selection changed: show it."""
        with self.hold_sync():
            for name, value in {**self._payloads(), **self._linked()}.items():
                setattr(self, name, value)

    def _lead(self, change: Any) -> None:
        """The browser (or Python) set one of the linked traits: make it the selection's."""
        name, value = change["name"], change["new"]
        if self._linked()[name] == value:
            return
        try:
            setattr(self._selection, name, value)
        except Exception:
            setattr(self, name, self._linked()[name])
            raise

    def set_state(self, sync_data: Any) -> None:
        """Take the browser's values; one that breaks a rule is shown as an error and put back."""
        try:
            super().set_state(sync_data)
        except Exception as error:
            self._show_error(error)
            self.send_state([name for name in sync_data if name in self.keys])

    # Errors and work.

    def _show_error(self, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error))
        self.error = {"message": str(error) or type(error).__name__, "traceback": trace}

    def _steps(self, what: str, steps: Steps) -> Steps:
        """A job's steps with its name in `busy` while they last, and its errors in the widget."""
        try:
            for rest in steps:
                self.busy = what
                yield rest
        except GeneratorExit:
            raise
        except Exception as error:
            self._show_error(error)
        finally:
            self.busy = ""

    def _take_upload(self, change: Any) -> None:
        if not change["new"]:
            return
        data, name = bytes(change["new"]["data"]), str(change["new"].get("name") or "upload")
        drawn = bool(change["new"].get("drawn"))

        def look() -> Generator[None, None, None]:
            try:
                # What was drawn on the picture is the input pixel by pixel, whatever the preprocessing does to others.
                image = redrawn(read_image(data, name), self._selection.sample.input, name) if drawn else data
                self._selection.show(self._lens.look(image, name=name))
                self.error = None
            finally:
                self.upload = None  # its bytes need not stay in the state
            yield

        self._lens.worker.submit(self, "image", lambda: self._steps("reading the image", look()))

    # Beyond the kernel.

    def bake(self, budget: int, *, whole: bool) -> list[Response]:
        """What a page without a kernel answers when its reader chooses, within `budget` bytes.

        `whole` computes what is missing; without it the page holds what is there, for a cell must not wait.
        """
        return []

    def picture(self) -> Image.Image:
        """The view as one picture, for pages that run no scripts."""
        return draw(self.panels())

    def panels(self) -> list[Panel]:
        """The parts of `picture`."""
        sample = self._selection.sample
        shown = self.shown_classes()
        rows = [(short(sample.names[index]), float(sample.probabilities[index])) for index in shown]
        title = sample.input.name
        if rows:
            title += f" · {short(self._selection.label)} {sample.words_of(self._selection.target)}"
        return [Panel(title, sample.input.shown, bars=rows)]

    def describe(self) -> str:
        """The view in words: the text alternative of its picture."""
        sample = self._selection.sample
        if sample.meaning is None:
            return f"nnlens: {sample.input.name}. The model's output is not read as scores: {sample.problem}"
        best = ", ".join(f"{short(sample.names[index])} {sample.words_of(index)}" for index in sample.top(3))
        return f"nnlens: {sample.input.name}. The model says {best}."

    def state(self) -> dict[str, Any]:
        """The synced traits that the page without a kernel starts from."""
        outside = {"layout", "tabbable", "tooltip", "_esm", "_css", "_anywidget_id", "_dom_classes"}
        names = [name for name in self.keys if name not in outside and not name.startswith(("_model", "_view"))]
        moment = {
            "stale": False,
            "read_as": None,
            "error": None,
            "upload": None,
            "busy": "",
            "occluder": None,
            "occluded": None,
        }
        return {name: moment.get(name, getattr(self, name)) for name in names}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        live = None if self._static else super()._repr_mimebundle_(**kwargs)
        return mime_bundle(self, live, budget=BUDGET, whole=self._static)

    def close(self) -> None:
        """Take the view off the selection and out of the kernel."""
        if getattr(self, "_ready", False):  # ipywidgets closes what was never built, too, and a second time
            self._ready = False
            self._selection.unobserve(self._follow, [*LINKED, "sample"])
            for lane in self._lens.worker.lanes:
                self._lens.worker.cancel(self, lane)
            self.layout.close()
        super().close()

    def save(self, path: str | Path, *, title: str = "", text: str = "") -> Path:
        """Write the view to `path`: a page that needs neither kernel nor network (.html), or a picture (.png).

        A page holds the whole occlusion experiment, which is computed first where it is missing.

        Parameters
        ----------
        title : str
            Of a page, shown as its heading too; the image's name and the model's answer by default.
        text : str
            Stands below the heading of a page: what readers are to look at. An empty line begins a new paragraph.
        """
        for name, value in (("title", title), ("text", text)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a text, got {type(value).__name__}")
        if not isinstance(path, (str, Path)):
            raise TypeError(f"path must be a text or a Path, got {type(path).__name__}")
        path = Path(path)
        if path.suffix.lower() not in (".html", ".png"):
            raise ValueError(f"path must end in .html or .png, got {str(path)!r}")
        self.wait()
        if self._refresh(full=True):  # a page is of one state of the model
            self.wait()
        if path.suffix.lower() == ".html":
            made = page(self, budget=BUDGET, title=title or self.title(), heading=title, text=text).encode()
        else:
            buffer = BytesIO()
            self.picture().save(buffer, "PNG")
            made = buffer.getvalue()
        with replacing(path) as file:
            file.write(made)
        return path

    def title(self) -> str:
        """A short title: "coffee.jpg: espresso 0.83"."""
        sample = self._selection.sample
        answer = f": {short(self._selection.label)} {sample.words_of(self._selection.target)}" if sample.names else ""
        return f"{sample.input.name}{answer}"
