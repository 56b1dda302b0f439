"""The checks that could refute a map, and their findings in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from nnlens.kernels.attribution.registry import method_named
from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject
from nnlens.scores.meaning import ScoreKind
from nnlens.utils.language import _, number
from nnlens.utils.suggestions import nearest

from . import thresholds
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
    """One finding: the check, what it means for the map, and a description in words."""

    check: str
    verdict: Verdict
    words: str


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Evidence:
    """The checks of one map, as far as they have been run.

    Attributes
    ----------
    attribution : Attribution
    edges : float
        The rank correlation of the map's magnitude with that of an edge detector, which does not depend on the network.
    faithfulness, randomisation, seeds, sensitivity
        None where a check was not run.
    skipped : mapping
        The checks that were left out for their cost → about how many forward passes each would take.
    failed : mapping
        The checks that could not be run → why.
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
        """All findings, the most serious first."""
        result = [*self._of_itself(), *self._of_the_curves(), *self._of_the_weights(), *self._of_chance()]
        order = ("bad", "doubtful", "good", "plain")
        return sorted(result, key=lambda item: order.index(item.verdict))

    def describe(self) -> str:
        """All findings as text, one in each line."""
        return "\n".join(f"{verdict_words(finding.verdict):9} {finding.words}" for finding in self.findings())

    def __repr__(self) -> str:
        return f"Evidence({self.attribution.method})\n{self.describe()}"

    def numbers(self) -> dict[str, float]:
        """Each check as one number.

        The areas under the curves and how much better they are than the mean random order, the remaining rank
        correlation when the last layers are randomised, the correlation between seeds, the relative change under noise,
        R².
        """
        result = {"edges": self.edges}
        if self.faithfulness is not None:
            own, (deletion, insertion) = self.faithfulness.own, self.faithfulness.margin()
            result |= {"deletion": own.deletion_area, "insertion": own.insertion_area}
            result |= {"deletion gain": deletion, "insertion gain": insertion}
        if self.randomisation is not None and self.randomisation.cascading:
            result["correlation after randomisation"] = self.randomisation.remaining
        if self.seeds is not None:
            result["seeds"] = float(self.seeds.correlations.mean())
        if self.sensitivity is not None:
            result["sensitivity"] = self.sensitivity.largest
        if self.attribution.surrogate is not None:
            result["R²"] = self.attribution.surrogate.r2
        return result

    def _of_itself(self) -> Iterator[Finding]:
        result = self.attribution
        if result.all_zero:
            yield Finding("map", "bad", _("The map is all zero: it says nothing about this input."))
            return
        if not method_named(result.method).class_specific:
            words = _("The map is the same for every class: it cannot say why this one.")
            yield Finding("map", "doubtful", words)
        if result.delta is not None and result.expected is not None:
            share = abs(result.delta) / max(abs(result.expected), 1e-12)
            words = _(
                "The values add up to {sum}; {expected} is expected",
                sum=number(f"{result.expected + result.delta:.3g}"),
                expected=number(f"{result.expected:.3g}"),
            )
            if share <= thresholds.COMPLETE:
                yield Finding("completeness", "good", _("{finding}: complete.", finding=words))
            else:
                verdict: Verdict = "doubtful" if share <= thresholds.NEARLY_COMPLETE else "bad"
                advice = (
                    _("{finding}: they do not add up, so use more steps.", finding=words)
                    if share < thresholds.FAR_FROM_COMPLETE
                    else _("{finding}: they do not add up, so use far more steps.", finding=words)
                )
                yield Finding("completeness", verdict, advice)
        if result.surrogate is not None and not np.isnan(result.surrogate.r2):
            r2 = result.surrogate.r2
            share_words = f"{r2:.0%}".replace("%", " %")
            words = _("The effect of switching parts off is {share} linear (R²)", share=share_words)
            if r2 >= thresholds.LINEAR:
                yield Finding("linearity", "good", _("{finding}: the coefficients sum it up well.", finding=words))
            elif r2 >= thresholds.PARTLY_LINEAR:
                words = _("{finding}: they partly interact, which no coefficient shows.", finding=words)
                yield Finding("linearity", "doubtful", words)
            else:
                words = _("{finding}: the coefficients explain little of what the network does.", finding=words)
                yield Finding("linearity", "bad", words)
        if self.edges >= thresholds.LIKE_EDGES:
            yield Finding(
                "edges",
                "doubtful",
                _(
                    "It looks like the image's edges (rank correlation {correlation}), which need no network.",
                    correlation=number(f"{self.edges:.2f}"),
                ),
            )

    def _of_the_curves(self) -> Iterator[Finding]:
        if self.faithfulness is None or self.attribution.all_zero:
            return
        result, beats = self.faithfulness, self.faithfulness.beats_chance()
        own, orders = result.own, len(result.baselines.random)
        ranges = ["{:.2g}…{:.2g}".format(*result.spread(kind)) for kind in ("deletion", "insertion")]
        numbers = _(
            "deletion {deletion} against {random_deletion} of random orders, "
            "insertion {insertion} against {random_insertion}",
            deletion=number(f"{own.deletion_area:.2g}"),
            random_deletion=number(ranges[0]),
            insertion=number(f"{own.insertion_area:.2g}"),
            random_insertion=number(ranges[1]),
        )
        if result.moves < thresholds.SCORE_MOVES:
            yield Finding("faithfulness", "plain", _("The score hardly moves, whatever is deleted."))
            return
        if not any(beats):
            words = _(
                "The score follows it no better than {orders} random orders ({numbers}).",
                orders=orders,
                numbers=numbers,
            )
            yield Finding("faithfulness", "bad", words)
            return
        if max(result.margin("edges")) <= 0:
            words = _("The score follows it no better than the image's edges ({numbers}).", numbers=numbers)
            yield Finding("faithfulness", "bad", words)
            return
        if all(beats) and min(result.margin("edges")) > 0:
            words = _("The score follows it: {numbers}; better than the edges, too.", numbers=numbers)
            yield Finding("faithfulness", "good", words)
            return
        if all(beats):
            why = _("the edges do equally well in one of them")
        else:
            why = _("not for insertion") if beats[0] else _("not for deletion")
        words = _("The score follows it in part: {numbers}; {why}.", numbers=numbers, why=why)
        yield Finding("faithfulness", "doubtful", words)

    def _of_the_weights(self) -> Iterator[Finding]:
        if self.randomisation is None or self.attribution.all_zero or not self.randomisation.cascading:
            return
        remaining = self.randomisation.remaining
        if np.isnan(remaining):
            words = _("The map does not vary, with these weights or with others.")
            yield Finding("randomisation", "plain", words)
            return
        words = _(
            "rank correlation {correlation} when the last layers are randomised",
            correlation=number(f"{remaining:.2f}"),
        )
        if remaining >= thresholds.UNCHANGED:
            yield Finding(
                "randomisation",
                "bad",
                _(
                    "It hardly changes ({finding}): it shows the input's own structure, not the reasons for this "
                    "class.",
                    finding=words,
                ),
            )
        elif remaining >= thresholds.PARTLY_UNCHANGED:
            words = _("Much of it stays ({finding}): that part is the input's own pattern.", finding=words)
            yield Finding("randomisation", "doubtful", words)
        else:
            words = _("It depends on what the last layers learned ({finding}).", finding=words)
            yield Finding("randomisation", "good", words)

    def _of_chance(self) -> Iterator[Finding]:
        if self.seeds is not None and not self.attribution.all_zero:
            mean = float(self.seeds.correlations.mean())
            verdict: Verdict = _verdict(mean >= thresholds.SAME_BY_SEED, mean >= thresholds.SIMILAR_BY_SEED)
            advice = "" if verdict == "good" else _(": take more samples")
            words = self.seeds.describe()
            yield Finding("seeds", verdict, f"{words[0].upper()}{words[1:]}{advice}.")
        if self.sensitivity is not None and not self.attribution.all_zero:
            largest = self.sensitivity.largest
            verdict = _verdict(largest <= thresholds.STABLE, largest <= thresholds.HARDLY_STABLE)
            words = self.sensitivity.describe()
            yield Finding("sensitivity", verdict, f"{words[0].upper()}{words[1:]}.")


def verdict_words(verdict: Verdict) -> str:
    """A verdict in the user's language."""
    return {"good": _("good"), "doubtful": _("doubtful"), "bad": _("bad"), "plain": _("plain")}[verdict]


def check_words(check: str) -> str:
    """What a finding or a check is about, in the user's language."""
    words = {
        "map": _("map"),
        "completeness": _("completeness"),
        "linearity": _("linearity"),
        "edges": _("edges"),
        "faithfulness": _("faithfulness"),
        "randomisation": _("randomisation"),
        "seeds": _("seeds"),
        "sensitivity": _("sensitivity"),
    }
    return words.get(check, check)


def _verdict(good: bool, doubtful: bool) -> Verdict:
    return "good" if good else "doubtful" if doubtful else "bad"


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
    """The baselines for the faithfulness of all maps of one target; the last one is complete."""
    deletion = Deletion(_by_score(subject, score), **{"steps": STEPS, **options})
    for baselines in deletion.baseline_curves_steps(ORDERS):
        yield deletion, baselines


def evidence_steps(
    subject: Subject,
    result: Attribution,
    options: Mapping[str, Any],
    *,
    checks: Sequence[Check] = CHECKS,
    max_passes: int | None = None,
    baselines: tuple[Deletion, BaselineCurves] | None = None,
    before: Evidence | None = None,
) -> Iterator[Evidence]:
    """The evidence of a map, growing: the fastest check first.

    Parameters
    ----------
    result : Attribution
        A map of this subject, computed with `options`.
    checks : sequence of str
        Which ones to run: "faithfulness", "randomisation", "seeds", "sensitivity".
    max_passes : int, optional
        Checks that take more forward passes than this are left out, and listed in `skipped`.
    baselines : optional
        Those of the same target, if already computed.
    before : Evidence, optional
        The evidence so far.
    """
    for name in checks:
        if name not in CHECKS:
            raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {name!r}{nearest(str(name), CHECKS)}")
    wanted = [name for name in CHECKS if name in checks]
    if not method_named(result.method).random or result.parameters.get("exact"):
        wanted = [name for name in wanted if name != "seeds"]
    height, width = result.values.shape[1:]
    costs = {name: evidence_cost(result.method, options, name, (height, width)) for name in wanted}
    skipped: dict[str, int] = {
        name: cost for name, cost in costs.items() if max_passes is not None and cost > max_passes
    }
    evidence = before or Evidence(attribution=result, edges=_edges(subject, result))
    evidence = replace(evidence, skipped=skipped)
    yield evidence
    value = dict(options)
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
                evidence = replace(evidence, faithfulness=Faithfulness(yard[0].of(result.importance()), yard[1]))
                yield evidence
                continue
            if name == "randomisation":
                steps = randomisation_steps(subject, result, value, levels=LEVELS)
            elif name == "seeds":
                steps = seed_spread_steps(subject, result, value, seeds=SEEDS)
            else:
                steps = sensitivity_steps(subject, result, value, samples=SAMPLES)
            for step in steps:
                parts: dict[str, Any] = {name: step}
                evidence = replace(evidence, **parts)
                yield evidence
        except (ValueError, TypeError, RuntimeError) as error:
            evidence = replace(evidence, failed={**evidence.failed, name: str(error)})
            yield evidence


def _edges(subject: Subject, result: Attribution) -> float:
    if subject.x.ndim == 4 and subject.x.shape[2] == 1:
        return float("nan")  # tokens, or a signal: what lies beside each other makes no edge
    correlation = spearman(result.magnitude(), edges(subject.x))
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
