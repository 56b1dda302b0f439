"""Gradients and updates of a model, seen at the steps of whatever optimisers train it."""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakSet, ref

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .figures import lengths


class OptimiserSteps:
    """Listens to all optimisers of the process, and looks at those that hold parameters of one model.

    It costs next to nothing until `look` is set: then the next step of each optimiser gives the lengths of gradients
    and updates. Parameters that no optimiser holds are compared with a copy by `finish`.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.steps = 0  # of optimisers that hold parameters of the model
        self.seconds = 0.0  # spent in looking at them
        self._optimisers: WeakSet[Optimizer] = WeakSet()  # that have made a step with parameters of the model
        self._error: Exception | None = None
        self._looking = False
        self._ids = {id(item) for item in model.parameters()}
        self._gradients: dict[str, Tensor] = {}
        self._updates: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}
        self._copies: dict[str, Tensor] = {}
        weak = ref(self)

        def before(optimizer: Optimizer, *_: object) -> None:
            if (seen := weak()) is not None:
                seen._timed(seen._before_step, optimizer)

        def after(optimizer: Optimizer, *_: object) -> None:
            if (seen := weak()) is not None:
                seen._timed(seen._after_step, optimizer)

        self._hooks = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]

    def _timed(self, act: Callable[[Optimizer], None], optimizer: Optimizer) -> None:
        """An error must not reach the optimiser's step: `finish` raises it."""
        begin = time.perf_counter()
        try:
            act(optimizer)
        except Exception as error:
            self._error, self._looking, self._before = error, False, {}
        self.seconds += time.perf_counter() - begin

    def close(self) -> None:
        """Stop listening."""
        for hook in self._hooks:
            hook.remove()
        self._before, self._copies = {}, {}

    def __del__(self) -> None:
        self.close()

    def look(self) -> None:
        """Look at the next step."""
        self._looking = True
        self._ids = {id(item) for item in self.model.parameters()}  # a user may replace them
        self._gradients, self._updates = {}, {}
        # Whoever trains by hand is not heard: their update is the difference to these copies.
        self._copies = {} if self.steps else _copies(dict(self.model.named_parameters()))

    @torch.no_grad()
    def finish(self) -> tuple[dict[str, float], dict[str, float]] | None:
        """The lengths of gradients and updates since `look`, by the names of parameters; None before any step."""
        if self._error is not None:
            raise self._error
        if not self._looking:
            return None
        named = dict(self.model.named_parameters())
        if self._copies and not self._updates:
            changes = {name: named[name].detach() - kept for name, kept in self._copies.items() if name in named}
            moved = _by_name(changes)
            if not any(moved.values()):
                return None
            self._updates = {name: torch.tensor(length) for name, length in moved.items()}
            slopes = {name: item.grad for name, item in named.items() if item.grad is not None}
            self._gradients = {name: torch.tensor(length) for name, length in _by_name(slopes).items()}
        if not self._updates:
            return None
        self._looking, self._copies = False, {}
        return _numbers(self._gradients), _numbers(self._updates)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """The gradient of each parameter, and what the optimisers keep of it, as they are now, by its name."""
        found: dict[str, dict[str, Tensor]] = {
            name: {"gradient": item.grad.detach()}
            for name, item in self.model.named_parameters()
            if item.grad is not None and not item.grad.is_sparse
        }
        for optimiser in self._optimisers:
            for name, item in self._held(optimiser).items():
                kept = {key: value for key, value in optimiser.state.get(item, {}).items() if isinstance(value, Tensor)}
                found.setdefault(name, {}).update(kept)
        return found

    def _held(self, optimizer: Optimizer) -> dict[str, Tensor]:
        own = {id(item): name for name, item in self.model.named_parameters()}
        items = (item for group in optimizer.param_groups for item in group["params"])
        return {own[id(item)]: item for item in items if id(item) in own}

    @torch.no_grad()
    def _before_step(self, optimizer: Optimizer) -> None:
        if not any(id(item) in self._ids for group in optimizer.param_groups for item in group["params"]):
            return
        self.steps += 1
        self._optimisers.add(optimizer)
        if not self._looking:
            return
        held = self._held(optimizer)
        slopes = {name: item.grad for name, item in held.items() if item.grad is not None}
        if not slopes or set(slopes) & set(self._updates):
            return  # a second step of the same optimiser: the first one counts
        self._gradients |= dict(zip(slopes, lengths(slopes.values()), strict=True))
        self._before = _copies({name: held[name] for name in slopes})

    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer) -> None:
        if not self._before:
            return
        held = self._held(optimizer)
        changes = {name: held[name].detach() - kept for name, kept in self._before.items() if name in held}
        self._updates |= dict(zip(changes, lengths(changes.values()), strict=True))
        self._before = {}


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: item.detach().clone() for name, item in tensors.items() if item.is_floating_point()}


def _by_name(tensors: dict[str, Tensor]) -> dict[str, float]:
    return dict(zip(tensors, lengths(tensors.values()).tolist(), strict=True))


def _numbers(values: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
