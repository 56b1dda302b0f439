"""Checkpoints of a training on disk, within a budget: many of the early steps, ever fewer of the later ones."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from nnlens.utils.files import remove_parts, replacing

_FILE = re.compile(r"step-(\d+)\.safetensors")
_BESIDE = "beside:"  # begins the names of tensors that are not of the state dict
_SAME = "same tensors"  # of the metadata: names of tensors that are another one


class Checkpoints:
    """State dicts by their steps, a file of safetensors for each in one folder.

    Parameters
    ----------
    folder : path
        Made where it does not exist. Checkpoints that are in it count.
    megabytes : float
        What all files may take. The latest checkpoint is always kept.
    most : int
        How many checkpoints are kept.
    """

    def __init__(self, folder: str | Path, *, megabytes: float = 500, most: int = 64):
        if most < 2 or not megabytes > 0:
            raise ValueError(f"most must be at least 2 and megabytes above 0, got {most} and {megabytes}")
        self.folder = Path(folder).expanduser()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"folder must be a folder, got the file {str(folder)!r}")
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_parts(self.folder)
        self.most, self.budget = most, megabytes * 1e6

    @property
    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, in their order."""
        found = (_FILE.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def __len__(self) -> int:
        return len(self.steps)

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self.folder / f"step-{step:010d}.safetensors"

    def save(
        self, step: int, state: Mapping[str, Tensor], beside: Mapping[str, Mapping[str, Tensor]] | None = None
    ) -> None:
        """Write a state dict, then remove checkpoints until the rest is within the budget.

        Parameters
        ----------
        beside : mapping, optional
            Further tensors of each parameter, by its name, such as its gradient; see `load_beside`.
        """
        further = {
            f"{_BESIDE}{key}:{name}": value for name, row in (beside or {}).items() for key, value in row.items()
        }
        tensors: dict[str, Tensor] = {}
        same: dict[str, str] = {}
        places: dict[tuple[int, tuple[int, ...], tuple[int, ...]], str] = {}
        for name, value in (*state.items(), *further.items()):
            place = value.data_ptr(), tuple(value.shape), value.stride()
            if value.numel() and place in places:
                same[name] = places[place]
            else:
                places[place] = name
                tensors[name] = value.detach().cpu().contiguous()
        with replacing(self.path(step)) as file:
            file.write(save(tensors, {_SAME: json.dumps(same)}))
        self._thin()

    def load(self, step: int) -> dict[str, Tensor]:
        """The state dict of a step; ValueError for one without a checkpoint."""
        path = self.path(step)
        if not path.exists():
            known = ", ".join(map(str, self.steps))
            raise ValueError(f"step must be one with a checkpoint ({known or 'there is none yet'}), got {step}")
        state = {name: value for name, value in load_file(path).items() if not name.startswith(_BESIDE)}
        with safe_open(path, "pt") as file:
            same = json.loads((file.metadata() or {}).get(_SAME, "{}"))
        return state | {name: state[other] for name, other in same.items() if other in state}

    def load_beside(self, step: int) -> dict[str, dict[str, Tensor]]:
        """What was saved beside a state dict, by the names of parameters; empty where nothing was."""
        found: dict[str, dict[str, Tensor]] = {}
        with safe_open(self.path(self.nearest(step)), "pt") as file:
            for whole in file.keys():  # noqa: SIM118 – it is no mapping
                if whole.startswith(_BESIDE):
                    key, _colon, name = whole.removeprefix(_BESIDE).partition(":")
                    found.setdefault(name, {})[key] = file.get_tensor(whole)
        return found

    def nearest(self, step: int) -> int:
        """The step with a checkpoint that is nearest; ValueError without any."""
        steps = self.steps
        if not steps:
            raise ValueError("there is no checkpoint yet")
        return min(steps, key=lambda known: (abs(known - step), known))

    def _thin(self) -> None:
        steps = self.steps
        sizes = {step: self.path(step).stat().st_size for step in steps}
        while len(steps) > 2 and (len(steps) > self.most or sum(sizes[step] for step in steps) > self.budget):
            steps.remove(crowded(steps))
        if len(steps) == 2 and sum(sizes[step] for step in steps) > self.budget:
            steps = steps[1:]
        for step in sizes:
            if step not in steps:
                self.path(step).unlink(missing_ok=True)


def crowded(steps: list[int]) -> int:
    """The step between the first and the last whose neighbours are closest, on a logarithmic scale."""
    gaps = {
        steps[place]: math.log((steps[place + 1] + 1) / (steps[place - 1] + 1)) for place in range(1, len(steps) - 1)
    }
    return min(gaps, key=lambda step: (gaps[step], step))
