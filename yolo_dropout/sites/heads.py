"""Where branches end in Ultralytics' networks: those of a prediction, and those beside a skip connection."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from ultralytics.nn.modules import Bottleneck, Classify, Conv
from ultralytics.nn.modules.block import CIB, ABlock, PSABlock, ResNetBlock

# Ultralytics numbers its branches; what `cv4` means depends on the head.
_BRANCHES = {"cv2": "box", "cv3": "cls", "cv5": "mask", "classifier": "cls", "aux_head": "aux", "head": "depth"}
_FOURTH = {"Segment": "mask", "Pose": "pose", "OBB": "angle"}
# Not a branch of the prediction: a normalizing flow for the loss, and the prompt encoders of YOLOE.
_LEFT_ALONE = ("flow_model", "reprta", "savpe")
_RESIDUAL_ENDS = {
    Bottleneck: ("cv2",),
    CIB: ("cv1.4",),
    PSABlock: ("attn.proj", "ffn.1"),
    ABlock: ("attn.proj", "mlp.1"),
    ResNetBlock: ("cv3",),
}


def head_branch(head: nn.Module, name: str) -> str:
    """What a module of a head predicts, by its name in there, such as `one2one_cv3.0.1.1`.

    Returns:
        `box`, `cls`, `mask`, `pose`, `angle`, `proto`, `aux`, `depth`, `decoder`, or the module's own first name.
    """
    if isinstance(head, Classify):
        return "cls"
    first = name.split(".", maxsplit=1)[0].removeprefix("one2one_")
    if first == "cv4":
        return next((_FOURTH[cls.__name__] for cls in type(head).__mro__ if cls.__name__ in _FOURTH), "cls")
    return _BRANCHES.get(first, first)


def has_norm_behind(head: nn.Module) -> bool:
    """Whether the class branch ends in a BatchNorm (the contrastive heads of YOLOE and World v2)."""
    return any(type(m).__name__ == "BNContrastiveHead" for m in head.modules())


def branch_convs(head: nn.Module, prefix: str) -> Iterator[str]:
    """Names of the last Conv of every branch: after its last BatchNorm, before its last weights.

    A branch is a Sequential that ends in a bare convolution. Pose26 keeps that last convolution elsewhere, so its
    branches are the Sequentials of Conv only. A classifier's one Conv feeds its linear layer. The head's own name is
    `prefix`.
    """
    if isinstance(head, Classify):
        yield f"{prefix}.conv"
        return
    for name, module in head.named_modules():
        if not isinstance(module, nn.Sequential) or len(module) < 2 or _left_alone(head, name):
            continue
        bare = isinstance(module[-1], nn.Conv2d)
        if bare or (hasattr(head, "cv4_kpts") and name.split(".")[0].endswith("cv4")):
            last = len(module) - 1 - bare
            inside = module[last].named_modules(prefix=f"{prefix}.{name}.{last}")
            yield from [conv for conv, m in inside if isinstance(m, Conv)][-1:]


def _left_alone(head: nn.Module, name: str) -> bool:
    # YOLOE never asks its Proto26 for the semantic branch, so nothing would act there.
    return name.partition(".")[0] in _LEFT_ALONE or (hasattr(head, "savpe") and name.startswith("proto"))


def residual_ends(layer: nn.Module, prefix: str) -> Iterator[str]:
    """Names of the last Conv of every residual branch in a layer, whose own name is `prefix`.

    Dropping such a Conv's output for a whole sample leaves the skip connection alone: stochastic depth
    (Huang et al. 2016). Blocks without a skip (`add=False`) have none.
    """
    for name, block in layer.named_modules(prefix=prefix):
        ends = next((ends for kind, ends in _RESIDUAL_ENDS.items() if isinstance(block, kind)), ())
        if ends and getattr(block, "add", True):
            yield from (f"{name}.{end}" for end in ends if isinstance(block.get_submodule(end), Conv))
