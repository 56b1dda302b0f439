from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import nnlens
from nnlens.session import session as sessions

# Counts the process's threads after each step. Torch computes with two threads, one of which it starts.
STEPS = """
import os, torch
from nnlens.utils.threads import end_own_threads

def count():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(2)
end_own_threads()
counts = [count()]
for _ in range(2):
    assert torch.equal(torch.ones(1_000_000).mul(2), torch.full((1_000_000,), 2.0))
    counts.append(count())
    end_own_threads()
    counts.append(count())
print([number - counts[0] for number in counts])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of other libraries stay")
def test_torch_starts_the_threads_again_that_were_ended():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[0, 1, 0, 1, 0]"


def test_they_end_before_the_worker_reads_a_text(monkeypatch):
    model, alphabet = nnlens.zoo.code_lstm()
    text = nnlens.Lens(model, alphabet=alphabet).cells("if x:")
    image = nnlens.Lens(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))).activations(torch.rand(1, 3, 8, 8))
    ended = []
    monkeypatch.setattr(sessions, "end_own_threads", lambda: ended.append(True))
    assert image.wait(30)
    assert not ended
    text.set_state({"typed": {"text": "for x:"}})
    assert ended
    assert text.wait(30)
    assert text.text["text"] == "for x:"
