"""When the user's own code runs: then the background worker waits, and afterwards the views look for changes."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod, ref

from nnlens.recording import expect_changes

from ..mode import is_static
from .worker import Worker


def hold_during_user_code(worker: Worker, after_cell: Callable[[], None], *, free: bool = False) -> None:
    """Let `worker` run only while no code of the user runs: that code may train the model that the worker uses.

    In IPython the worker is held while a cell runs, and `after_cell`, a method, is called after each cell. In a script,
    which has no cells, it is held until `Worker.join`: the work is done when the script waits for it. With `free` the
    worker is never held, for hosts that do not say when their cells run.
    """
    worker.is_live = not is_static()
    if free:
        worker.beside_user_code = True
        return
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        worker.is_live = False
        worker.hold()
        return
    weak, look = ref(worker), WeakMethod(after_cell)

    def before(*_: object) -> None:
        if (worker := weak()) is not None:
            worker.hold()
        else:
            shell.events.unregister("pre_run_cell", before)
            shell.events.unregister("post_run_cell", after)

    def after(*_: object) -> None:
        expect_changes()
        if (look_again := look()) is not None:
            look_again()
        if (worker := weak()) is not None:
            worker.release()

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
    try:
        parent = shell.kernel.get_parent("shell")
        inside = parent["header"]["msg_type"] == "execute_request" and not parent["content"]["silent"]
    except AttributeError:
        inside = True  # IPython in a terminal: nothing but cells runs there
    except (KeyError, TypeError):
        inside = False
    if inside:
        before()
