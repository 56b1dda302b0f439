"""The view: traits of one selection, parts, errors shown where the user looks, pages and pictures to save."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

import traitlets as t

from nnlens.inputs import read_image, redrawn
from nnlens.inputs.labels import short
from nnlens.recording import version_of
from nnlens.render import color_tables, finite, meaning_payload, photo_payload, scores_payload
from nnlens.session.mode import is_static
from nnlens.session.selection import Selection
from nnlens.session.session import Session
from nnlens.session.work.worker import Job, Steps
from nnlens.utils.errors import reason
from nnlens.utils.language import LANGUAGES, _, browser_texts, chosen_language

from .options import ViewOptions, chosen_panes, known_options, selection_choices
from .pages import OUTSIDE, SavedView
from .part import Part, PartType
from .reruns import replaces_earlier_runs
from .shown import ShownImages
from .state import decoded, encoded, state_traits

LINKED = ("target", "layer", "unit", "position", "grid", "scale")
MOST_LABELS = 5000
PUBLIC = ("result", "selection", "state", "save", "wait", "picture", "describe", "close", "observe")


@cache
def built(name: str) -> str:
    """The text of a built JavaScript or CSS file."""
    return files("nnlens").joinpath("static", name).read_text("utf-8")


class View(SavedView):
    """One view of an image through a lens. Its numbers are `.result`, what it shows is `.selection`."""

    part_types: ClassVar[tuple[type[Part], ...]] = ()
    panes: ClassVar[tuple[str, ...]] = ()
    # Panes and buttons that change what is shown; `hide="controls"` leaves out all of them.
    controls: ClassVar[tuple[str, ...]] = ("open", "webcam", "search", "meaning", "undo", "state", "code")
    option_type: ClassVar[type] = ViewOptions
    needs_scores: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True  # rather than another kind of input
    opens_without_image: ClassVar[bool] = False
    shows_images: ClassVar[bool] = True  # else nothing is said of the image that is not there
    card_is_open: ClassVar[bool] = False  # whether the view is the card of a unit, and nothing else

    def __init__(self, session: Session, image: Any = None, **options: Any):
        known_options(type(self).__name__, self.option_type, options)
        hide = chosen_panes(self.panes, self.controls, options.get("hide"), options.get("show"))
        choices = selection_choices(session.model, options)
        find = session.selections.shared if options.get("link", True) else session.selections.separate
        if image is None and self.opens_without_image and session.selections.is_empty:
            selection = session.selections.blank()
        else:
            selection = find(image, scores=self.needs_scores, **choices)
        if self.needs_image and not selection.sample.input.is_image:
            raise ValueError(
                f"image must be an image for this view, got {selection.sample.input.shown_as}: lens.activations, "
                "lens.summary and nnlens.record take any input"
            )
        if selection.sample.input.around is not None:
            hide += ["open", "webcam"]  # a picture would not be what the model takes
        self._static = is_static()
        self._ready = False
        self._session = session
        self._selection = selection
        self._images = ShownImages()  # for `image_number`
        self._made_of: dict[str, Any] = {}  # what each payload was made of, so that nothing is made twice
        tables = {name: table.tobytes() for name, table in color_tables().items()}
        super().__init__(hide=hide, color_tables=tables, lens_id=session.id)
        self.state_traits = state_traits(self)
        self.language = chosen_language() or ""
        self.texts = browser_texts()
        self._parts = [part_type(self) for part_type in self.part_types]
        prepared = self.prepared_options(options)
        for part in self._parts:
            part.prepare(prepared)
        self.follow()
        if options.get("state") is not None:
            self.state = options["state"]
        self._ready = True
        self.open()
        selection.observe(self.follow, [*LINKED, "sample"])
        self.observe(self._lead, list(LINKED))
        self.observe(self.follow, "label_threshold")
        self.observe(self._take_upload, "upload")
        self.observe(self._read_as, "read_as")
        self.observe(self._restore, "restore")
        self.observe(self._speak, "language")
        self.observe(self._renew, "refresh")
        self.on_msg(self._answer)
        session.watch(self.look_for_changes)
        self._follows_engine = t.dlink((session.engine, "name"), (self, "engine"))
        replaces_earlier_runs(self)
        for part in self._parts:
            part.start()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        name = cls.__dict__.get("module", "")
        if name:
            cls._esm, cls._css = built(f"{name}.js"), built("nnlens.css")

    def __dir__(self) -> list[str]:
        """Only nnlens's own names, for tab completion: those of ipywidgets are rarely what a user looks for."""
        settable = (
            name
            for name, trait in self.traits(sync=True, request=None).items()
            if not name.startswith("_") and name not in OUTSIDE and not isinstance(trait, (t.Dict, t.Bytes))
        )
        return [*PUBLIC, *(["figure"] if hasattr(type(self), "figure") else []), *settable]

    def prepared_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options as the parts take them."""
        return options

    def open(self) -> None:
        """Open the channel to the browser: once the state is complete, and only if there is a client."""
        if self._ready and not self._static:
            super().open()

    def _answer(self, _: Any, content: Any, buffers: Any) -> None:
        """Tell the browser that the kernel is there: a view whose kernel is gone must say so."""
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
    def session(self) -> Session:
        """What this view shares with the other views of its lens."""
        return self._session

    @property
    def parts(self) -> Sequence[Part]:
        """What the view is made of."""
        return self._parts

    @property
    def is_static(self) -> bool:
        """Whether the view is a page without a kernel from the start; see `nnlens.set_mode`."""
        return self._static

    def part(self, part_type: type[PartType]) -> PartType:
        """The view's part of a type."""
        return next(part for part in self._parts if isinstance(part, part_type))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is being computed; False if `timeout` seconds pass first."""
        self._session.leave_processors()
        return self._session.worker.join(timeout)

    # What changes: the model, and how its scores are read.

    def update(self, *, full: bool = False) -> bool:
        """Record the image again if the model has changed; True if it had. `full` compares all of its weights."""
        sample = self._selection.sample
        now = self._session.samples.current(sample, full=full)
        if now is sample:
            return False
        self._selection.show(now)
        for part in self._parts:
            part.model_changed()
        return True

    def look_for_changes(self) -> None:
        """Mark the view where the model has changed since it was computed: the user's code has run."""
        self.stale = version_of(self._session.model) != self._selection.sample.version

    def _renew(self, change: Any = None) -> None:
        def steps() -> Generator[None, None, None]:
            self.update(full=True)
            yield

        self.submit("image", lambda: self.reported(_("looking at the model again"), steps()))

    def _speak(self, change: Any) -> None:
        """The page around the view has a language: the browser's texts follow it."""
        self.texts = browser_texts(self.language if self.language in LANGUAGES else "en")

    def _read_as(self, change: Any) -> None:
        asked = change["new"]
        if not asked:
            return
        try:
            self._session.read_as(asked.get("task"), asked.get("logits"))
            self.error = None
        except Exception as error:
            self.show_error(error)
        finally:
            self.read_as = None

    # From the selection to the traits, and back.

    def is_outdated(self, name: str, made_of: Any) -> bool:
        """Whether the payload `name` was made of something else before; notes that it is now made of this."""
        if self._made_of.get(name) == made_of:
            return False
        self._made_of[name] = made_of
        return True

    def _updates(self) -> dict[str, Any]:
        sample = self._selection.sample
        made: dict[str, Any] = {}
        if self.is_outdated("sample", sample):
            setup = self._session.setup
            made["photo"] = photo_payload(sample.input, setup.names_in(sample.input), setup.axis_scales)
            if not self.shows_images:
                made["photo"]["name"] = ""
            made["image_number"] = self._images.number_of(sample)
            made["labels"] = [short(name) for name in sample.names] if len(sample.names) <= MOST_LABELS else []
            made["stale"] = False
            made["meaning"] = meaning_payload(sample.meaning, sample.problem, len(sample.logits))
        shown = self.shown_classes()
        if self.is_outdated("scores", (sample, tuple(shown))):
            if len(sample.names) > MOST_LABELS:
                made["shown_labels"] = {str(index): short(sample.names[index]) for index in shown}
            made["scores"] = finite(scores_payload(shown, sample.probabilities, sample.odds()))
        return made

    def shown_classes(self) -> list[int]:
        """The five most probable classes, and the target where it is not among them; of labels all that are there."""
        if not len(self._selection.sample.logits):
            return []
        top = self._selection.sample.shown_classes(self.label_threshold)
        return top if self._selection.target in top else [*top, self._selection.target]

    def _linked(self) -> dict[str, Any]:
        values = {name: getattr(self._selection, name) for name in LINKED}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def follow(self, change: Any = None) -> None:
        """The selection changed: show it."""
        made = self._updates()
        if "photo" in made:
            made |= {name: value for part in self._parts for name, value in part.new_image().items()}
        with self.hold_sync():
            for name, value in {**made, **self._linked()}.items():
                setattr(self, name, value)
            for part in self._parts:
                for name, value in part.updates().items():
                    setattr(self, name, value)
        if self._ready:
            for part in self._parts:
                part.followed(change)

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
        """Take the browser's values; an invalid one is shown as an error and reverted."""
        try:
            super().set_state(sync_data)
        except Exception as error:
            self.show_error(error)
            self.send_state([name for name in sync_data if name in self.keys])

    # The state: what the user has chosen.

    @property
    def state(self) -> str:
        """What is chosen in this view, as a short text: set it, or give it as the option `state`, to return to it.

        The image and the model do not belong to it.
        """
        return encoded(self, self.state_traits)

    @state.setter
    def state(self, text: str) -> None:
        values, before = decoded(text, self.state_traits), self.state
        try:
            self._choose(values)
        except Exception as error:
            self._choose(decoded(before, self.state_traits))
            raise ValueError(f"state does not fit this view: {error}") from error

    def _choose(self, values: dict[str, Any]) -> None:
        with self.hold_sync():
            for name, value in values.items():
                if name in LINKED:
                    value = tuple(value) if isinstance(value, list) else value
                    if getattr(self._selection, name) != value:
                        setattr(self._selection, name, value)
                else:
                    setattr(self, name, value)
            self.follow()

    def _read_again(self, reading: Any) -> None:
        """Read the scores as they were read in an earlier state."""
        meaning = self._selection.sample.meaning
        if reading and meaning is not None and (meaning.task, meaning.logits) != (reading["task"], reading["logits"]):
            self._session.read_as(reading["task"], reading["logits"])

    def _restore(self, change: Any) -> None:
        """The browser asks for an earlier state: the image first, then what was chosen in it."""
        asked = change["new"]
        if not asked:
            return

        def steps() -> Generator[None, None, None]:
            try:
                self._read_again(asked.get("reading"))
                number = int(asked["image"])
                if number != self.image_number:
                    image, position = self._images[number]
                    find = self._session.samples.of
                    self._selection.show(find(image, position=position, scores=self.needs_scores))
                self.state = asked["state"]
                if self.has_trait("mask"):
                    self.mask = None if asked["mask"] is None else bytes(asked["mask"])  # it arrives as a memoryview
            finally:
                self.restore = None
            yield

        self.submit("image", lambda: self.reported(_("restoring"), steps()))

    # Errors and work.

    def show_error(self, error: BaseException) -> None:
        """Show an error in the view, with its traceback to unfold."""
        trace = "".join(traceback.format_exception(error))
        self.error = {"message": reason(error), "traceback": trace}

    def submit(self, lane: str, job: Job) -> None:
        """Do a job in the background, replacing the view's earlier job in that lane."""
        self._session.leave_processors()
        self._session.worker.submit(self, lane, job)

    def cancel_job(self, lane: str, then: Callable[[], None] | None = None) -> None:
        """Stop the view's job in that lane; its results are kept. `then` is called when its last step has ended."""
        self._session.worker.cancel(self, lane, then)

    def reported(self, what: str, steps: Steps) -> Steps:
        """Run a job's steps with its name in `busy`, and show its errors in the view."""
        try:
            for rest in steps:
                self.busy = what
                yield rest
        except Exception as error:
            self.show_error(error)
        finally:
            self.busy = ""

    def _take_upload(self, change: Any) -> None:
        if not change["new"]:
            return
        data, name = bytes(change["new"]["data"]), str(change["new"].get("name") or _("upload"))
        drawn = bool(change["new"].get("drawn"))

        def steps() -> Generator[None, None, None]:
            try:
                # A drawing is the input pixel by pixel, whatever the preprocessing does to other pictures.
                image = redrawn(read_image(data, name), self._selection.sample.input, name) if drawn else data
                self._selection.show(self._session.samples.of(image, name=name))
                self.error = None
            finally:
                self.upload = None  # its bytes need not stay in the state
            yield

        self.submit("image", lambda: self.reported(_("reading the image"), steps()))

    def close(self) -> None:
        """Detach the view from the selection and remove it from the kernel."""
        if getattr(self, "_ready", False):  # ipywidgets also closes what was never built, and closes twice
            self._ready = False
            self._selection.unobserve(self.follow, [*LINKED, "sample"])
            self._follows_engine.unlink()
            for part in self._parts:
                part.close()
            for lane in self._session.worker.lanes:
                self.cancel_job(lane)
            self.layout.close()
        super().close()
