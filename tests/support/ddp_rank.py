"""One of two CPU ranks: loads what Ultralytics sends to a rank, and trains a step under DDP with gloo.

Ultralytics itself starts ranks on accelerators only. This does what its generated script does in each of them: it loads
the pickled trainer class, arguments, model and callbacks, and rebuilds the trainer.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from ultralytics.utils import DEFAULT_CFG_DICT, RANK
from ultralytics.utils.patches import torch_load

from yolo_dropout.sites import live_rates


def main(state_file: str, out: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{out}.store", rank=RANK, world_size=int(os.environ["WORLD_SIZE"])
    )
    trainer = received(state_file)
    net = DistributedDataParallel(trainer.model)
    trainer.model, trainer.epoch = net, 1
    trainer.run_callbacks("on_train_epoch_start")
    rates = live_rates(net.module, trainer.dropout_sites)
    masks = drawn(net, trainer.dropout_sites[0].name)
    on_epoch = trainer.on_epoch({"epoch": 1})
    report = {"rates": rates, "masks": masks, "on_epoch": on_epoch, "class": type(trainer).__name__}
    Path(f"{out}.{RANK}").write_text(json.dumps(report))
    distributed.destroy_process_group()


def received(state_file: str) -> Any:
    """The trainer that a rank rebuilds from what it was sent, with its model."""
    state: dict[str, Any] = torch_load(state_file, map_location="cpu")
    trainer = state["trainer"](
        cfg={**DEFAULT_CFG_DICT, "save_dir": ""}, overrides=state["args"], _callbacks=state["callbacks"]
    )
    trainer.model = state["model"]
    trainer.setup_model()
    trainer.model.args = trainer.args
    return trainer


def drawn(net: DistributedDataParallel, site: str) -> list[bool]:
    """Which channels of the first image one training step drops at a site; the step goes through DDP."""
    seen: list[bool] = []
    dropout = net.module.get_submodule(site).act[1]
    hook = dropout.register_forward_hook(lambda m, x, y: seen.extend((y[0].flatten(1) == 0).all(1).tolist()))
    output = net.train()(torch.rand(2, 3, 32, 32))
    output.sum().backward()
    hook.remove()
    return seen


if __name__ == "__main__":
    main(*sys.argv[1:])
