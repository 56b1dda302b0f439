"""The options of a view in the signature and the documentation of the method that opens it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

from typing_extensions import get_type_hints

Method = TypeVar("Method", bound=Callable[..., Any])


def documented(option_type: type) -> Callable[[Method], Method]:
    """Write the options of a method that takes `**options` into its signature and into its documentation."""
    hints = get_type_hints(option_type, include_extras=True)

    def decorate(method: Method) -> Method:
        signature = inspect.signature(method)
        parameters = [
            parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD
        ]
        lines = []
        for name, hint in hints.items():
            type_, words = get_args(hint)[:2] if hasattr(hint, "__metadata__") else (hint, "")
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=type_))
            lines.append(f"{name} : {type_words(type_)}, optional")
            lines += textwrap.wrap(
                f"{words[:1].upper()}{words[1:]}.", 100, initial_indent="    ", subsequent_indent="    "
            )
        text = inspect.cleandoc(method.__doc__ or "")
        method.__doc__ = text.replace("**options\n    See below.", "\n".join(lines))
        method.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return method

    return decorate


def type_words(type_: Any) -> str:
    """A type as documentation writes it: "str or Module", "'rectangle' or 'circle'"."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        return f"({', '.join(type_words(argument) for argument in arguments if argument is not ...)})"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
        return f"sequence of {type_words(arguments[0])}"
    if arguments:
        return " or ".join(type_words(argument) for argument in arguments)
    if type_ is type(None):
        return "None"
    return "any" if type_ is Any else str(type_.__name__)
