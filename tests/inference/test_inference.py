"""Dropout at inference: boxes stay, spread is that of samples, every site draws, and the model is left as it was."""

from __future__ import annotations

import copy
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ultralytics import RTDETR, YOLO
from ultralytics.utils import LOGGER

from yolo_dropout import apply_dropout, predict_with_dropout
from yolo_dropout.errors import InputError, SiteError, SpecError
from yolo_dropout.inference.asked import Asked
from yolo_dropout.inference.head import ClassifierSpread, HeadSpread, lies_at_the_end
from yolo_dropout.inference.passes import PassesSpread
from yolo_dropout.sites import Dropout, acting_module, find_sites

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "datasets" / "starter.pt"
DIGITS = ROOT / "datasets" / "digits-detect" / "images" / "val"
TINY: dict[str, Any] = {"imgsz": 64, "verbose": False, "conf": 0.0, "max_det": 20}
DETECTORS = ["yolov8n", "yolov9t", "yolo11n", "yolo12n", "yolo26n", "yolo26n one-to-one", "yolov10n"]
DETECTORS += ["yolov10n one-to-one", "yolo11n-seg", "yolo26n-seg", "yolo11n-pose", "yolo26n-pose one-to-one"]
DETECTORS += ["yolo11n-obb", "yolo26n-obb one-to-one"]
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
# As the network sees it.
SEEN = torch.full((1, 3, 64, 64), 114 / 255)
SEEN[:, :, 8:56] = torch.from_numpy(IMAGE[..., ::-1].transpose(2, 0, 1).copy()) / 255


@cache
def built(family: str) -> Any:
    """From YAML, but alive: BatchNorm knows its inputs, and the last layers' outputs differ by about 0.3."""
    torch.manual_seed(0)
    yolo = YOLO(f"{family.split(maxsplit=1)[0]}.yaml")
    if "yoloe" in family:  # without classes its scores are all the same
        yolo.set_classes(list(map(str, range(80))), torch.nn.functional.normalize(torch.randn(1, 80, 512), dim=-1))
    for module in yolo.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    ends = (m for m in yolo.model.model[-1].modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)))
    lasts = [m for m in ends if m.bias is not None]
    with torch.no_grad():
        images = torch.cat([SEEN, SEEN.flip(3), SEEN.flip(2)])
        yolo.model.train()(images)
        hooks = [last.register_forward_hook(make_moderate) for last in lasts]
        yolo.model.eval()(images)
    for hook in hooks:
        hook.remove()
    return yolo


def make_moderate(module: Any, _: Any, output: torch.Tensor) -> None:
    module.weight *= 0.3 / output.std()
    module.bias.zero_()


def fused(family: str) -> Any:
    net = copy.deepcopy(built(family).model)
    net.end2end = "one-to-one" in family
    return net.fuse(verbose=False).eval()


def spreads(net: Any, *readers: Any) -> list[pd.DataFrame]:
    """What each reader says of all 84 anchors of the image; every row is one."""
    found = []
    with torch.inference_mode():
        raw = net(SEEN)
        for reader in readers:
            reader.look(SEEN, raw)
            told = reader.of(0, torch.arange(84), torch.arange(84) % 3)
            sides = {f"side{i}": told.sides[:, i] for i in range(4)}
            found.append(pd.DataFrame({"conf": told.conf, "conf_sd": told.conf_sd, **sides, **told.more}))
    return found


# Of every kind of head and branch; the others have another network before it.
FEW = {"yolov8n", "yolo26n one-to-one", "yolov10n one-to-one", "yolo26n-seg", "yolo11n-pose", "yolo26n-obb one-to-one"}
FAMILIES = [family if family in FEW else pytest.param(family, marks=pytest.mark.soak) for family in DETECTORS]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_closed_form_is_what_samples_find_and_every_site_draws(family: str):
    net = fused(family)
    sites = find_sites(net)
    assert lies_at_the_end(net, sites)
    assert len(sites) == 3 * len({site.branch for site in sites})
    both = [HeadSpread(net, sites, Asked(Dropout(0.1), samples)) for samples in (None, 4000)]
    alone = [HeadSpread(net, [site], Asked(Dropout(0.1), 8)) for site in sites]
    closed, sampled, *drawn = spreads(net, *both, *alone)
    assert ((closed.conf - sampled.conf).abs() <= 5 * sampled.conf_sd / 4000**0.5).all()
    ratio = closed.drop(columns="conf") / sampled.drop(columns="conf")
    assert (ratio - 1).abs().max().max() < 0.1
    assert (ratio.mean() - 1).abs().max() < 0.03
    levels = np.repeat([0, 1, 2], [64, 16, 4])
    of_branch = {"cls": "conf_sd", "box": "side0"}
    for site, table in zip(sites, drawn, strict=True):
        column = table[of_branch.get(site.branch, closed.columns[-1])]
        here = levels == int(site.name.split(".")[3])
        assert (column[here] > 0).all()
        assert (column[~here] < 1e-6).all()


@pytest.mark.parametrize("family", ["yolo26n-pose one-to-one", "yolo11n-seg"])
def test_real_passes_find_the_same_spread(family: str):
    net = fused(family)
    sites = find_sites(net)
    readers = HeadSpread(net, sites, Asked(Dropout(0.1))), PassesSpread(net, sites, Asked(Dropout(0.1), 60))
    closed, passes = spreads(net, *readers[:1])[0], spreads(net, *readers[1:])[0]
    assert ((passes / closed).mean() - 1).abs().max() < 0.15


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_stay_those_of_the_plain_pass_and_the_model_stays_as_it_was(family: str):
    yolo, args = built(family), {**TINY, "nms": "one-to-one" not in family}
    before = yolo.predict(IMAGE, **args)[0]
    predictor, state = yolo.predictor, copy.deepcopy(yolo.model.state_dict())
    closed = predict_with_dropout(yolo, IMAGE, **args)[0]
    _, sampled = predict_with_dropout(yolo, [IMAGE, IMAGE], samples=500, batch=2, **args)
    assert yolo.predictor is predictor
    assert all(torch.equal(state[name], value) for name, value in yolo.model.state_dict().items())
    after = yolo.predict(IMAGE, **args)[0]
    for result in (closed, after):
        for kind in ("boxes", "obb", "masks", "keypoints"):
            plain, found = getattr(before, kind), getattr(result, kind)
            assert (plain is None) == (found is None)
            assert plain is None or torch.equal(plain.data, found.data)
    assert len(closed.uncertainty) == len(closed) > 0
    assert (closed.uncertainty[["conf_sd", "box_sd_px", "mutual_info"]] > 0).all().all()
    assert ((closed.uncertainty / sampled.uncertainty - 1).abs().max() < 0.3).all()


@pytest.mark.parametrize("family", ["rtdetr-l", "yoloe-11n", "yoloe-26n-seg one-to-one", "yolov8n-worldv2"])
def test_every_site_draws_where_that_takes_real_passes(family: str):
    net = copy.deepcopy(rtdetr().model).eval() if family == "rtdetr-l" else fused(family)
    sites = find_sites(net)
    reader = PassesSpread(net, sites, Asked(Dropout(0.5), 2))
    drew = set[str]()

    def seen(name: str, module: Any, inputs: Any, out: Any) -> None:
        # Of attention only the outcome is seen, which is no copy of what went in.
        attention = isinstance(module, torch.nn.MultiheadAttention)
        if module.training and (attention or not torch.equal(inputs[0], out)):
            drew.add(name)

    for site in sites:
        acting_module(net, site).register_forward_hook(partial(seen, site.name))
    with torch.inference_mode():
        reader.look(SEEN, net(SEEN))
    assert drew == {site.name for site in sites}


@pytest.mark.parametrize("family", ["yoloe-11n", "yoloe-26n-seg one-to-one", "yolov8n-worldv2"])
def test_models_with_prompts_take_real_passes_and_keep_their_boxes(family: str):
    yolo, args = built(family), {**TINY, "nms": "one-to-one" not in family}
    plain = yolo.predict(IMAGE, **args)[0]
    found = predict_with_dropout(yolo, IMAGE, samples=3, **args)[0]
    assert torch.equal(plain.boxes.data, found.boxes.data)
    assert (found.uncertainty[["conf_sd", "box_sd_px"]] > 0).all().all()


def test_a_classifier_tells_entropy_and_information_in_closed_form_and_by_samples():
    yolo = built("yolo26n-cls")
    plain = yolo.predict(IMAGE, imgsz=64, verbose=False)[0]
    closed, sampled, passes = (
        predict_with_dropout(yolo, IMAGE, imgsz=64, verbose=False, dropout=0.2, **how)[0]
        for how in ({}, {"samples": 4000}, {"samples": 20, "kind": "dropout2d"})
    )
    assert torch.equal(plain.probs.data, closed.probs.data)
    assert list(closed.uncertainty) == ["conf", "conf_sd", "entropy", "mutual_info"]
    ratio = closed.uncertainty / sampled.uncertainty
    assert ratio.sub(1).abs().max().max() < 0.1
    assert (passes.uncertainty > 0).all().all()
    net = copy.deepcopy(yolo.model).fuse(verbose=False)
    assert isinstance(ClassifierSpread(net, find_sites(net), Asked(Dropout(0.1))), ClassifierSpread)


@pytest.mark.parametrize("where", ["head", "neck"])
def test_an_rtdetr_takes_real_passes_of_the_same_queries(where: str):
    torch.manual_seed(0)
    yolo = rtdetr()
    found = predict_with_dropout(yolo, IMAGE, samples=3, where=where, dropout=0.05, **TINY)[0]
    plain = yolo.predict(IMAGE, **TINY)[0]
    assert torch.equal(plain.boxes.data, found.boxes.data)
    assert (found.uncertainty.conf_sd > 0).all()
    # Of other queries the boxes would lie anywhere.
    assert (found.uncertainty.box_sd_px < 8).all()


@cache
def rtdetr() -> Any:
    return RTDETR("rtdetr-l.yaml")


@pytest.mark.parametrize("where", ["neck", r"model\.5"])
def test_sites_inside_the_network_take_real_passes_which_is_told(where: str, caplog: pytest.LogCaptureFixture):
    LOGGER.addHandler(caplog.handler)
    args = {"imgsz": 64, "verbose": False, "conf": 0.1, "samples": 3, "where": where}
    state = torch.random.get_rng_state()
    first, again = (predict_with_dropout(str(STARTER), str(DIGITS / "val-00.png"), **args)[0] for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (first.uncertainty.conf_sd > 0).all()
    pd.testing.assert_frame_equal(first.uncertainty, again.uncertainty)
    other = predict_with_dropout(str(STARTER), str(DIGITS / "val-00.png"), seed=1, **args)[0]
    assert not first.uncertainty.equals(other.uncertainty)
    LOGGER.removeHandler(caplog.handler)
    assert "4 passes for every image" in caplog.text


def test_samples_are_repeatable_and_their_masks_are_those_of_the_seed():
    first, again, other = (
        predict_with_dropout(str(STARTER), str(DIGITS / "val-00.png"), samples=9, seed=s, imgsz=64, verbose=False)[0]
        for s in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first.uncertainty, again.uncertainty)
    assert not first.uncertainty.equals(other.uncertainty)


def test_a_stream_is_a_generator_and_dropout_in_the_model_given_is_not_counted_twice():
    yolo = YOLO(STARTER)
    plain = next(iter(predict_with_dropout(yolo, DIGITS, stream=True, imgsz=64, verbose=False)))
    apply_dropout(yolo, 0.5)
    found = predict_with_dropout(yolo, DIGITS, stream=True, imgsz=64, verbose=False)
    assert not isinstance(found, list)
    pd.testing.assert_frame_equal(next(found).uncertainty, plain.uncertainty)
    assert len(find_sites(yolo)) == 12


def test_no_spread_where_dropout_acts_is_an_error():
    yolo = YOLO(STARTER)
    for name, module in yolo.model.named_modules():
        if "cv3" in name and isinstance(module, torch.nn.Conv2d) and module.out_channels == yolo.model.nc:
            module.weight.data.zero_()
    with pytest.raises(SiteError, match=r"^dropout: 0.1 at .*cv3.* made no spread at all"):
        predict_with_dropout(yolo, str(DIGITS / "val-00.png"), imgsz=64, verbose=False, conf=0.0)


@pytest.mark.parametrize(
    ("args", "error", "told"),
    [
        ({"dropout": 0.0}, SpecError, "dropout: must be above 0"),
        ({"dropout": 1.0}, SpecError, "dropout: the rate"),
        ({"samples": 1}, SpecError, "samples: must be"),
        ({"samples": True}, SpecError, "samples: must be"),
        ({"seed": -1}, SpecError, "seed: must be"),
        ({"augment": True}, SpecError, "augment: cannot"),
        ({"where": "nowhere"}, SiteError, "where: no site"),
        ({"no_such": 1}, SpecError, "predict: .*no_such"),
        ({"scaling": "no.json"}, InputError, "scaling: no.json"),
        ({"model": "no.pt"}, InputError, "model: no.pt cannot be loaded"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_one_line(args: dict[str, Any], error: type[Exception], told: str):
    with pytest.raises(error, match=f"^{told}") as raised:
        predict_with_dropout(**{"model": str(STARTER), "source": IMAGE, "verbose": False, **args})
    assert "\n" not in str(raised.value)


def test_models_without_boxes_are_refused_in_one_line():
    with pytest.raises(SpecError, match=r"^model: the task must be one of"):
        predict_with_dropout(YOLO("yolo26n-sem.yaml"), IMAGE)


def test_an_exported_model_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "exported.onnx").touch()
    with pytest.raises(SiteError, match=r"^model: needs a network in memory"):
        predict_with_dropout(YOLO(tmp_path / "exported.onnx", task="detect"), IMAGE)
