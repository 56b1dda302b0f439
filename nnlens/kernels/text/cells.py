"""The cells of a layer over the tokens of a text: a value for each token and unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nnlens.geometry.axes import as_maps
from nnlens.inputs.text import Encoded
from nnlens.recording import Recording
from nnlens.utils.language import _, number

from .properties import of_tokens
from .ranking import BLOCK, SHIFTS, CellRanking, rank_cells

# A gate counts as closed below the one, and as open above the other (Karpathy et al. 2015, section 4.2).
CLOSED, OPEN = 0.1, 0.9


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Cells:
    """What the units of one layer computed for each token of a text.

    Attributes
    ----------
    layer, kind : str
        The operation's name, and its kind: "state" and "gate" inside recurrent layers.
    values : float32 array (tokens, cells)
    encoded : Encoded
    """

    layer: str
    kind: str
    values: Float[np.ndarray, "tokens cells"]
    encoded: Encoded

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def __repr__(self) -> str:
        return f"Cells({self.layer!r}, {len(self)} cells over {len(self.encoded)} tokens)"

    def describe(self, cell: int) -> str:
        """A cell in words: "cell 5: highest 2.1 at “:” (token 40), lowest −1.3 at “ ” (token 7)"."""
        values = self.values[:, cell]
        high, low = int(values.argmax()), int(values.argmin())
        pieces = self.encoded.pieces()
        return _(
            "cell {cell}: highest {high} at “{most}” (token {first}), lowest {low} at “{least}” (token {second})",
            cell=cell,
            high=number(f"{values[high]:.3g}").replace("-", "−"),
            most=pieces[high],
            first=high,
            low=number(f"{values[low]:.3g}").replace("-", "−"),
            least=pieces[low],
            second=low,
        )

    def saturation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of a gate: for each cell the share of the tokens at which it is below 0.1, and above 0.9.

        Karpathy, Johnson & Fei-Fei 2015 (arXiv:1506.02078, figure 3). Raises ValueError for a layer that is no gate.
        """
        if self.kind != "gate" or self.values.min() < 0 or self.values.max() > 1:
            raise ValueError(f"layer must be a gate, whose values lie in 0…1, got {self.layer!r}")
        return (self.values < CLOSED).mean(0), (self.values > OPEN).mean(0)

    def following(
        self, property_: Float[np.ndarray, " characters"], *, shifts: int = SHIFTS, seed: int = 0, block: int = BLOCK
    ) -> CellRanking:
        """The cells by how well they follow a property of the text's characters; see `rank_cells`."""
        return rank_cells(self.values, of_tokens(self.encoded, property_), shifts=shifts, seed=seed, block=block)


def cell_layers(recording: Recording, encoded: Encoded) -> tuple[str, ...]:
    """The layers of a pass on a text that have a value of each unit for each token."""
    found = []
    for operation in recording:
        last_states = operation.kind == "recurrent" and operation.name.endswith(("[1]", "[2]"))
        fits = len(operation.shape) == 3 and {1, len(encoded)} == set(operation.shape[:2])
        if fits and not last_states:
            found.append(operation.name)
    return tuple(found)


def usual_cell_layer(recording: Recording, encoded: Encoded) -> str | None:
    """The layer to look at first: the last cell state, else hidden state, else activation; None without any."""
    found = [recording.operation(name) for name in cell_layers(recording, encoded)]
    states = [op for op in found if op.kind == "state"]
    for chosen in ([op for op in states if "cell" in op.name], states, [op for op in found if op.kind == "activation"]):
        if chosen:
            return chosen[-1].name
    return found[-1].name if found else None


def cells(recording: Recording, encoded: Encoded, layer: str) -> Cells:
    """The cells of a layer over a text.

    Parameters
    ----------
    recording : Recording
        A pass on the text's ids alone: a batch of one.
    layer : str
        An operation, such as "rnn.cell_l1" (see `nnlens.record` for the parts of recurrent layers).

    Raises
    ------
    ValueError
        For an unknown layer, and for one without a value for each token.
    """
    operation = recording.operation(layer)
    maps, _layout = as_maps(recording[layer], recording, operation, "strip" if len(operation.shape) == 3 else None)
    if maps.shape[1] != 1 or maps.shape[2] != len(encoded):
        raise ValueError(
            f"layer {operation.name!r} must have a value for each of the {len(encoded)} tokens, got the shape "
            f"{operation.shape}; {', '.join(cell_layers(recording, encoded)[:8]) or 'no layer'} has"
        )
    return Cells(layer=operation.name, kind=operation.kind, values=maps[:, 0].T.astype(np.float32), encoded=encoded)
