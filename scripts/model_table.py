"""Make docs/models.md: every model config of the installed Ultralytics, and where dropout acts in it.

Everything in the table is measured: a site acts where its module's output is random in training.

    python scripts/model_table.py            # writes docs/models.md
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from yolo_dropout.errors import InputError, SiteError
from yolo_dropout.sites import Site, apply_dropout
from yolo_dropout.training.checking import stock_network
from yolo_dropout.training.models import load_model
from yolo_dropout.training.proof import random_modules

RATE = 0.5
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
INTRO = """\
# Where dropout acts, model by model

Made by `python scripts/model_table.py` with Ultralytics {version}; the tests measure it again. A family is built at
its smallest scale; the others have the same sites.

- **head**: sites of `where="head"`, the default, by branch. They lie after the last BatchNorm of a branch and before
  its last weights. In classifiers and RT-DETR they are the model's own dropout modules, elsewhere channel dropout.
- **neck**, **backbone**: number of sites of `where="neck"` and `where="backbone"`; in brackets those of
  `kind="drop_path"`, which acts on residual blocks. A BatchNorm follows all of them.
- **stock**: whether `dropout=` of stock Ultralytics acts anywhere. **ours**: whether ours acts at every site listed.

| model | task | head | neck | backbone | stock | ours |
|---|---|---|---|---|---|---|
"""
NOTES = """
## What is refused, and why

- `yolo11-cls-resnet18` loads ImageNet weights from the network while it is built. Where it cannot, the model is refused
  with one line; with a network it is a classifier as the others.
- World and YOLOE train on text embeddings, for which Ultralytics loads a text model from the network. Dropout acts in
  them as in the table; whether a training starts is up to that download.
- A model whose activations have weights of their own (PReLU): dropout behind one would rename its weights in the
  checkpoint.
- `kind="drop_path"` where there is no residual block, `kind="dropout2d"` and `"dropblock"` where there is no
  convolution (the head of RT-DETR).

## A model that has dropout in its YAML

At rate 0.0 it is left as stock Ultralytics does: a detector keeps the rate of its YAML, and so does a classifier, since
`dropout=0.0` resets nothing. Above 0.0, `where="head"` sets every `nn.Dropout` of a classifier to the rate, as stock
does; in other models the YAML's own dropout goes on acting beside ours. It is set to the rate where it lies in the part
that `where` names, for as long as the training runs: checkpoints have the YAML's rate again. On a CPU such a
classifier's control sees other crops than its rates above 0, because its own masks are drawn as stock draws them.

## Two branches: YOLO26 and YOLOv10

Their heads train two branches. Ultralytics logs the losses of the one-to-one branch, and takes the mAP from the
one-to-many branch with NMS unless `nms=False`. A study leaves both as they are, so that its control is what a user gets
without us, and says in every record which branch a number describes. With `nms=False` both describe the one-to-one
branch, which is what such a model exports.
"""


def configs() -> list[str]:
    """Names of all model configs of the installed Ultralytics, each at its smallest scale."""
    import ultralytics

    folder = Path(ultralytics.__file__).parent / "cfg" / "models"
    return sorted({_smallest(file.stem) for file in folder.rglob("*.yaml")})


def table_row(config: str) -> str:
    """The line of the table for one config.

    Raises:
        InputError: The model cannot be built here.
    """
    yolo = load_model(f"{config}.yaml")
    stock = _stock_acts(yolo)
    head, *others = (_measured(yolo, where, "auto") for where in ("head", "neck", "backbone"))
    paths = [_measured(yolo, where, "drop_path") for where in ("neck", "backbone")]
    ours = all(acting for _, acting in (head, *others, *paths))
    branches = ", ".join(f"{branch} {count}" for branch, count in Counter(s.branch for s in head[0]).items())
    parts = [f"{len(sites)} ({len(residual)})" for (sites, _), (residual, _) in zip(others, paths, strict=True)]
    return f"| {' | '.join([config, yolo.task, branches, *parts, _yes(stock), _yes(ours)])} |"


def page() -> Iterator[str]:
    """The page, piece by piece."""
    import ultralytics

    yield INTRO.format(version=ultralytics.__version__)
    for config in configs():
        print(config, file=sys.stderr)
        try:
            yield table_row(config) + "\n"
        except InputError:
            yield f"| {config} | classify | cannot be built without a network | | | | |\n"
    yield NOTES


def _measured(yolo: Any, where: str, kind: str) -> tuple[tuple[Site, ...], bool]:
    try:
        sites = apply_dropout(yolo, RATE, where, kind)
    except SiteError:
        return (), True
    names = {site.name for site in sites}
    return sites, random_modules(yolo.model, names) == names


def _stock_acts(yolo: Any) -> bool:
    net = stock_network(yolo, RATE)
    kinds = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention)
    return bool(random_modules(net, [name for name, module in net.named_modules() if isinstance(module, kinds)]))


def _yes(acts: bool) -> str:
    return "yes" if acts else "no"


def _smallest(stem: str) -> str:
    scaled = "rtdetr" not in stem or stem.startswith("yolo")
    return re.sub(r"^(yolo(?:e-)?v?\d+)(?=$|-)", r"\1n", stem) if scaled else stem


if __name__ == "__main__":
    PAGE.write_text("".join(page()), encoding="utf-8")
