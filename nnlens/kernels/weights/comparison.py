"""A layer's statistics beside those of something else: its own initialisation, a checkpoint, another model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from nnlens.utils.language import _, number, plural

from .initial import initial_weight
from .measures import measures
from .statistics import FilterStatistics
from .weight import Weight

DRAWS = 20
_FAR = 5  # standard deviations of the draws
# Where the draws vary less than this share of their mean, their spread is rounding.
_NO_SPREAD = 1e-9


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One number of a layer beside the same number of the references.

    Attributes
    ----------
    name : str
        One of `measures()`.
    value : float
    references : tuple of float
        Of each draw of the initialisation, or of the one other model.
    """

    name: str
    value: float
    references: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the references."""
        return float(np.mean(self.references)) if self.references else float("nan")

    @property
    def low(self) -> float:
        """The smallest reference."""
        return min(self.references, default=float("nan"))

    @property
    def high(self) -> float:
        """The largest reference."""
        return max(self.references, default=float("nan"))

    @property
    def score(self) -> float:
        """(value − mean) ÷ standard deviation of the references; NaN for fewer than three, or without a spread."""
        if len(self.references) < 3:
            return float("nan")
        spread = float(np.std(self.references, ddof=1))
        return (self.value - self.mean) / spread if spread > _NO_SPREAD * abs(self.mean) else float("nan")

    @property
    def p(self) -> float:
        """How often a further draw would be at least as far from the others' mean: (1 + as far) ÷ (1 + draws).

        With 20 draws at least 1 ÷ 21. NaN for fewer than three references.
        """
        if len(self.references) < 3 or not np.isfinite([self.value, *self.references]).all():
            return float("nan")
        far = sum(abs(reference - self.mean) >= abs(self.value - self.mean) for reference in self.references)
        return (1 + far) / (1 + len(self.references))

    @property
    def differs(self) -> bool:
        """Whether it is far from all draws: outside their range, and five of their standard deviations from the mean.

        The second is left out where they do not vary. Beside one other model, whether it is a tenth off.
        """
        if not self.references or not np.isfinite(self.references).all():
            return False
        if len(self.references) == 1:
            return abs(self.value - self.mean) > 0.1 * abs(self.mean)
        return self.outside and not abs(self.score) < _FAR  # a score that is NaN is not near

    @property
    def outside(self) -> bool:
        """Whether the value lies outside the range of all references."""
        return bool(np.isfinite(self.value)) and not self.low <= self.value <= self.high


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Comparison:
    """The statistics of a layer, and of its references.

    Attributes
    ----------
    statistics : FilterStatistics
    references : tuple of FilterStatistics
        The draws of the initialisation (the first is shown beside the layer), or the same layer of another model.
    against : str
        What the references are, in words.
    is_random : bool
        Whether they are draws of the initialisation.
    numbers : dict of Compared
        By the names of `measures()`; those that the layer has no value for are left out.
    problem : str
        Why there is nothing to compare with; empty otherwise.
    """

    statistics: FilterStatistics
    references: tuple[FilterStatistics, ...]
    against: str
    is_random: bool
    numbers: dict[str, Compared] = field(repr=False)
    problem: str = ""

    def __repr__(self) -> str:
        return f"Comparison({self.statistics.weight.name!r} against {self.against}: {len(self.references)} references)"

    def findings(self) -> list[str]:
        """What differs, by how much and how certain it is, in sentences."""
        lines = _spectrum_words(self) + _shape_words(self) + _orientation_words(self) + _filter_words(self)
        return [*lines, self.problem] if self.problem else lines


def compare(weight: Weight, references: list[Weight], *, against: str, is_random: bool = False) -> Comparison:
    """A layer's statistics beside those of the same layer elsewhere."""
    statistics = FilterStatistics(weight)
    others = tuple(FilterStatistics(reference) for reference in references)
    numbers = {}
    for name, measure in measures().items():
        value = measure.value(statistics)
        if np.isfinite(value):
            numbers[name] = Compared(name=name, value=value, references=tuple(measure.value(other) for other in others))
    problem = "" if references or is_random else _("There is no such layer to compare with.")
    return Comparison(
        statistics=statistics,
        references=others,
        against=against,
        is_random=is_random,
        numbers=numbers,
        problem=problem,
    )


def compare_with_initial(weight: Weight, *, draws: int = DRAWS, seed: int = 0) -> Comparison:
    """A layer's statistics beside draws of its initialisation; see `initial_weight`.

    Parameters
    ----------
    draws : int
        How many; more make the range that chance covers more certain. 0 for no comparison.
    seed : int
        Of the first draw.
    """
    *_, last = compare_with_initial_steps(weight, draws=draws, seed=seed)
    return last


def compare_with_initial_steps(weight: Weight, *, draws: int = DRAWS, seed: int = 0) -> Iterator[Comparison]:
    """The same after no draw, and after each further one."""
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0:
        raise ValueError(f"draws must be a whole number, 0 or more, got {draws!r}")
    against = _("its initialisation")
    result = compare(weight, [], against=against, is_random=True)
    yield result
    known = measures()
    for draw in range(draws):
        try:
            drawn = initial_weight(weight, seed + draw)
        except ValueError as error:
            yield replace(result, problem=_("There is nothing to compare with: {error}.", error=error))
            return
        if drawn is None:
            why = _("There is nothing to compare with: the module has no reset_parameters of its own.")
            yield replace(result, problem=why)
            return
        other = FilterStatistics(drawn)
        numbers = {
            name: Compared(name=name, value=item.value, references=(*item.references, known[name].value(other)))
            for name, item in result.numbers.items()
        }
        # Of the draws after the first only the numbers are kept.
        references = result.references or (other,)
        result = Comparison(
            statistics=result.statistics, references=references, against=against, is_random=True, numbers=numbers
        )
        yield result


def limits_of_what_it_shows() -> str:
    """What no comparison of weights with their initialisation can tell."""
    return _(
        "This shows that training changed the weights and where. It does not show whether the network generalises: "
        "networks that memorise random labels leave their initialisation too."
    )


def shown(value: float, digits: str = ".2g") -> str:
    """A number as a sentence shows it."""
    return number(f"{value:{digits}}").replace("-", "−")


def _beside(item: Compared, digits: str = ".2g") -> str:
    """The references of a number, in words: "0.02–0.05 in 20 draws", or "0.31 there"."""
    if len(item.references) == 1:
        return _("{value} there", value=shown(item.references[0], digits))
    low, high = shown(item.low, digits), shown(item.high, digits)
    words = low if low == high else f"{low} … {high}"
    return _("{range} in {count} draws", range=words, count=len(item.references))


def _spectrum_words(comparison: Comparison) -> list[str]:
    spectrum, item = comparison.statistics.spectrum, comparison.numbers.get("energy above random")
    lines = []
    if item is not None and item.references:
        lines.append(
            plural(
                "{count} of {all} singular directions is stronger than in random weights of this size; it holds "
                "{share} % of the squared weights ({beside}).",
                "{count} of {all} singular directions are stronger than in random weights of this size; they hold "
                "{share} % of the squared weights ({beside}).",
                spectrum.above,
                all=len(spectrum.values),
                share=number(f"{100 * item.value:.0f}"),
                beside=_beside(item),
            )
        )
    tail = spectrum.tail
    if tail is not None:
        words = _(
            "A power law with α = {alpha} ± {error} fits the {tail} largest of {count} eigenvalues from {xmin} on; D = "
            "{distance}",
            alpha=number(f"{tail.alpha:.2f}"),
            error=number(f"{tail.error:.2f}"),
            tail=tail.count,
            count=tail.of,
            xmin=number(f"{tail.xmin:.3g}"),
            distance=number(f"{tail.distance:.3f}"),
        )
        if tail.distance > tail.critical:
            words += _(", more than chance allows ({critical}): do not use α.", critical=number(f"{tail.critical:.3f}"))
        elif not tail.follows:
            words += _(": too few values to tell a power law from other laws.")
        else:
            words += _(", within what chance allows ({critical}).", critical=number(f"{tail.critical:.3f}"))
        lines.append(words)
    return lines


def _shape_words(comparison: Comparison) -> list[str]:
    lines = []
    for name, more, less in (
        (
            "kurtosis",
            _("The weights have longer tails than in the reference: excess kurtosis {value} ({beside})."),
            _("The weights have shorter tails than in the reference: excess kurtosis {value} ({beside})."),
        ),
        (
            "norm spread",
            _("The filters' norms differ more than in the reference: spread {value} ({beside})."),
            _("The filters' norms differ less than in the reference: spread {value} ({beside})."),
        ),
        (
            "filter skewness",
            _("Filters lean to one sign more than in the reference: median skewness {value} ({beside})."),
            _("Filters lean to one sign less than in the reference: median skewness {value} ({beside})."),
        ),
    ):
        item = comparison.numbers.get(name)
        if item is not None and item.differs:
            words = more if item.value > item.mean else less
            lines.append(words.format(value=shown(item.value), beside=_beside(item)))
    return lines


def _orientation_words(comparison: Comparison) -> list[str]:
    statistics = comparison.statistics
    if statistics.orientation is None:
        return []
    lines = []
    for name, words in (
        ("orientation", _("The filters vary mostly in one direction: mean vector {value} ({beside}), p = {p}.")),
        (
            "axes",
            _("The filters vary mostly in two directions at right angles: mean vector {value} ({beside}), p = {p}."),
        ),
    ):
        item = comparison.numbers.get(name)
        test = statistics.orientation.uniformity(1 if name == "orientation" else 2)
        if item is not None and item.differs and item.value > item.mean and test.p < 0.05:
            lines.append(
                words.format(value=number(f"{item.value:.2f}"), beside=_beside(item), p=number(f"{test.p:.2g}"))
            )
    if not lines and "axes" in comparison.numbers and comparison.references:
        lines.append(_("The directions in which the filters vary are spread as evenly as in the reference."))
    gabor, noise = statistics.gabor, statistics.gabor_of_noise
    if gabor is not None and noise is not None and np.isfinite(gabor.r_squared).any():
        best = float(noise.r_squared.max())
        lines.append(
            _(
                "{count} of {filters} filters fit a Gabor function better than any of {noise} patterns of noise did "
                "(R² {best}); median R² {median}.",
                count=int((gabor.r_squared > best).sum()),
                filters=len(gabor),
                noise=len(noise),
                best=number(f"{best:.2f}"),
                median=number(f"{float(np.nanmedian(gabor.r_squared)):.2f}"),
            )
        )
    return lines


def _filter_words(comparison: Comparison) -> list[str]:
    statistics = comparison.statistics
    lines = []
    if dead := int(statistics.dead.sum()):
        lines.append(plural("{count} filter is dead.", "{count} filters are dead.", dead))
    if statistics.redundant:
        item = comparison.numbers["redundant"]
        words = plural(
            "{count} filter is nearly the same as another one",
            "{count} filters are nearly the same as another one",
            statistics.redundant,
        )
        lines.append(f"{words} ({_beside(item)})." if item.references else f"{words}.")
    return lines
