"""Where dropout can act in a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn
from ultralytics.nn.modules import Classify, Conv

from yolo_dropout.errors import SiteError
from yolo_dropout.sites.heads import branch_convs, has_norm_behind, head_branch
from yolo_dropout.sites.plan import PLACES, DropoutPlan
from yolo_dropout.sites.residual import residual_ends
from yolo_dropout.sites.site import Layer, Site, layers, network


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
    DropoutPlan(0.0, where, kind)
    net = network(model)
    parts = layers(net)
    found = tuple(s for s in _candidates(parts, where, kind) if _inside(s, where))
    if not found:
        raise SiteError(_nothing(net, where, kind))
    for site in found:
        _refuse_weights_in_activation(net, site)
    return found


def is_place(where: str) -> bool:
    """Whether `where` names a place, and is not a regular expression."""
    return where in PLACES or re.fullmatch(r"head\.\w+", where) is not None


def _candidates(parts: list[Layer], where: str, kind: str) -> Iterator[Site]:
    classifier = isinstance(parts[-1].module, Classify)
    for layer in parts:
        natives = list(_native(layer, kind))
        if not is_place(where):
            yield from (*natives, *_convs(layer, kind, every=True))
        elif layer.part == where.partition(".")[0]:
            yield from natives or _convs(layer, kind, every=False)
        elif classifier and where == "head":
            # Ultralytics sets every nn.Dropout of a classifier, wherever it is; so the head's sites are all of them.
            yield from natives


def _inside(site: Site, where: str) -> bool:
    if not is_place(where):
        return re.search(where, site.name) is not None
    branch = where.partition(".")[2]
    return not branch or site.branch == branch


def _native(layer: Layer, kind: str) -> Iterator[Site]:
    if kind not in ("auto", "dropout"):
        return
    for name, module in _named(layer):
        if isinstance(module, nn.Dropout) and not _is_ours(name):
            yield Site(name, "native", _branch(layer, name), _width(layer.module), before_norm=False)
        elif isinstance(module, nn.MultiheadAttention):
            yield Site(name, "native", _branch(layer, name), module.embed_dim, before_norm=False)


def _is_ours(name: str) -> bool:
    # The second element of a Conv's activation was put there by `apply_dropout`; it is not the model's own.
    return name.endswith(".act.1")


def _width(module: nn.Module) -> int | None:
    return int(module.linear.in_features) if isinstance(module, Classify) else None


def _branch(layer: Layer, name: str) -> str:
    return head_branch(layer.module, name[len(layer.name) + 1 :]) if layer.part == "head" else layer.part


def _convs(layer: Layer, kind: str, *, every: bool) -> Iterator[Site]:
    ends = {_join(layer.name, name) for name in branch_convs(layer.module)} if layer.part == "head" else set()
    chosen = _chosen(layer, kind, ends, every=every)
    for name, module in _named(layer):
        if name in chosen and isinstance(module, Conv):
            branch = _branch(layer, name)
            shifts = name not in ends or (branch == "cls" and has_norm_behind(layer.module))
            used = "dropout2d" if kind == "auto" else kind
            yield Site(name, used, branch, int(module.conv.out_channels), shifts)


def _chosen(layer: Layer, kind: str, ends: set[str], *, every: bool) -> set[str]:
    if kind == "drop_path":
        return {_join(layer.name, name) for name in residual_ends(layer.module)}
    if every:
        return {name for name, module in _named(layer) if isinstance(module, Conv)}
    if layer.part == "head":
        return ends
    last = _output_conv(layer.module)
    return set() if last is None else {_join(layer.name, last)}


def _output_conv(module: nn.Module) -> str | None:
    """Name of the Conv that makes a layer's output: its last own one, or the last one anywhere in it."""
    if isinstance(module, Conv):
        return ""
    own = [name for name, child in module.named_children() if isinstance(child, Conv)]
    deep = [name for name, child in module.named_modules() if isinstance(child, Conv)]
    names = own or deep
    return names[-1] if names else None


def _named(layer: Layer) -> Iterator[tuple[str, nn.Module]]:
    for name, module in layer.module.named_modules():
        yield _join(layer.name, name), module


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if name else parent


def _refuse_weights_in_activation(net: nn.Module, site: Site) -> None:
    act = getattr(net.get_submodule(site.name), "act", None)
    if site.kind != "native" and isinstance(act, nn.Module) and next(act.parameters(), None) is not None:
        raise SiteError(
            f"where: the activation of {site.name} has weights ({type(act).__name__}), and dropout behind it would "
            "rename them in the checkpoint; choose other places with where="
        )


def _nothing(net: nn.Module, where: str, kind: str) -> str:
    head = type(layers(net)[-1].module).__name__
    if kind == "drop_path":
        why = "drop_path needs residual blocks, as in where='backbone' of most families"
    elif not is_place(where):
        why = "no Conv or Dropout has a name that this regular expression matches"
    elif kind in ("dropout2d", "dropblock"):
        why = f"{kind} needs convolutions there; kind='auto' takes what the model has"
    else:
        why = "try where='head', or 'neck', or see `yolo-dropout check`"
    return f"where: no site for where={where!r}, kind={kind!r} in this model (head {head}): {why}"
