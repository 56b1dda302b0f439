"""What a user can set about the grid of attributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

from nnlens.kernels import CHECKS, METHODS
from nnlens.kernels.attribution.evidence.evidence import Check
from nnlens.kernels.attribution.methods.class_maps import map_layers
from nnlens.kernels.names import method_words
from nnlens.kernels.text import TEXT_METHODS
from nnlens.render.text import text_payload
from nnlens.scores.meaning import check_kind
from nnlens.session.attribution_jobs import Settings, default_segmentation
from nnlens.session.sample import Sample
from nnlens.utils.suggestions import nearest
from nnlens.widgets.base.part import Part

from .traits import AttributionTraits

BY_ITSELF = 400  # forward passes: checks that cost more wait until they are asked for


class SettingsPart(Part):
    """Takes the options, and gives the settings of the attribution jobs."""

    traits: AttributionTraits

    def prepare(self, options: Mapping[str, Any]) -> None:
        self.score = options.get("score")
        if self.score is not None:
            check_kind(self.score)
        self.upsample = options.get("upsample") or "bilinear"
        if self.upsample not in ("bilinear", "nearest"):
            raise ValueError(f'upsample must be "bilinear" or "nearest", got {self.upsample!r}')
        checks = options.get("checks")
        if isinstance(checks, (str, bool)):
            raise TypeError(f"checks must be a list of names, got {checks!r}")
        self.checks: tuple[Check, ...] = CHECKS if checks is None else tuple(checks)
        for name in self.checks:
            if name not in CHECKS:
                raise ValueError(f"checks must be of {', '.join(CHECKS)}, got {name!r}{nearest(str(name), CHECKS)}")
        self.max_passes: int | None = options.get("max_passes", BY_ITSELF)
        try:
            self._set_traits(options)
        except t.TraitError as error:
            raise ValueError(str(error)) from None

    def _set_traits(self, options: Mapping[str, Any]) -> None:
        traits, sample = self.traits, self.sample
        traits.segmentation = options.get("segmentation") or default_segmentation()
        for name in ("samples", "segments", "width", "seed", "signs", "maps_scale", "opacity"):
            if options.get(name) is not None:
                setattr(traits, name, options[name])
        traits.cam_layers = map_layers(sample.recording)
        if options.get("cam_layer") is not None:
            traits.cam_layer = options["cam_layer"]
        asked = options.get("methods")
        if isinstance(asked, str):
            asked = [asked]
        for name in asked or () if sample.input.text is not None else ():
            if name not in TEXT_METHODS and name in METHODS:
                raise ValueError(f"methods for a text must be of {', '.join(TEXT_METHODS)}, got {name!r}")
        traits.methods = self._usual_methods() if asked is None else list(asked)
        if not traits.methods:
            raise ValueError("methods must name at least one method, got none")

    def _usual_methods(self) -> list[str]:
        """The default methods: of different kinds, one of which is known not to explain the class."""
        if self.sample.input.text is not None:
            return ["input_x_gradient", "integrated_gradients", "occlusion", "lime", "kernel_shap"]
        attends = any(op.op in ("attention_weights", "multi_head_attention_forward") for op in self.sample.recording)
        return ["grad_cam", "gradient", "attention_rollout" if attends else "guided_backprop", "occlusion", "lime"]

    def updates(self) -> dict[str, Any]:
        if not self.view.is_outdated("text", self.sample):
            return {}
        encoded, codec = self.sample.input.text, self.session.setup.codec
        return {"text": None if encoded is None or codec is None else text_payload(encoded, codec)}

    @property
    def settings(self) -> Settings:
        """What the attribution jobs need."""
        traits = self.traits
        return Settings(
            samples=traits.samples,
            segments=traits.segments,
            segmentation=traits.segmentation,
            width=traits.width,
            seed=traits.seed,
            cam_layer=traits.cam_layer,
            score=self.score,
            upsample=self.upsample,
        )

    def another_image(self) -> None:
        """The selection shows another image: its layers may differ, and classes are compared again."""
        traits = self.traits
        traits.other_targets = []
        traits.cam_layers = map_layers(self.sample.recording)
        if traits.cam_layer not in traits.cam_layers:
            traits.cam_layer = ""

    def show_costs(self, sample: Sample) -> None:
        """The methods with what a map of each costs."""
        jobs = self.session.attributions
        self.traits.known_methods = [
            {
                "name": method.name,
                "title": method_words(method.title),
                "passes": jobs.cost(sample, method.name, self.settings),
                "gradient": method.gradient,
            }
            for method in METHODS.values()
            if sample.input.text is None or method.name in TEXT_METHODS
        ]
