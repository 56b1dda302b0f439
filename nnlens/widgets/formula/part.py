"""The expression, its whole forms and its code."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import traitlets as t
from torch import Tensor, nn

from nnlens.recording import borrow
from nnlens.render import Panel
from nnlens.render.functions import payloads
from nnlens.scores.meaning import pick_output
from nnlens.utils.language import _, number
from nnlens.widgets.base.part import Part
from nnlens.widgets.base.traits import payload, synced

if TYPE_CHECKING:
    from nnlens.kernels.formula import Formula

_POINTS = 1000  # at which it is compared with the network
_SPREAD = 2.0  # of these points around the input, in standard deviations of 1


class FormulaTraits(t.HasTraits):
    """The traits of `FormulaPart`."""

    formula = payload(payloads.FormulaPayload, "the network as named sub-expressions, layer by layer")
    whole = payload(payloads.WholePayload, "the outputs as single expressions; null where they would be too long")
    whole_problem = synced(t.Unicode("", help="why there is no single expression"))
    form = synced(t.Enum(("layers", "whole", "simplified"), "layers", help="how the expression is written"), state=True)
    digits = synced(t.Int(4, min=1, max=17, help="significant digits of the numbers"), state=True)
    inputs_at = synced(t.List(t.Float(), help="the values of the inputs"), list[float], state=True)
    varied = synced(t.Int(0, min=0, help="the input that the curve varies"), state=True)
    formula_code = payload(payloads.FormulaCode, "the formula as LaTeX, Python and C")


class FormulaPart(Part):
    """Written once for the lens's model; the page computes with it."""

    traits: FormulaTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self._x = self._input(options.get("x"))
        if options.get("digits") is not None:
            self.traits.digits = options["digits"]
        self._write()
        self.traits.inputs_at = [float(value) for value in self._x.flatten()]
        if options.get("form") is not None:
            self.traits.form = options["form"]

    def start(self) -> None:
        if not self.traits.inputs_at:  # a state without them
            self.traits.inputs_at = [float(value) for value in self._x.flatten()]
        self._check_length(self.traits.inputs_at)
        found = self.traits.formula_code
        if found is None or found["digits"] != self.traits.digits:  # the option `state` has set others
            self._write_code()
        self.observe("digits", self._code_again)
        self.observe("form", self._form_again)
        self.observe("inputs_at", self._check_inputs)
        self._form_again({"new": self.traits.form})

    def _input(self, x: Any) -> Tensor:
        if x is None:
            with_weights = (module for module in self.session.model.modules() if list(module.parameters(recurse=False)))
            first = next(with_weights, None)
            if not isinstance(first, nn.Linear):
                raise ValueError("x must be given, an input (1, …): the model does not begin with a linear layer")
            return torch.zeros(1, first.in_features)
        if isinstance(x, (list, tuple)):
            x = np.asarray(x, float)
        if isinstance(x, np.ndarray) and x.ndim <= 2:
            x = torch.from_numpy(x)
        if isinstance(x, Tensor):
            made = x.detach().cpu().float()
            if not bool(torch.isfinite(made).all()):
                raise ValueError("x must be finite, but some of its values are NaN or infinite")
            return made[None] if made.ndim == 1 else made
        return self.session.samples.of(x).input.x.cpu().float()

    def result(self) -> Formula:
        """The formula."""
        return self._formula

    def _write(self) -> None:
        # sympy takes a third of a second to import, which other views need not wait for.
        from nnlens.kernels.formula import FormulaTooLargeError, formula
        from nnlens.render.functions.formula import definitions_payload, formula_payload

        model, pick = self.session.model, self.session.setup.pick
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self._formula = formula(model, self._x.to(device), output=pick)
        difference = self._difference(device)
        start = [float(value) for value in self._x.flatten()]
        self.traits.formula = formula_payload(self._formula, start, difference, _POINTS)
        self.traits.whole_problem = ""
        try:
            wholes = [self._formula.expression(place) for place in range(len(self._formula.outputs))]
        except FormulaTooLargeError as error:
            self._wholes = []
            self.traits.whole, self.traits.whole_problem = None, str(error)
        else:
            self._wholes = wholes
            self.traits.whole = {"expanded": definitions_payload(self._named(wholes)), "simplified": None}
        self._write_code()

    def _named(self, expressions: list[Any]) -> list[Any]:
        from nnlens.kernels.formula import Definition

        return [Definition(name, value) for name, value in zip(self._formula.outputs, expressions, strict=True)]

    def _difference(self, device: torch.device) -> float:
        """The largest difference from the network in double precision, at random points around the input."""
        from nnlens.kernels.functions.local_map import doubled

        noise = torch.randn(_POINTS, *self._x.shape[1:], generator=torch.Generator().manual_seed(0)).double()
        points = self._x.double() + _SPREAD * noise
        exact = doubled(self.session.model)
        with borrow(exact), torch.no_grad():
            rows = [
                pick_output(exact(point[None].to(device)), self.session.setup.pick).reshape(-1).cpu()
                for point in points
            ]
        return float(np.abs(torch.stack(rows).numpy() - self._formula(points.flatten(1).numpy())).max())

    def _write_code(self) -> None:
        digits = self.traits.digits
        shown = self._formula if digits == 17 else self._formula.rounded(digits)
        self.traits.formula_code = {
            "latex": shown.latex(),
            "python": shown.python(),
            "c": shown.c(),
            "digits": digits,
        }

    def _code_again(self, change: Any) -> None:
        def steps() -> Generator[None, None, None]:
            yield
            self._write_code()

        self.view.submit("hand", lambda: self.view.reported(_("writing the code"), steps()))

    def _form_again(self, change: Any) -> None:
        if change["new"] != "simplified":
            return

        def steps() -> Generator[float | None, None, None]:
            yield None
            try:
                yield from self._simplify()
                self.view.error = None
            except Exception:
                self.traits.form = "layers"
                raise

        self.view.submit("data", lambda: self.view.reported(_("simplifying"), steps()))

    def _simplify(self) -> Generator[float, None, None]:
        from nnlens.kernels.formula.simplification import simplified_steps
        from nnlens.render.functions.formula import definitions_payload

        whole = self.traits.whole
        if whole is None:
            raise ValueError(self.traits.whole_problem)
        if whole["simplified"] is not None:
            return
        found = []
        for expression in self._wholes:
            found.append((yield from simplified_steps(expression)))
        if self.traits.whole is whole:  # else the model has changed
            self.traits.whole = {**whole, "simplified": definitions_payload(self._named(found))}

    def _check_inputs(self, change: Any) -> None:
        try:
            self._check_length(change["new"])
        except ValueError:
            self.traits.inputs_at = [float(value) for value in self._x.flatten()]
            raise

    def _check_length(self, values: list[float]) -> None:
        if len(values) != len(self._formula.inputs):
            raise ValueError(f"inputs_at must have {len(self._formula.inputs)} numbers, got {len(values)}")

    def model_changed(self) -> None:
        self._write()
        self._form_again({"new": self.traits.form})

    def describe(self) -> str:
        found = self.traits.formula
        assert found is not None
        return _(
            "{formula}; the largest difference from the network at {count} points is {difference}",
            formula=found["about"],
            count=found["points"],
            difference=number(f"{found['difference']:.1e}"),
        )

    def panels(self) -> list[Panel]:
        from nnlens.render.functions.formula import formula_image

        return [Panel(title=self.describe(), image=formula_image(self._formula, self.traits.digits))]
