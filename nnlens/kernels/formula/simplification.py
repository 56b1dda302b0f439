"""Simpler forms of an expression, within a limit of time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator

import sympy

SECONDS = 20.0
_PAUSE = 0.05
# sympy has no way to stop a simplification, so that it runs in a process of its own.
_PROGRAM = """
import sys, sympy
found = sympy.sympify(sys.stdin.read())
print(sympy.srepr(sympy.simplify(found, rational=False)))
"""


class SimplificationTimeoutError(RuntimeError):
    """sympy found no simpler form in the time it was given."""


def simplified_steps(expression: sympy.Expr, seconds: float | None = None) -> Generator[float, None, sympy.Expr]:
    """`sympy.simplify` in a process of its own, which ends when the generator does. Yields the time to wait.

    Raises
    ------
    SimplificationTimeoutError
        After `seconds`, by default 20. For smooth functions of several inputs this is the rule.
    """
    seconds = SECONDS if seconds is None else seconds
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(sympy.srepr(expression))
        process.stdin.close()
        end = time.monotonic() + seconds
        while process.poll() is None:
            if time.monotonic() > end:
                raise SimplificationTimeoutError(
                    f"sympy found no simpler form in {seconds:g} seconds; the expression has "
                    f"{int(sympy.count_ops(expression))} parts"
                )
            yield _PAUSE
        if process.returncode:
            raise RuntimeError(f"sympy could not simplify the expression: {process.stderr.read().strip()[-500:]}")
        return sympy.sympify(process.stdout.read())
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def simplified(expression: sympy.Expr, seconds: float | None = None) -> sympy.Expr:
    """`simplified_steps`, waited for."""
    steps = simplified_steps(expression, seconds)
    while True:
        try:
            time.sleep(next(steps))
        except StopIteration as stop:
            return stop.value
