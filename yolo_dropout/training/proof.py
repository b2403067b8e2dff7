"""Measure that dropout acts in training and not in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from yolo_dropout.errors import SiteError
from yolo_dropout.sites import Site, live_rates, set_rate

# High enough that two draws of masks that happen to be equal are out of the question, even for one drop_path.
_CHECK_RATE = 0.5
_PASSES = 8


def measure(net: nn.Module, sites: tuple[Site, ...]) -> dict[str, bool]:
    """Whether training passes differ from each other, and whether evaluation passes do.

    The passes run on a copy, so that no BatchNorm statistic changes, and give the random streams back as they were.

    Raises:
        SiteError: Dropout does not act in training, somewhere or at all, or it acts in evaluation.
    """
    twin = deepcopy(net)
    set_rate(twin, sites, max(_CHECK_RATE, *live_rates(twin, sites).values()))
    images = _images(net)
    names = [site.name for site in sites]
    cuda = [images.device.index or 0] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        acting, output = _random_modules(twin, names, images)
        train = _differs(output, lambda: twin(images))
        evaluation = not _same(twin.eval()(images), twin(images))
    silent = [name for name in names if name not in acting]
    if silent or not train:
        raise SiteError(f"where: dropout at {(silent or names)[0]} would not act in training; choose other sites")
    if evaluation:
        raise SiteError(f"where: with dropout at {names[0]} evaluation is random too; choose other sites")
    return {"train_differs": train, "eval_differs": evaluation}


def random_modules(net: nn.Module, names: Iterable[str]) -> set[str]:
    """Those of some modules that a training pass reaches, and whose output differs for the same input.

    The network's BatchNorm statistics change.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        return _random_modules(net, names, _images(net))[0]


def _random_modules(net: nn.Module, names: Iterable[str], images: torch.Tensor) -> tuple[set[str], Any]:
    """What `random_modules` returns, and the network's output, which took a pass to look at."""
    calls: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda _module, args, kwargs: calls.update({name: deepcopy((args, kwargs))})

    def again(name: str) -> Any:
        args, kwargs = deepcopy(calls[name])  # some dropout works in place
        return modules[name](*args, **kwargs)

    modules = {name: net.get_submodule(name) for name in names}
    hooks = [m.register_forward_pre_hook(keep(name), with_kwargs=True) for name, m in modules.items()]
    output = net.train()(images)
    for hook in hooks:
        hook.remove()
    return {name for name in calls if _differs(again(name), partial(again, name))}, output


def _differs(first: Any, again: Callable[[], Any]) -> bool:
    return any(not _same(first, again()) for _ in range(_PASSES))


def _same(one: Any, other: Any) -> bool:
    pairs = zip(tree_flatten(one)[0], tree_flatten(other)[0], strict=True)
    return all(torch.equal(a, b) for a, b in pairs if isinstance(a, torch.Tensor))


def random_images(net: nn.Module, batch: int, side: int) -> torch.Tensor:
    """Images that a network takes, in [0, 1), always the same: shape (batch, channels, side, side), on its device."""
    weight = next(p for p in net.parameters() if p.ndim == 4)
    images = torch.rand(batch, weight.shape[1], side, side, generator=torch.Generator().manual_seed(0))
    return images.to(weight.device)


def _images(net: nn.Module) -> torch.Tensor:
    return random_images(net, 2, max(64, int(getattr(net, "stride", torch.tensor([32])).max())))
