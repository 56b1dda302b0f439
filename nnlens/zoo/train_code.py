"""Trains the character LSTM: `python -m nnlens.zoo.train_code`.

The text is the running Python's standard library without its tests. The weights are written beside this file, in half
precision. The loss on the files that were held out is printed beside that of a 5-gram model of the same training text.
On one core an epoch takes ten minutes.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .code import ALPHABET, CodeLSTM, code_text

BATCH, STEPS = 128, 128


def as_ids(text: str) -> np.ndarray:
    """The places of characters in the alphabet; the last place for those that it does not have."""
    table = np.full(0x110000, len(ALPHABET) - 1, np.int64)
    table[[ord(character) for character in ALPHABET]] = np.arange(len(ALPHABET))
    return np.asarray(table[np.frombuffer(text.encode("utf-32-le"), np.uint32)])


def five_gram_loss(train: np.ndarray, test: np.ndarray, order: int = 5) -> float:
    """Nats per character of a model of the last four characters, interpolated after Witten and Bell (1991).

    The share of a context that is left to shorter ones is its number of different next characters, over that number
    plus its count.
    """
    size = len(ALPHABET)
    probability = np.full(len(test), 1 / size)
    for length in range(order):
        contexts, following = _codes(train, length), _codes(train, length + 1)
        known, counts = np.unique(contexts[: len(following)], return_counts=True)
        grams, gram_counts = np.unique(following, return_counts=True)
        kinds = np.bincount(np.searchsorted(known, grams // size), minlength=len(known))
        # At the beginning of the text shorter contexts are all there is.
        own, wanted = _codes(test, length)[: len(test) - length], _codes(test, length + 1)
        place = np.minimum(np.searchsorted(known, own), len(known) - 1)
        seen = known[place] == own
        at = np.minimum(np.searchsorted(grams, wanted), len(grams) - 1)
        count = np.where(grams[at] == wanted, gram_counts[at], 0)
        mixed = (count + kinds[place] * probability[length:]) / (counts[place] + kinds[place])
        probability[length:] = np.where(seen, mixed, probability[length:])
    return float(-np.log(probability).mean())


def _codes(ids: np.ndarray, length: int) -> np.ndarray:
    """Each run of `length` characters as one number."""
    codes = np.zeros(len(ids) - max(length - 1, 0), np.int64)
    for offset in range(length):
        codes = codes * len(ALPHABET) + ids[offset : offset + len(codes)]
    return codes


@torch.inference_mode()
def loss_on(model: CodeLSTM, ids: np.ndarray, *, lines: int = 64) -> float:
    """Nats per character, the text read as 64 long lines side by side."""
    stream = torch.from_numpy(ids[: len(ids) // lines * lines]).view(lines, -1)
    state, total, count = None, 0.0, 0
    for start in range(0, stream.shape[1] - 1, 1000):
        part = stream[:, start : start + 1001]
        out, state = model.rnn(model.embedding(part[:, :-1]), state)
        total += float(F.cross_entropy(model.head(out).flatten(0, 1), part[:, 1:].flatten(), reduction="sum"))
        count += part[:, 1:].numel()
    return total / count


def train(ids: np.ndarray, *, epochs: int = 5, rate: float = 3e-3) -> CodeLSTM:
    """Truncated back-propagation through time: the states are carried from one part of the text to the next."""
    torch.manual_seed(0)
    model = CodeLSTM()
    for name, weight in model.named_parameters():
        if "bias_hh" in name:  # the forget gates begin open (Jozefowicz et al. 2015)
            nn.init.constant_(weight[256:512].detach(), 1.0)
    stream = torch.from_numpy(ids[: len(ids) // BATCH * BATCH]).view(BATCH, -1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    parts = range(0, stream.shape[1] - 1, STEPS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * len(parts), pct_start=0.1)
    began = time.time()
    for epoch in range(epochs):
        state: tuple[Tensor, Tensor] | None = None
        for number, start in enumerate(parts):
            part = stream[:, start : start + STEPS + 1]
            out, (hidden, cell) = model.rnn(model.embedding(part[:, :-1]), state)
            state = hidden.detach(), cell.detach()
            loss = F.cross_entropy(model.head(out).flatten(0, 1), part[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if number % 50 == 0:
                seconds = time.time() - began
                print(f"epoch {epoch}, {number}/{len(parts)}, loss {loss.item():.3f}, {seconds:.0f} s", flush=True)
    return model.eval()


def main() -> None:
    """Train, write the weights and print the losses."""
    training, held_out = as_ids(code_text(held_out=False)), as_ids(code_text())
    print(f"{len(training):,} characters to train on, {len(held_out):,} held out")
    print(f"5-gram model: {five_gram_loss(training, held_out) / math.log(2):.3f} bits per character")
    model = train(training, epochs=int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    weights = {key: item.half() for key, item in model.state_dict().items()}
    torch.save(weights, Path(__file__).with_name("code_lstm.pt"))
    model.load_state_dict({key: item.float() for key, item in weights.items()})
    print(f"character LSTM: {loss_on(model, held_out) / math.log(2):.3f} bits per character")


if __name__ == "__main__":
    main()
