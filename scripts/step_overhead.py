"""What dropout costs in a training step: yolo26n at 320 px, ours at rate 0.1 against stock, on one CPU core.

Both networks take the same steps in turns, and CPU time is counted, so that a busy machine slows both alike. The ratio
is the median over the turns.

    python scripts/step_overhead.py [repetitions]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import torch
from ultralytics import YOLO
from ultralytics.cfg import get_cfg

from yolo_dropout.sites import apply_dropout

SIDE_PX, BATCH, BOXES, RATE = 320, 4, 16, 0.1


def step(net: Any, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor]) -> float:
    """Forward, loss, backward and optimizer step; seconds of CPU time."""
    start = time.process_time()
    optimizer.zero_grad()
    net(batch)[0].sum().backward()
    optimizer.step()
    return time.process_time() - start


def network(rate: float) -> tuple[Any, torch.optim.Optimizer]:
    """A network ready to train, and its optimizer."""
    torch.manual_seed(0)
    net = YOLO("yolo26n.yaml").model.train()
    net.args = get_cfg()
    apply_dropout(net, rate)
    return net, torch.optim.AdamW(net.parameters(), lr=1e-4)


def batch() -> dict[str, torch.Tensor]:
    """Random images with random boxes."""
    generator = torch.Generator().manual_seed(0)
    return {
        "img": torch.rand(BATCH, 3, SIDE_PX, SIDE_PX, generator=generator),
        "cls": torch.randint(0, 80, (BOXES, 1), generator=generator).float(),
        "bboxes": torch.rand(BOXES, 4, generator=generator) * 0.3 + 0.2,
        "batch_idx": torch.arange(BOXES) * BATCH // BOXES,  # in order, as the loader gives them
    }


def main(repetitions: int) -> None:
    torch.set_num_threads(1)
    data, runs = batch(), {"stock": network(0.0), f"ours at {RATE}": network(RATE)}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions + 2):
        order = list(runs) if repetition % 2 else list(reversed(runs))
        for name in order:
            taken = step(*runs[name], data)
            if repetition >= 2:  # the first steps allocate
                seconds[name].append(taken)
    for name, all_taken in seconds.items():
        print(f"{name:12} {1000 * statistics.median(all_taken):7.1f} ms a step (median of {repetitions})")
    stock, ours = seconds.values()
    print(f"ratio        {statistics.median(o / s for s, o in zip(stock, ours, strict=True)):7.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
