"""What the names of methods and fills are in the user's language."""

from __future__ import annotations

from nnlens.utils.language import _


def method_words(name: str) -> str:
    """The name of a method or a rule, given as it is written in English; proper names stay."""
    words = {
        "gradient": _("gradient"),
        "input × gradient": _("input × gradient"),
        "input x gradient": _("input x gradient"),
        "integrated gradients": _("integrated gradients"),
        "deconvnet": _("deconvnet"),
        "guided backprop": _("guided backprop"),
        "occlusion": _("occlusion"),
        "extremal perturbation": _("extremal perturbation"),
        "attention rollout": _("attention rollout"),
        # As descriptions write proper names.
        "smoothgrad": _("smoothgrad"),
        "grad cam": _("grad cam"),
        "grad cam plus plus": _("grad cam plus plus"),
        "guided grad cam": _("guided grad cam"),
        "lime": _("lime"),
        "kernel shap": _("kernel shap"),
        "rise": _("rise"),
    }
    return words.get(name, name)


def parameter_words(name: str) -> str:
    """The name of a method's parameter."""
    return {"baseline": _("baseline"), "fill": _("fill"), "upsample": _("upsample")}.get(name, name)


def value_words(value: object) -> str:
    """The value of such a parameter, where it is the name of a fill or of a way to enlarge maps."""
    words = {
        "background": _("background"),
        "grey": _("grey"),
        "mean": _("mean"),
        "blur": _("blur"),
        "noise": _("noise"),
        "surround": _("surround"),
        "bilinear": _("bilinear"),
        "nearest": _("nearest"),
    }
    return words.get(str(value), str(value))
