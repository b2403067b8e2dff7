"""What is where in the heads of Ultralytics' models."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from ultralytics.nn.modules import Classify, Conv

# Ultralytics numbers its branches; what `cv4` means depends on the head.
_BRANCHES = {
    "cv2": "box",
    "cv3": "cls",
    "cv5": "mask",
    "classifier": "cls",
    "aux_head": "aux",
    "head": "depth",
}
_FOURTH = {"Segment": "mask", "Pose": "pose", "OBB": "angle"}
# Not a branch of the prediction: a normalizing flow for the loss, and the prompt encoders of YOLOE.
_LEFT_ALONE = ("flow_model", "reprta", "savpe")


def head_branch(head: nn.Module, name: str) -> str:
    """What a module of a head predicts.

    Args:
        head: The last layer of a network.
        name: Name of the module inside the head, such as `one2one_cv3.0.1.1`.

    Returns:
        `box`, `cls`, `mask`, `pose`, `angle`, `proto`, `aux`, `depth`, `decoder`, or the module's own first name.
    """
    if isinstance(head, Classify):
        return "cls"
    first = name.split(".", maxsplit=1)[0].removeprefix("one2one_")
    if first == "cv4":
        family = (label for cls in type(head).__mro__ for key, label in _FOURTH.items() if cls.__name__ == key)
        return next(family, "cls")
    return _BRANCHES.get(first, first)


def has_norm_behind(head: nn.Module) -> bool:
    """Whether the class branch ends in a BatchNorm (the contrastive heads of YOLOE and World v2)."""
    return any(type(m).__name__ == "BNContrastiveHead" for m in head.modules())


def branch_convs(head: nn.Module) -> Iterator[str]:
    """Names of the last Conv of every branch: after its last BatchNorm, before its last weights.

    A branch is a Sequential that ends in a bare convolution. Pose26 keeps that last convolution elsewhere, so its
    branches are the Sequentials of Conv only. A classifier's one Conv feeds its linear layer.

    Args:
        head: The last layer of a network.

    Yields:
        Names inside the head.
    """
    if isinstance(head, Classify):
        yield "conv"
        return
    for name, module in head.named_modules():
        if _left_alone(head, name) or not isinstance(module, nn.Sequential) or len(module) < 2:
            continue
        if isinstance(module[-1], nn.Conv2d):
            yield from _last_conv(name, module, len(module) - 2)
        elif hasattr(head, "cv4_kpts") and name.split(".")[0].endswith("cv4"):
            yield from _last_conv(name, module, len(module) - 1)


def _left_alone(head: nn.Module, name: str) -> bool:
    # YOLOE never asks its Proto26 for the semantic branch, so nothing would act there.
    return name.partition(".")[0] in _LEFT_ALONE or (hasattr(head, "savpe") and name.startswith("proto"))


def _last_conv(name: str, branch: nn.Sequential, index: int) -> Iterator[str]:
    inside = [n for n, m in branch[index].named_modules() if isinstance(m, Conv)]
    if inside:
        yield ".".join(filter(None, [name, str(index), inside[-1]]))
