"""`YOLO.predict` that also says how sure each box is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import torch
from torch import Tensor
from ultralytics.cfg import get_cfg
from ultralytics.utils import LOGGER
from ultralytics.utils.checks import check_imgsz

from yolo_dropout.base.tasks import BOXES_OR_CLASS
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.inference.asked import Asked
from yolo_dropout.inference.head import ClassifierSpread, HeadSpread, entropy, lies_at_the_end
from yolo_dropout.inference.passes import PassesSpread
from yolo_dropout.inference.scaling import Scaling, Temperature, read_scaling
from yolo_dropout.sites import Dropout, find_sites, network

_REFUSED = ("augment", "embed", "visualize", "compile", "predictor")


def predict_with_dropout(
    model: Any,
    source: Any,
    *,
    dropout: float = 0.1,
    samples: int | None = None,
    where: str = "head",
    kind: str = "auto",
    seed: int = 0,
    scaling: Scaling | Temperature | str | Path | None = None,
    stream: bool = False,
    **predict_args: Any,
) -> list[Any] | Iterator[Any]:
    """Predict as `YOLO(model).predict(source, **predict_args)` does, and tell how far dropout would spread each box.

    Boxes and scores are the plain pass's, to the last digit; nothing changes in the model. Each result has
    `uncertainty`, a DataFrame with a row per box: `conf`, the mean of its score under dropout; `conf_sd`;
    `box_sd_px`, the root mean square of the standard deviations of its four sides, in pixels of the image;
    `mutual_info` between score and mask, in nats. Segmentation adds `mask_sd` (of the mask coefficients, relative to
    them), pose `keypoint_sd_px`, rotated boxes `angle_sd` in radians. A classifier's one row has `conf` and `conf_sd`
    of its first class, `entropy` and `mutual_info`, and beside it lies `mean_probs`, of all classes.

    Args:
        model: A path or a `YOLO` object, with weights in memory.
        source: What `YOLO.predict` takes: images, folders, videos, arrays, streams.
        dropout: Drop probability above 0 and below 1.
        samples: None for the closed form; else the number of masks, at least 2. Both take about one pass where dropout
            acts right before the head's last weights; elsewhere, and in RT-DETR, as many real passes (20 for None).
        where: See `find_sites`.
        kind: See `find_sites`.
        seed: Of the masks, which are the same for all images.
        scaling: What `yolo-dropout calibrate` wrote; adds the column `conf_scaled`, of the plain score.
        stream: Yield results one by one instead of returning a list.
        predict_args: Any argument of `YOLO.predict`.

    Returns:
        Ultralytics' `Results`, as a list, or one by one.

    Raises:
        SpecError: An argument breaks its rule.
        SiteError: Dropout cannot act there, or made no spread at all.
        InputError: The model or the scaling cannot be read.

    References:
        Gal and Ghahramani 2016, "Dropout as a Bayesian Approximation" (arXiv 1506.02142).
    """
    asked = Asked(Dropout(dropout, where, kind), samples, seed)
    refused = [name for name in _REFUSED if predict_args.get(name)]
    if refused:
        raise SpecError(f"{refused[0]}: cannot be combined with dropout; leave it out")
    yolo = copy.copy(_loaded(model))  # predict keeps its predictor in the object; the caller's stays as it is
    if hasattr(network(yolo).model[-1], "lrpc"):
        raise SpecError("model: YOLOE without prompts picks other places in every pass; give it classes (set_classes)")
    if yolo.task not in BOXES_OR_CLASS:
        raise SpecError(f"model: the task must be one of {', '.join(BOXES_OR_CLASS)}, got {yolo.task}")
    yolo.predictor, yolo.callbacks = None, {name: list(calls) for name, calls in yolo.callbacks.items()}
    plain = yolo._smart_load("predictor")
    held = read_scaling(scaling) if isinstance(scaling, (str, Path)) else scaling
    ours = type(f"Dropout{plain.__name__}", (_Telling, plain), {"asked": asked, "scaling": held})
    _check(predict_args)
    yolo._smart_load = lambda _: ours  # YOLOE takes an argument `predictor` for its visual prompts
    found: list[Any] | Iterator[Any] = yolo.predict(source, stream=stream, **predict_args)
    return found


def _check(predict_args: dict[str, Any]) -> None:
    """Refuse what Ultralytics would refuse, with a `SpecError`; it also prints its whole command-line help."""
    try:
        with patch.object(LOGGER, "disabled", True):
            check_imgsz(get_cfg(overrides=predict_args).imgsz, min_dim=2)
    except (SyntaxError, TypeError, ValueError) as error:
        raise SpecError(f"predict: {str(error).strip().splitlines()[0]}") from error


def _loaded(model: Any) -> Any:
    from ultralytics import YOLO

    if not isinstance(model, (str, Path)):
        return model
    try:
        return YOLO(model)
    except Exception as error:  # Ultralytics raises many kinds here
        raise InputError(f"model: {model} cannot be loaded: {' '.join(str(error).split())[:300]}") from error


class _Telling:
    """What makes a predictor of Ultralytics tell the spread of its boxes; comes before it in the order of bases.

    The network is the predictor's own copy, already fused: what is hooked to it goes with it.
    """

    args: Any
    model: Any
    asked: Asked
    scaling: Any
    _feats: Any = ()  # not None: Ultralytics then asks `get_obj_feats` what to file for the boxes that it keeps

    def setup_model(self, *args: Any, **kwargs: Any) -> None:
        super().setup_model(*args, **kwargs)  # type: ignore[misc]
        net = self.model.model
        plan, self._head = self.asked.dropout, net.model[-1]
        sites = find_sites(net, plan.where, plan.kind)
        if self.scaling:
            self.scaling.check(self.args.task, bool(getattr(net, "end2end", False)))
        self._one_to_one: Tensor | None = None
        if not lies_at_the_end(net, sites):
            self._spread: Any = PassesSpread(net, sites, self.asked)
            price = self._spread.real_passes
            LOGGER.info(f"dropout acts inside the network ({sites[0].name} …): {price + 1} passes for every image")
        else:
            reader = ClassifierSpread if self.args.task == "classify" else HeadSpread
            self._spread = reader(net, sites, self.asked)
        if hasattr(self._head, "get_topk_index"):
            self._head.get_topk_index = self._remember

    def _remember(self, scores: Tensor, max_det: int) -> Any:
        """Which anchors a head without NMS takes."""
        found = type(self._head).get_topk_index(self._head, scores, max_det)
        self._one_to_one = found[2].flatten(1)
        return found

    @staticmethod
    def get_obj_feats(_: Any, kept: list[Tensor]) -> list[Tensor]:
        return kept

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any) -> list[Any]:
        results: list[Any] = super().postprocess(preds, img, orig_imgs)  # type: ignore[misc]
        if self.args.task == "classify":
            self._spread.look(img, preds)
            for i, result in enumerate(results):
                result.uncertainty = self._of_classes(result, i)
            return results
        anchors = [self._anchors(result, i, preds) for i, result in enumerate(results)]
        if any(map(len, anchors)):
            self._spread.look(img, preds)
        return [self._told(r, i, anchors[i], img.shape[2:]) for i, r in enumerate(results)]

    def _anchors(self, result: Any, image: int, raw: Any) -> Tensor:
        if not hasattr(result, "feats"):  # RT-DETR
            return self._spread.anchors(image, result.boxes.conf, result.boxes.cls.long(), raw)
        kept = torch.as_tensor(result.__dict__.pop("feats"))
        end2end = getattr(self.model, "end2end", False)
        return self._one_to_one[image][kept] if end2end and self._one_to_one is not None else kept

    def _told(self, result: Any, image: int, anchors: Tensor, shape: Any) -> Any:
        boxes = result.obb if result.obb is not None else result.boxes
        columns = {name: torch.empty(0) for name in ("conf", "conf_sd", "box_sd_px", "mutual_info")}
        if len(anchors):
            found = self._spread.of(image, anchors.long(), boxes.cls.long())
            height, width = result.orig_shape
            gain = min(shape[0] / height, shape[1] / width)
            per_px = found.sides.new_tensor([width, height] * 2) if self._is_rtdetr else 1 / gain
            box_sd = ((found.sides * per_px) ** 2).mean(1).sqrt()
            columns = {"conf": found.conf, "conf_sd": found.conf_sd, "box_sd_px": box_sd}
            columns |= {"mutual_info": found.mutual_info}
            columns |= {name: sd / gain if name.endswith("_px") else sd for name, sd in found.more.items()}
        if self.scaling:
            columns["conf_scaled"] = self.scaling(boxes.conf)
        table = pd.DataFrame({name: values.float().cpu().numpy() for name, values in columns.items()})
        if result.masks is not None and not (kept := result.masks.data.amax((-2, -1)) > 0).all():
            # Ultralytics leaves boxes with an empty mask out, unless somebody files something for each.
            result, table = result[kept], table[kept.cpu().numpy()].reset_index(drop=True)
        result.uncertainty = table
        return result

    @property
    def _is_rtdetr(self) -> bool:
        return not hasattr(self._head, "one2many")

    def _of_classes(self, result: Any, image: int) -> pd.DataFrame:
        mean, variance, information = self._spread.of(image)
        top = result.probs.top1
        row = {"conf": mean[top], "conf_sd": variance[top].sqrt(), "entropy": entropy(mean), "mutual_info": information}
        if self.scaling:
            row["conf_scaled"] = self.scaling(result.probs.data)[top]
        result.mean_probs = mean
        return pd.DataFrame({name: [float(value)] for name, value in row.items()})
