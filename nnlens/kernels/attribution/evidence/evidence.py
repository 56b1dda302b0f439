"""What could refute a map, and in words what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from nnlens.kernels.attribution.registry import method_named
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject
from nnlens.scores.meaning import ScoreKind
from nnlens.utils.suggestions import nearest

from .faithfulness import BaselineCurves, Deletion, Faithfulness
from .randomisation import Randomisation, randomisation_steps
from .similarity import edges, spearman
from .stability import SeedSpread, Sensitivity, seed_spread_steps, sensitivity_steps

Check = Literal["faithfulness", "randomisation", "seeds", "sensitivity"]
CHECKS: tuple[Check, ...] = ("faithfulness", "randomisation", "seeds", "sensitivity")
Verdict = Literal["good", "doubtful", "bad", "plain"]
LEVELS, SEEDS, SAMPLES, ORDERS, STEPS = 5, 3, 5, 5, 28  # how much of each check is done


@dataclass(frozen=True)
class Finding:
    """One finding: which check, what it means for the map, and in words."""

    check: str
    verdict: Verdict
    words: str


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """The checks of one map, as far as they were made.

    Attributes
    ----------
    attribution : Attribution
    edges : float
        The rank correlation of the map's magnitude with an edge detector's, which knows no network.
    faithfulness, randomisation, seeds, sensitivity
        None where a check was not made.
    skipped : mapping
        The checks that were left out for their cost → about how many forward passes each would take.
    failed : mapping
        The checks that could not be made → why.
    """

    attribution: Attribution
    edges: float
    faithfulness: Faithfulness | None = None
    randomisation: Randomisation | None = None
    seeds: SeedSpread | None = None
    sensitivity: Sensitivity | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """What was found, the gravest first."""
        found = [*self._of_itself(), *self._of_the_curves(), *self._of_the_weights(), *self._of_chance()]
        order = ("bad", "doubtful", "good", "plain")
        return sorted(found, key=lambda one: order.index(one.verdict))

    def describe(self) -> str:
        return "\n".join(f"{one.verdict:9} {one.words}" for one in self.findings())

    def __repr__(self) -> str:
        return f"Evidence({self.attribution.method})\n{self.describe()}"

    def numbers(self) -> dict[str, float]:
        """Each check as one number.

        The areas under the curves and by how much they beat the mean random order, the rank correlation that is left
        when the last layers are randomised, that over seeds, the relative change by noise, R².
        """
        found = {"edges": self.edges}
        if self.faithfulness is not None:
            own, (deletion, insertion) = self.faithfulness.own, self.faithfulness.margin()
            found |= {"deletion": own.deletion_area, "insertion": own.insertion_area}
            found |= {"deletion gain": deletion, "insertion gain": insertion}
        if self.randomisation is not None and self.randomisation.cascading:
            found["kept when randomised"] = self.randomisation.kept
        if self.seeds is not None:
            found["seeds"] = float(self.seeds.correlations.mean())
        if self.sensitivity is not None:
            found["sensitivity"] = self.sensitivity.largest
        if self.attribution.surrogate is not None:
            found["R²"] = self.attribution.surrogate.r2
        return found

    def _of_itself(self) -> Iterator[Finding]:
        found = self.attribution
        if found.all_zero:
            yield Finding("map", "bad", "The map is all zero: it tells nothing about this image.")
            return
        if not method_named(found.method).class_specific:
            yield Finding("map", "doubtful", "The map is the same for every class: it cannot say why this one.")
        if found.delta is not None and found.promised is not None:
            share = abs(found.delta) / max(abs(found.promised), 1e-12)
            words = f"The values add up to {found.promised + found.delta:.3g}; {found.promised:.3g} is promised"
            if share <= 0.05:
                yield Finding("completeness", "good", f"{words}: complete.")
            else:
                verdict: Verdict = "doubtful" if share <= 0.2 else "bad"
                much = "more" if share < 10 else "far more"
                yield Finding("completeness", verdict, f"{words}: it does not add up, so take {much} steps.")
        if found.surrogate is not None and not np.isnan(found.surrogate.r2):
            r2 = found.surrogate.r2
            words = f"Switching superpixels is {r2:.0%} linear (R²)".replace("%", " %")
            if r2 >= 0.7:
                yield Finding("linearity", "good", f"{words}: the coefficients sum it up well.")
            elif r2 >= 0.4:
                yield Finding("linearity", "doubtful", f"{words}: they act together in part, beyond any coefficient.")
            else:
                yield Finding("linearity", "bad", f"{words}: the coefficients explain little of what the network does.")
        if self.edges >= 0.6:
            yield Finding(
                "edges",
                "doubtful",
                f"It looks like the image's edges (rank correlation {self.edges:.2f}), which need no network.",
            )

    def _of_the_curves(self) -> Iterator[Finding]:
        if self.faithfulness is None or self.attribution.all_zero:
            return
        found, beats = self.faithfulness, self.faithfulness.beats_chance()
        own, orders = found.own, len(found.baselines.random)
        ranges = ["{:.2g}…{:.2g}".format(*found.spread(kind)) for kind in ("deletion", "insertion")]
        numbers = (
            f"deletion {own.deletion_area:.2g} against {ranges[0]} of random orders, "
            f"insertion {own.insertion_area:.2g} against {ranges[1]}"
        )
        if found.moves < 0.05:
            yield Finding("faithfulness", "plain", "The score hardly moves, whatever is deleted.")
            return
        if not any(beats):
            yield Finding(
                "faithfulness", "bad", f"The score does not follow it more than {orders} random orders ({numbers})."
            )
            return
        if max(found.margin("edges")) <= 0:
            yield Finding(
                "faithfulness", "bad", f"The score follows it no more than it follows the image's edges ({numbers})."
            )
            return
        if all(beats) and min(found.margin("edges")) > 0:
            yield Finding("faithfulness", "good", f"The score follows it: {numbers}; better than the edges, too.")
            return
        half = "insertion" if beats[0] else "deletion"
        why = f"not for {half}" if not all(beats) else "the edges do as well in one of them"
        yield Finding("faithfulness", "doubtful", f"The score follows it in part: {numbers}; {why}.")

    def _of_the_weights(self) -> Iterator[Finding]:
        if self.randomisation is None or self.attribution.all_zero or not self.randomisation.cascading:
            return
        kept = self.randomisation.kept
        if np.isnan(kept):
            yield Finding("randomisation", "plain", "The map does not vary, with these weights or with others.")
            return
        words = f"rank correlation {kept:.2f} when the last layers are randomised"
        if kept >= 0.75:
            yield Finding(
                "randomisation",
                "bad",
                f"It hardly changes ({words}): it shows the image's own structure, not the reasons for this class.",
            )
        elif kept >= 0.5:
            yield Finding(
                "randomisation", "doubtful", f"Much of it stays ({words}): that part is the image's own pattern."
            )
        else:
            yield Finding("randomisation", "good", f"It depends on what the last layers learned ({words}).")

    def _of_chance(self) -> Iterator[Finding]:
        if self.seeds is not None and not self.attribution.all_zero:
            mean = float(self.seeds.correlations.mean())
            verdict: Verdict = "good" if mean >= 0.8 else "doubtful" if mean >= 0.5 else "bad"
            advice = "" if verdict == "good" else ": take more samples"
            words = self.seeds.describe()
            yield Finding("seeds", verdict, f"{words[0].upper()}{words[1:]}{advice}.")
        if self.sensitivity is not None and not self.attribution.all_zero:
            largest = self.sensitivity.largest
            verdict = "good" if largest <= 0.5 else "doubtful" if largest <= 1 else "bad"
            words = self.sensitivity.describe()
            yield Finding("sensitivity", verdict, f"{words[0].upper()}{words[1:]}.")


def evidence_cost(method: str, options: Mapping[str, Any], check: Check, image: tuple[int, int] = (224, 224)) -> int:
    """About how many forward passes a check takes, a backward pass counting as two.

    The random orders of the faithfulness check, which all methods share, are not counted.
    """
    own = method_named(method).cost(image, **options)
    if check == "faithfulness":
        return 2 * (STEPS + 1)
    return own * {"randomisation": 2 * LEVELS, "seeds": SEEDS - 1, "sensitivity": SAMPLES}[check]


def baseline_curves_steps(
    subject: Subject, *, score: ScoreKind = "probability", **options: Any
) -> Iterator[tuple[Deletion, BaselineCurves | None]]:
    """What the faithfulness of all maps of one target is measured with, by this score; the last one is whole."""
    deletion = Deletion(_by_score(subject, score), **{"steps": STEPS, **options})
    for baselines in deletion.baseline_curves_steps(ORDERS):
        yield deletion, baselines


def evidence_steps(
    subject: Subject,
    found: Attribution,
    options: Mapping[str, Any],
    *,
    checks: Sequence[Check] = CHECKS,
    most: int | None = None,
    baselines: tuple[Deletion, BaselineCurves] | None = None,
    before: Evidence | None = None,
) -> Iterator[Evidence]:
    """The evidence of a map as it comes in, the quickest check first.

    Parameters
    ----------
    found : Attribution
        Of this subject, made with `options`.
    checks : sequence of str
        Which are made: "faithfulness", "randomisation", "seeds", "sensitivity".
    most : int, optional
        Checks that take more forward passes than this are left out, and listed in `skipped`.
    baselines : optional
        Of the same target, where it is at hand.
    before : Evidence, optional
        What is known of the map already.
    """
    for name in checks:
        if name not in CHECKS:
            raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {name!r}{nearest(str(name), CHECKS)}")
    wanted = [name for name in CHECKS if name in checks]
    if not method_named(found.method).random or found.parameters.get("exact"):
        wanted = [name for name in wanted if name != "seeds"]
    height, width = found.values.shape[1:]
    costs = {name: evidence_cost(found.method, options, name, (height, width)) for name in wanted}
    skipped: dict[str, int] = {name: cost for name, cost in costs.items() if most is not None and cost > most}
    evidence = before or Evidence(found, _edges(subject, found))
    evidence = replace(evidence, skipped=skipped)
    yield evidence
    given = dict(options)
    for name in wanted:
        if name in skipped:
            continue
        try:
            steps: Iterator[Any]
            if name == "faithfulness":
                yard = baselines
                if yard is None:
                    for deletion, whole in baseline_curves_steps(subject):
                        yield evidence
                        if whole is not None:
                            yard = deletion, whole
                assert yard is not None
                evidence = replace(evidence, faithfulness=Faithfulness(yard[0].of(found.importance()), yard[1]))
                yield evidence
                continue
            if name == "randomisation":
                steps = randomisation_steps(subject, found, given, levels=LEVELS)
            elif name == "seeds":
                steps = seed_spread_steps(subject, found, given, seeds=SEEDS)
            else:
                steps = sensitivity_steps(subject, found, given, samples=SAMPLES)
            for step in steps:
                parts: dict[str, Any] = {name: step}
                evidence = replace(evidence, **parts)
                yield evidence
        except (ValueError, TypeError, RuntimeError) as error:
            evidence = replace(evidence, failed={**evidence.failed, name: str(error)})
            yield evidence


def _edges(subject: Subject, found: Attribution) -> float:
    correlation = spearman(found.magnitude(), edges(subject.x))
    return 0.0 if np.isnan(correlation) else correlation


def _by_score(subject: Subject, score: ScoreKind) -> Subject:
    if subject.score == score:
        return subject
    return Subject(
        subject.model,
        subject.x,
        target=subject.target,
        score=score,
        output=subject.output,
        recording=subject.recording,
        prepared=subject.passes.prepared,
    )
