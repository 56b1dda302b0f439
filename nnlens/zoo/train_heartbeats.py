"""Trains the network of heartbeats: `python -m nnlens.zoo.train_heartbeats`, about two minutes on two cores.

The weights are written beside this file, in half precision.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .heartbeats import Heartbeats, HeartNet

HERE = Path(__file__).parent


def batch_of(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Signals (n, 2, samples) and their classes."""
    data = Heartbeats(count, seed)
    items = [data[place] for place in range(count)]
    return torch.stack([item.signal for item in items]), torch.tensor([item.label for item in items])


def main(rounds: int = 40, batch: int = 64) -> None:
    """Train, and print the share of new recordings that are classified rightly."""
    torch.manual_seed(0)
    model = HeartNet()
    x, y = batch_of(4000, seed=1)
    steps = rounds * len(x) // batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(0, len(x), (batch,))
        # Shifted in time and scaled, so that neither the place nor the height of a beat tells the class.
        shift, scale = int(torch.randint(0, x.shape[2], ())), 0.8 + 0.4 * torch.rand(batch, 1, 1)
        loss = F.cross_entropy(model(x[chosen].roll(shift, 2) * scale), y[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            print(f"step {step} of {steps}: loss {float(loss.detach()):.3f}", flush=True)
    model.eval()
    new_x, new_y = batch_of(2000, seed=2)
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in new_x.split(200)]) == new_y
    print(f"{100 * float(right.float().mean()):.1f} % of {len(new_y)} new recordings are right")
    weights = {key: item.half() if item.is_floating_point() else item for key, item in model.state_dict().items()}
    torch.save(weights, HERE / "heartbeats.pt")


if __name__ == "__main__":
    main()
