"""Where dropout can act in a model."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn
from ultralytics.nn.modules import Classify, Conv

from yolo_dropout.errors import SiteError, SpecError
from yolo_dropout.sites.heads import branch_convs, has_norm_behind, head_branch, residual_ends
from yolo_dropout.sites.plan import PLACES, Dropout

# Below this many channels one draw of channel dropout takes a large part of the branch away.
FEW_CHANNELS = 32
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Site:
    """One place where dropout acts.

    Attributes:
        name: Name of the module in the model: a Conv (dropout follows its activation), a native `nn.Dropout`, or
            an `nn.MultiheadAttention`.
        kind: `native`, `dropout`, `dropout2d`, `dropblock` or `drop_path`.
        branch: `cls`, `box`, `mask`, ... in the head, else `neck` or `backbone`.
        channels: Of the feature map or vector that is dropped; None where the module does not tell.
        before_norm: Whether a BatchNorm comes before the next activation: dropout then shifts the variance that it
            sees between training and inference (Li et al., arXiv 1801.05134).
    """

    name: str
    kind: str
    branch: str
    channels: int | None
    before_norm: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before trusting dropout here, in plain words without the site's name."""
        coarse = self.kind in ("dropout2d", "dropblock") and (self.channels or FEW_CHANNELS) < FEW_CHANNELS
        few = (f"only {self.channels} channels, so dropout is coarse",) if coarse else ()
        shifted = "a BatchNorm follows, and sees another variance in training than in validation"
        return (*few, shifted) if self.before_norm else few


def network(model: Any) -> nn.Module:
    """The network of a `YOLO` object, or the module itself; the student where it is distilled.

    Raises:
        SiteError: There are no weights in memory, as in an exported model.
    """
    net = model if isinstance(model, nn.Module) and not hasattr(model, "task_map") else getattr(model, "model", None)
    if not isinstance(net, nn.Module):
        raise SiteError(f"model: needs a network in memory (a .pt or .yaml model), got {type(net).__name__}")
    return getattr(net, "student_model", net)


def find_sites(model: Any, where: str = "head", kind: str = "auto") -> tuple[Site, ...]:
    """The sites where dropout would act.

    Args:
        model: A `YOLO` object or an Ultralytics network.
        where: `head`, `head.cls`, `head.box`, another `head.<branch>`, `neck`, `backbone`, or a regular expression
            that is searched in module names.
        kind: `auto` takes a layer's own dropout modules where it has some (classifiers, transformers) and channel
            dropout elsewhere; `dropout` the same with single elements; `dropout2d`, `dropblock` and `drop_path` take
            convolutions only.

    Returns:
        The sites in the order of the network, at least one.

    Raises:
        SpecError: `where` or `kind` is not known.
        SiteError: The model has no such site, or an activation there has weights of its own.
    """
    Dropout(0.0, where, kind)
    net = network(model)
    layers = _layers(net)
    with _limited(where):
        found = tuple(site for site in _candidates(layers, where, kind) if _inside(site, where))
    if not found:
        raise SiteError(_nothing(type(layers[-1].module).__name__, where, kind))
    for site in found:
        _refuse_weights_in_activation(net, site)
    return found


class _Layer(NamedTuple):
    """One entry of an Ultralytics model, as its YAML lists them: `model.23`, `head`, and the module."""

    name: str
    part: str
    module: nn.Module

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield from self.module.named_modules(prefix=self.name)

    def branch(self, name: str) -> str:
        return head_branch(self.module, name[len(self.name) + 1 :]) if self.part == "head" else self.part


def _layers(net: nn.Module) -> list[_Layer]:
    modules, config = getattr(net, "model", None), getattr(net, "yaml", None)
    if not isinstance(modules, nn.Sequential) or not isinstance(config, dict) or "backbone" not in config:
        raise SiteError(f"model: must be an Ultralytics network built from a YAML, got {type(net).__name__}")
    border, last = len(config["backbone"]), len(modules) - 1
    parts = ("backbone" if i < border else "head" if i == last else "neck" for i in range(last + 1))
    return [_Layer(f"model.{i}", part, m) for i, (part, m) in enumerate(zip(parts, modules, strict=True))]


def _is_place(where: str) -> bool:
    return where in PLACES or re.fullmatch(r"head\.\w+", where) is not None


def _candidates(layers: list[_Layer], where: str, kind: str) -> Iterator[Site]:
    classifier = isinstance(layers[-1].module, Classify)
    for layer in layers:
        natives = list(_native(layer)) if kind in ("auto", "dropout") else []
        if not _is_place(where):
            yield from (*natives, *_convs(layer, kind, every=True))
        elif layer.part == where.partition(".")[0]:
            yield from natives or _convs(layer, kind, every=False)
        elif classifier and where == "head":
            # Ultralytics sets every nn.Dropout of a classifier, wherever it is; so the head's sites are all of them.
            yield from natives


def _inside(site: Site, where: str) -> bool:
    if not _is_place(where):
        return re.search(where, site.name) is not None
    return where.partition(".")[2] in ("", site.branch)


@contextlib.contextmanager
def _limited(where: str) -> Iterator[None]:
    """Give up on an expression such as `(.*)*x` that takes for ever, where Python can be interrupted: in a main thread.

    Raises:
        SpecError: It takes too long.
    """

    def give_up(*_: object) -> None:
        raise SpecError(f"where: {where!r} takes too long on names of modules; write it without nested repeats")

    if sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    else:
        yield


def _native(layer: _Layer) -> Iterator[Site]:
    width = int(layer.module.linear.in_features) if isinstance(layer.module, Classify) else None
    for name, module in layer.modules():
        if isinstance(module, nn.MultiheadAttention):
            yield Site(name, "native", layer.branch(name), module.embed_dim, before_norm=False)
        # The second element of a Conv's activation was put there by `apply_dropout`; it is not the model's own.
        elif isinstance(module, nn.Dropout) and not name.endswith(".act.1"):
            yield Site(name, "native", layer.branch(name), width, before_norm=False)


def _convs(layer: _Layer, kind: str, *, every: bool) -> Iterator[Site]:
    convs = {name: module for name, module in layer.modules() if isinstance(module, Conv)}
    ends = set(branch_convs(layer.module, layer.name)) if layer.part == "head" else set()
    if kind == "drop_path":
        chosen = set(residual_ends(layer.module, layer.name))
    elif every or layer.part == "head":
        chosen = set(convs) if every else ends
    else:  # the Conv that makes the layer's output: its last own one, or the last one anywhere in it
        own = [name for name in convs if name.count(".") <= layer.name.count(".") + 1]
        chosen = set((own or list(convs))[-1:])
    for name, module in convs.items():
        if name in chosen:
            branch = layer.branch(name)
            shifts = name not in ends or (branch == "cls" and has_norm_behind(layer.module))
            used = "dropout2d" if kind == "auto" else kind
            yield Site(name, used, branch, int(module.conv.out_channels), shifts)


def _refuse_weights_in_activation(net: nn.Module, site: Site) -> None:
    act = getattr(net.get_submodule(site.name), "act", None)
    if site.kind != "native" and isinstance(act, nn.Module) and next(act.parameters(), None) is not None:
        raise SiteError(
            f"where: the activation of {site.name} has weights ({type(act).__name__}), and dropout behind it would "
            "rename them in the checkpoint; choose other places with where="
        )


def _nothing(head: str, where: str, kind: str) -> str:
    if kind == "drop_path":
        why = "drop_path needs residual blocks, as in where='backbone' of most families"
    elif not _is_place(where):
        why = "no Conv or Dropout has a name that this regular expression matches"
    elif kind in ("dropout2d", "dropblock"):
        why = f"{kind} needs convolutions there; kind='auto' takes what the model has"
    else:
        why = "try where='head', or 'neck', or see `yolo-dropout check`"
    return f"where: no site for where={where!r}, kind={kind!r} in this model (head {head}): {why}"
