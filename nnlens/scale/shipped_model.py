"""A model on its way to another process: how to build it, and its weights, which are compared on arrival."""

from __future__ import annotations

import hashlib
import importlib
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nnlens.utils.tensors import as_bytes

from .code import code_words, function_words

Build = str | Callable[[], nn.Module]
# Attributes of modules that are no settings of theirs.
_OF_TORCH = {*vars(nn.Module()), "_flat_weights", "_flat_weight_refs"}


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """A model as bytes.

    Attributes
    ----------
    build : str
        The import path "module:function" of what builds the model; "" where the model itself is pickled.
    content : bytes
        The weights as safetensors, or the pickled model.
    digest : str
        Of the model's structure, weights and buffers.
    """

    build: str
    content: bytes
    digest: str

    @classmethod
    def of(cls, model: nn.Module, build: Build | None = None, *, allow_pickle: bool = False) -> ShippedModel:
        """The model with what builds it: `build`, or its class, if that takes no arguments.

        Parameters
        ----------
        build : optional
            A function that returns a model of the same structure, or its import path "module:function".
        allow_pickle : bool
            Send the model itself, pickled: for models that nothing else can build.

        Raises
        ------
        ValueError
            If workers could not build the model.
        """
        digest = _digest(model, private=False)
        if allow_pickle and build is None:
            return cls(build="", content=_pickled(model), digest=digest)
        path = _path(type(model) if build is None else build)
        try:
            made = _built(path)
        except Exception as error:
            if build is not None:
                raise ValueError(f"build must return the model's structure, but {path!r} raised {error}") from error
            raise ValueError(
                f"model must be one that workers can build: {type(model).__name__} takes arguments ({error}). Give "
                "build=, a function of a module that returns it, or allow_pickle=True, which sends the model itself"
            ) from error
        if _structure(made, private=False) != _structure(model, private=False):
            what = (
                "build must return the model's structure"
                if build is not None
                else "model must be as its class makes it"
            )
            raise ValueError(f"{what}, but {path!r} makes another one: give build=, or allow_pickle=True")
        return cls(build=path, content=_weights(model), digest=digest)

    def model(self) -> nn.Module:
        """The model, built; ValueError if it is not the one that was sent."""
        if self.build:
            from safetensors.torch import load

            model = _built(self.build)
            model.load_state_dict(load(self.content))
        else:
            model = pickle.loads(self.content)
        if _digest(model, private=False) != self.digest:
            raise ValueError(
                f"the model that {self.build or 'was pickled'} makes here is not the one that was sent: its structure, "
                "weights or buffers differ; the worker may have another version of its code"
            )
        return model


def digest_of(model: nn.Module) -> str:
    """An identifier of a model's structure, code, settings, weights and buffers."""
    return _digest(model, private=True)


def _digest(model: nn.Module, *, private: bool) -> str:
    """The same, with the private attributes of its modules or without: a model that is built anew may have others."""
    structure = repr(_structure(model, private=private)).encode(errors="surrogatepass")
    digest = hashlib.blake2b(structure, digest_size=16)
    for tensor in chain(model.parameters(), model.buffers()):
        digest.update(as_bytes(tensor))
    return digest.hexdigest()


def _structure(model: nn.Module, *, private: bool) -> list[Any]:
    tensors = chain(model.named_parameters(), model.named_buffers())
    settings = [
        (name, key, words)
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if key not in _OF_TORCH and (private or not key.startswith("_")) and (words := _words(value))
    ]
    hooks = [
        (name, [function_words(hook) or type(hook).__name__ for hook in own.values()])
        for name, module in model.named_modules()
        for own in (module._forward_hooks, module._forward_pre_hooks)
        if own
    ]
    words = re.sub(r" at 0x[0-9a-f]+", "", repr(model))
    shapes = [(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors]
    return [torch.__version__, words, settings, hooks, code_words(map(type, model.modules())), shapes]


def _words(value: object) -> str:
    """A setting as text that is the same in every process; "" for one of which that is not known."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {value.dtype} {hashlib.blake2b(as_bytes(value), digest_size=16).hexdigest()}"
    if isinstance(value, (list, tuple)):
        parts = [_words(item) for item in value]
        return f"{type(value).__name__} {parts}" if all(parts) else ""
    if isinstance(value, Mapping):
        return _words([*value.items()])
    plain = (bool, int, float, complex, str, type(None), slice, torch.dtype)
    return repr(value) if isinstance(value, plain) else function_words(value)


def _path(build: object) -> str:
    if isinstance(build, str):
        if ":" not in build:
            raise ValueError(f'build must be "module:function", or the function itself, got {build!r}')
        return build
    if not callable(build):
        raise TypeError(f'build must be a function, or its import path "module:function", got {build!r}')
    module, name = getattr(build, "__module__", ""), getattr(build, "__qualname__", "")
    if module == "__main__" or "<" in name or not name:
        what = f"the model's class {name}" if isinstance(build, type) else f"build ({name or build!r})"
        raise ValueError(
            f"{what} is defined in {module or 'no module'}, which workers cannot import: put it into a module, or "
            "give allow_pickle=True, which sends the model itself"
        )
    return f"{module}:{name}"


def _built(path: str) -> nn.Module:
    module, name = path.split(":", 1)
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    model = found()
    if not isinstance(model, nn.Module):
        raise TypeError(f"{path!r} gave a {type(model).__name__}, not a torch.nn.Module")
    return model


def _weights(model: nn.Module) -> bytes:
    from safetensors.torch import save

    # Copies: tensors that share memory, such as tied weights, cannot be stored otherwise.
    return bytes(
        save({name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()})
    )


def _pickled(model: nn.Module) -> bytes:
    try:
        return pickled(model)
    except Exception as error:
        raise ValueError(f"model must be one that can be pickled, but: {error}") from error


def pickled(value: object) -> bytes:
    """A value pickled; by cloudpickle, where that is installed, which also takes what is defined in a notebook."""
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(value)
    return bytes(cloudpickle.dumps(value))
