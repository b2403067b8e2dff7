"""What the proof measures, what it must leave alone, and what Ultralytics does that records rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_data import make_data
from torch import nn
from ultralytics import YOLO

from yolo_dropout.errors import SiteError
from yolo_dropout.sites import apply_dropout, find_sites, set_rate, strip_dropout
from yolo_dropout.training import train_lean
from yolo_dropout.training.checking import stock_network
from yolo_dropout.training.mask_stream import MaskStream
from yolo_dropout.training.proof import measure, random_modules

pytestmark = pytest.mark.oldest


@pytest.fixture(scope="module")
def built() -> nn.Module:
    torch.manual_seed(0)
    return YOLO("yolo26n.yaml").model


@pytest.fixture
def net(built: nn.Module) -> Iterator[nn.Module]:
    yield built
    strip_dropout(built)


@pytest.mark.parametrize("rate", [0.001, 0.3])
@pytest.mark.parametrize("kind", ["dropout", "dropout2d", "dropblock"])
def test_training_passes_differ_and_evaluation_passes_do_not(net: nn.Module, kind: str, rate: float) -> None:
    sites = apply_dropout(net, rate, "head.box", kind)
    assert measure(net, sites) == {"train_differs": True, "eval_differs": False}


def test_a_rate_that_starts_at_zero_is_measured_all_the_same(net: nn.Module) -> None:
    sites = apply_dropout(net, 0.3, "backbone", "drop_path")
    set_rate(net, sites, 0.0)
    assert measure(net, sites)["train_differs"]


def test_the_measurement_leaves_weights_statistics_mode_and_random_streams(net: nn.Module) -> None:
    sites = apply_dropout(net, 0.3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    measure(net, sites)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert net.training
    assert {net.get_submodule(site.name).act[1].p for site in sites} == {0.3}


def test_a_site_that_no_training_pass_reaches_is_an_error() -> None:
    net = YOLO("yoloe-26n-seg.yaml").model  # has a semantic branch that it never asks
    sites = apply_dropout(net, 0.3, r"cv2\.0\.1$|proto\.semseg\.1$")
    with pytest.raises(SiteError, match=r"^where: dropout at model.23.proto.semseg.1 would not act in training"):
        measure(net, sites)


def test_dropout_that_acts_in_evaluation_is_an_error(net: nn.Module) -> None:
    class Always(nn.Dropout2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout2d(x, self.p, True)

    sites = apply_dropout(net, 0.3)
    net.get_submodule(sites[0].name).act[1] = Always(0.3)
    with pytest.raises(SiteError, match=r"evaluation is random too"):
        measure(net, sites)


@pytest.mark.parametrize(("config", "acts"), [("yolo26n.yaml", False), ("yolo26n-cls.yaml", True)])
def test_stock_dropout_acts_in_classifiers_only(config: str, acts: bool) -> None:
    net = stock_network(YOLO(config), 0.5)
    names = [name for name, module in net.named_modules() if name]
    assert bool(random_modules(net, [n for n in names if "." in n and n.count(".") < 3])) is acts


def test_stock_leaves_the_rate_of_a_yaml_at_rate_zero_and_sets_it_above(tmp_path: Path) -> None:
    yolo = YOLO(str(with_dropout_in_the_yaml(tmp_path)))
    assert [m.p for m in stock_network(yolo, 0.0).modules() if isinstance(m, nn.Dropout)] == [0.2, 0.0]
    assert [m.p for m in stock_network(yolo, 0.4).modules() if isinstance(m, nn.Dropout)] == [0.4, 0.4]
    assert [site.name for site in find_sites(yolo)] == ["model.9", "model.10.drop"]


@pytest.mark.train
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_a_classifier_with_dropout_in_its_yaml_trains_as_in_stock_with_stock_s_masks(
    rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MaskStream, "enter", lambda _stream: None)  # ours come from another stream
    model, data = str(with_dropout_in_the_yaml(tmp_path)), str(make_data("classify", tmp_path / "data"))
    args: dict[str, Any] = {
        "data": data,
        "epochs": 2,
        "imgsz": 32,
        "batch": 2,
        "nbs": 2,
        "plots": False,
        "dropout": rate,
    }
    YOLO(model).train(save_dir=str(tmp_path / "stock"), **args)
    ours = train_lean(model, save_dir=str(tmp_path / "ours"), **args)
    assert _losses(ours.results_csv) == _losses(tmp_path / "stock" / "results.csv")
    assert ours.sites == (("model.9", "model.10.drop") if rate else ())


@pytest.mark.train
def test_a_classifier_whose_backbone_drops_keeps_its_own_dropout_at_zero(tmp_path: Path) -> None:
    yolo, seen = YOLO("yolov8n-cls.yaml"), []
    yolo.add_callback("on_train_start", lambda t: seen.append(t.model.model[-1].drop.p))
    data = str(make_data("classify", tmp_path / "data"))
    save_dir = str(tmp_path / "run")
    run = train_lean(yolo, dropout=0.4, where="backbone", data=data, save_dir=save_dir, epochs=1, imgsz=32, batch=2)
    assert seen == [0.0]
    assert all(name.startswith("model.") and "drop" not in name for name in run.sites)


def with_dropout_in_the_yaml(folder: Path) -> Path:
    from ultralytics.nn.tasks import yaml_model_load
    from ultralytics.utils import YAML

    config = yaml_model_load("yolov8n-cls.yaml")
    config["backbone"].append([-1, 1, "nn.Dropout", [0.2]])
    file = folder / "yolov8n-cls-dropout.yaml"
    YAML.save(file, {key: config[key] for key in ("nc", "scales", "backbone", "head")})
    return file


def _losses(results_csv: Path) -> list[str]:
    return [line.split(",", 2)[2] for line in results_csv.read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    return {
        "img": torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
        "cls": torch.tensor([[1.0], [0.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.4, 0.6, 0.3, 0.5]]),
        "batch_idx": torch.tensor([0.0, 1.0]),
    }


def test_logged_losses_are_those_of_the_one_to_one_branch(batch: dict[str, torch.Tensor]) -> None:
    from ultralytics.cfg import get_cfg

    net = YOLO("yolo26n.yaml").model.train()
    net.args = get_cfg()
    criterion = net.init_criterion()
    preds = net(batch["img"])
    logged = criterion(preds, batch)[1]
    one2one = criterion.one2one.loss(criterion.one2one.parse_output(preds)["one2one"], batch)[1]
    one2many = criterion.one2many.loss(criterion.one2many.parse_output(preds)["one2many"], batch)[1]
    assert {k: float(v) for k, v in logged.items()} == {k: float(v) for k, v in one2one.items()}
    assert float(logged["cls_loss"]) != float(one2many["cls_loss"])


@pytest.mark.parametrize(("nms", "branch"), [(None, "cv3"), (False, "one2one_cv3")])
def test_map_is_taken_from_the_branch_that_the_note_names(
    nms: bool | None, branch: str, batch: dict[str, torch.Tensor]
) -> None:
    """The validator of a training sets `end2end` to `nms is False`; the predictions then come from one branch."""
    net = YOLO("yolo26n.yaml").model.eval()
    net.end2end = nms is False
    head = net.model[-1]
    with torch.no_grad():
        before = net(batch["img"])[0].clone()
        for name in {"cv3", "one2one_cv3"} - {branch}:
            for level in getattr(head, name):
                level[-1].bias += 3.0
        assert torch.equal(net(batch["img"])[0], before)
        for level in getattr(head, branch):
            level[-1].bias += 3.0
        assert not torch.equal(net(batch["img"])[0], before)
