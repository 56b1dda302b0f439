"""Extremal perturbation: the smooth mask of a given area that maximises the score (Fong, Patrick & Vedaldi 2019)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nnlens.kernels.attribution.result import Attribution
from nnlens.kernels.attribution.subject import Subject, given_count
from nnlens.kernels.occlusion.occluder import Fill, mask_filling
from nnlens.utils.language import _

_CELLS = 16  # along the shorter side: 14 pixels each on an image of 224
_TEMPERATURE = 1 / 20  # of the smooth maximum: the paper's


def extremal_perturbation(
    subject: Subject,
    *,
    area: float = 0.1,
    steps: int = 200,
    fill: Fill = "blur",
    seed: int = 0,
) -> Iterator[Attribution]:
    """The mask of a given area under which the score is largest, the rest of the image replaced (arXiv:1910.08485).

    Gradient ascent on f(m x + (1 − m) fill) − λ ‖sorted(m) − r‖² (equations 3 and 4), r being 0 but for its last
    share `area`, which is 1; λ grows. The mask is the smooth maximum of bumps on a grid of 16 cells along the shorter
    side (section 3.2), exp(−2 max(0, d − ½)²) at a distance of d cells.

    Parameters
    ----------
    area : float
        The share of the image that is kept, above 0 and below 1.
    steps : int
        Each is a forward and a backward pass. The paper takes 800.
    fill : as for `occlusion`

    The result is a mask in 0…1; the notes give the difference between its area and the requested one.
    """
    given_count(steps, "steps")
    if not 0 < area < 1:
        raise ValueError(f"area must be above 0 and below 1 (a share of the image), got {area}")
    height, width = subject.image().shape[1:]
    under, words = mask_filling(subject.x, fill, seed)
    mask_of = Bumps(height, width, subject.x.device)
    grid = torch.full(mask_of.shape, 0.5, device=subject.x.device, dtype=torch.float32)
    speed = torch.zeros_like(grid)
    wanted = torch.zeros(height * width, device=subject.x.device, dtype=torch.float32)
    wanted[round(height * width * (1 - area)) :] = 1
    # The score is divided by its own size, so that logits and probabilities behave alike. λ starts where both terms
    # are balanced on a mask of the wanted area, and ends thirty times as large.
    worth = 1 / max(abs(subject.value), 1e-6)
    strength, growth = 0.5 / area, 30 ** (1 / steps)
    parameters = {"area": area, "steps": steps, "fill": words}
    with torch.inference_mode(False):
        for step in range(1, steps + 1):
            with torch.enable_grad():
                leaf = grid.detach().clone().requires_grad_()
                mask = mask_of(leaf)
                off = strength * ((mask.flatten().sort().values - wanted) ** 2).mean()
                (towards_area,) = torch.autograd.grad(off, leaf, retain_graph=True)
            shown = (subject.x * mask.detach() + under * (1 - mask.detach())).to(subject.x.dtype)
            result = subject.gradients(shown)[0]
            signal = ((result[0] * (subject.x[0] - under)).sum(0) * worth).to(mask.dtype)
            (towards_score,) = torch.autograd.grad(mask, leaf, signal)
            speed = 0.9 * speed + towards_score - towards_area
            grid = (grid + 0.05 * speed / speed.abs().max().clamp(min=1e-12)).clamp(0, 1)
            strength *= growth
            if step % max(1, steps // 20) == 0 or step == steps:
                with torch.no_grad():
                    values = mask_of(grid)
                    stored = float(values.mean())
                    shares = [f"{share:.0%}".replace("%", " %") for share in (stored, area)]
                yield subject.result(
                    "extremal_perturbation",
                    values[None],
                    contribution=True,
                    parameters=parameters,
                    done=step / steps,
                    notes=(
                        _(
                            "keeps {share} of the image, {area} requested",
                            share=shares[0],
                            area=shares[1],
                        ),
                    ),
                )


class Bumps:
    """From a coarse grid in 0…1 to a mask: at each pixel the smooth maximum of the bumps around the grid's places."""

    def __init__(self, height: int, width: int, device: torch.device):
        cell = max(1.0, min(height, width) / _CELLS)
        self.shape = round(height / cell), round(width / cell)
        rows, down = _near(height, self.shape[0], device)
        columns, across = _near(width, self.shape[1], device)
        distance = (down[:, None, :, None] ** 2 + across[None, :, None, :] ** 2).sqrt()
        self._bump = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2).flatten(2)
        places = rows[:, None, :, None] * self.shape[1] + columns[None, :, None, :]
        self._places = places.flatten(2)

    def __call__(self, grid: Tensor) -> Tensor:
        """(height, width)."""
        values = grid.flatten()[self._places] * self._bump
        return (F.softmax(values / _TEMPERATURE, -1) * values).sum(-1)


def _near(pixels: int, places: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The places near each pixel along one axis, and how many cells they are off, (pixels, 5); infinite outside."""
    at = (torch.arange(pixels, device=device) + 0.5) * places / pixels - 0.5
    near = at.round().long()[:, None] + torch.arange(-2, 3, device=device)
    off = (near - at[:, None]).abs()
    return near.clamp(0, places - 1), torch.where((near >= 0) & (near < places), off, torch.inf)
