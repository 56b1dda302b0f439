"""Texts: what the states of a recurrent layer cost beside the fused pass, and how long a hand waits.

Run it with `python benchmarks/text.py`. Ours and torch's fused LSTM are timed in turn in one process; the ratio is that
of their medians.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from os import environ

import torch

import nnlens
from nnlens.kernels import text
from nnlens.recording import record

ROUNDS = 7


def seconds(run: Callable[[], object]) -> float:
    """The time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def states() -> None:
    """All states, and all states and gates, of 10,000 characters, against the fused forward alone."""
    model, alphabet = nnlens.zoo.code_lstm()
    words = nnlens.zoo.code_text(10_000)
    ids = torch.tensor([[max(0, alphabet.find(character)) for character in words]])

    def ours() -> None:
        recording = record(model, ids)
        for layer in ("rnn.cell_l0", "rnn.hidden_l0", "rnn.cell_l1", "rnn.hidden_l1"):
            recording[layer].sum()

    def fused() -> None:
        with torch.inference_mode():
            model(ids)

    ours(), fused()
    pairs = [(seconds(ours), seconds(fused)) for _ in range(ROUNDS)]
    own, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    words = f"all states {own:.2f} s, fused forward {peer:.2f} s, ratio {own / peer:.2f}"
    print(f"10,000 characters, two layers of 256: {words}")


def keystroke() -> None:
    """From a text with one other character to the new colours, without the browser."""
    model, alphabet = nnlens.zoo.code_lstm()
    lens, words = nnlens.Lens(model, alphabet=alphabet), nnlens.zoo.code_text(1000)
    view = lens.cells(words)
    view.wait()
    times = []
    for character in "abcdefgh":
        changed = f"{words[:700]}{character}{words[701:]}"
        times.append(seconds(lambda changed=changed: (view.set_state({"typed": {"text": changed}}), view.wait())))
    print(f"a keystroke in 1,000 characters: median {1000 * statistics.median(times):.0f} ms in the kernel")


def contexts() -> None:
    """A long text: the first results, and all."""
    environ["NNLENS_CACHE"] = tempfile.mkdtemp()
    model, alphabet = nnlens.zoo.code_lstm()
    lens = nnlens.Lens(model, alphabet=alphabet)
    corpus = nnlens.zoo.code_text(1_000_000, held_out=False)
    start, first = time.perf_counter(), [0.0]
    view = lens.cells(corpus[:500], corpus=corpus)

    def seen(change: object) -> None:
        if not first[0] and view.contexts and view.contexts["rows"]:
            first[0] = time.perf_counter() - start

    view.observe(seen, "contexts")
    view.wait()
    print(f"contexts in 1 MB: first after {first[0]:.1f} s, all after {time.perf_counter() - start:.0f} s")


def attention() -> None:
    """A layer of 12 heads at 512 tokens after the forward pass, and of 4 heads at 8,000."""
    transformers = __import__("transformers")
    transformers.logging.set_verbosity_error()
    for tokens, heads in ((512, 12), (8000, 4)):
        sizes = {"n_embd": 16 * heads, "n_layer": 2, "n_head": heads, "n_positions": 8192}
        config = transformers.GPT2Config(vocab_size=98, **sizes, bos_token_id=1, eos_token_id=1)
        lens = nnlens.Lens(transformers.GPT2LMHeadModel(config).eval(), alphabet=nnlens.zoo.code.ALPHABET)
        view = lens.attention(nnlens.zoo.code_text(tokens))
        start = time.perf_counter()
        view.attention_layer = view.attention_layers[1]["layer"]
        took = time.perf_counter() - start
        print(f"attention of a layer, {heads} heads, {tokens} tokens: {took:.2f} s")
        view.wait()
        view.close()


def ranking() -> None:
    """All cells of a layer ranked by a property of 10,000 characters."""
    model, alphabet = nnlens.zoo.code_lstm()
    words = nnlens.zoo.code_text(10_000)
    sample = nnlens.Lens(model, alphabet=alphabet).cells(words).selection.sample
    layer = text.cells(sample.recording, sample.input.text, "rnn.cell_l1")
    took = seconds(lambda: layer.following(text.inside_quotes(words)))
    print(f"256 cells ranked on 10,000 characters: {took:.2f} s")


if __name__ == "__main__":
    states()
    keystroke()
    ranking()
    attention()
    contexts()
