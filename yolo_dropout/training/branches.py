"""Which branch of a two-branch model a number describes."""

from __future__ import annotations

from torch import nn


def branch_note(net: nn.Module, nms: bool | None = None) -> str:
    """What the numbers of a training describe, for heads that train two branches (YOLO26, YOLOv10).

    Args:
        net: The network.
        nms: The training's argument of that name: False evaluates the one-to-one branch, without NMS.

    Returns:
        One line, or an empty text for heads with one branch.
    """
    head = net.model[-1]
    if getattr(head, "one2one_cv2", None) is None:
        return ""
    metrics = "one-to-one branch, no NMS" if nms is False else "one-to-many branch + NMS"
    return f"val losses: one-to-one branch; mAP: {metrics}"
