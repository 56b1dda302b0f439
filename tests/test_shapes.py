"""The shapes in the kernels' signatures and results hold: jaxtyping and beartype check them in a process of their own.

Not in all tests: there, bad input is to meet the kernels' own errors.
"""

from __future__ import annotations

import subprocess
import sys

CHECKED = """
import jaxtyping
jaxtyping.install_import_hook("nnlens.kernels", "beartype.beartype")
import numpy as np, torch
from torch import nn
from nnlens import kernels, record
from nnlens.kernels.occlusion.occlusion_map import Occlusion

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.ReLU(),
                      nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)).eval()
x = torch.randn(1, 3, 24, 20)
assert kernels.occlusion(model, x, size=8, stride=6, unit=("3", 1)).activations.ndim == 2
assert kernels.occlusion(model, x, size=8, stride=6, shape="circle", fill="surround").complete
assert kernels.occluded_scores(model, x, [(0, 0), (3, 4)], size=5, fill="blur").shape == (2, 3)
assert kernels.masked_scores(model, x, np.ones((2, 24, 20), bool), fill=0.0).shape == (2, 3)
for name in kernels.METHODS:
    if name == "attention_rollout":
        continue
    options = {"samples": 30} if name in ("lime", "kernel_shap", "rise", "smoothgrad") else {}
    options |= {"segments": kernels.superpixels(x, "grid", 9)} if name in ("lime", "kernel_shap") else {}
    options |= {"size": 8, "stride": 8} if name == "occlusion" else {}
    options |= {"steps": 5} if name in ("integrated_gradients", "extremal_perturbation") else {}
    result = kernels.attribution(model, x, name, target=1, **options)
    assert result.values.shape[1:] == (24, 20), name
evidence = None
from nnlens.kernels.attribution.evidence.evidence import evidence_steps
from nnlens.kernels.attribution.subject import Subject
subject = Subject(model, x, target=1)
for evidence in evidence_steps(subject, kernels.attribution(model, x, "gradient", target=1), {}):
    pass
assert evidence.findings()
assert kernels.pointing_game(result.importance(), np.ones((24, 20), bool))
recording = record(model, x)
assert kernels.activations(recording, "3").values.shape == (5, 9, 7)
assert kernels.back_projection(model, x, ("3", 1), rule="deconvnet").values.shape == (3, 24, 20)
assert kernels.connections(recording, x, "3", 1).inputs
assert kernels.ablation(model, x, "3", 1).change().shape == (3,)
assert kernels.synthesis(model, x, ("3", 1), mean=0.5, std=0.25, steps=8).pixels.shape == (1, 3, 24, 20)
images = torch.randn(4, 3, 24, 20)
assert kernels.examples(model, images, ["3"])["3"].examples(1)

# And the check would notice.
try:
    kernels.occlusion(model, x[0], size=8)
except jaxtyping.TypeCheckError as error:
    assert "1 c h w" in str(error)
else:
    raise AssertionError("a missing dimension was not noticed")
"""


def test_the_shapes_of_the_signatures_hold():
    done = subprocess.run([sys.executable, "-c", CHECKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
