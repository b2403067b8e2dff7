"""Every model config of the installed Ultralytics: where dropout acts, measured, against the table in the docs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
import ultralytics

from yolo_dropout.errors import InputError
from yolo_dropout.sites import apply_dropout, strip_dropout
from yolo_dropout.training.models import load_model

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "models.md"
# Ultralytics builds it from weights that it downloads.
NEEDS_NETWORK = {"yolo11n-cls-resnet18"}


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model_table", ROOT / "scripts" / "model_table.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = script()


def test_every_config_is_in_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert len(TABLE.configs()) > 60
    assert [name for name in TABLE.configs() if f"| {name} |" not in text] == []


def test_the_notes_of_the_page_are_those_of_the_script() -> None:
    assert DOCS.read_text(encoding="utf-8").endswith(TABLE.NOTES)


# Each takes seconds, and has a smaller sister that is built the same way.
LARGE = {"yolov9c", "yolov9c-seg", "yolov9e", "yolov9e-seg", "yolov9m", "yolov10b", "yolov10l", "yolov10m", "yolov10x"}
LARGE |= {"rtdetr-x", "rtdetr-resnet101", "rtdetr-resnet50", "yolov8n-cls-resnet101", "yolov3n-spp"}
LARGE |= {"yolov3n", "rtdetr-l"}
# Each has a sister with other levels or another width.
SISTERS = {"yolo26n-p2", "yolov5n-p6", "yolov8n-ghost-p2", "yolov8n-ghost-p6", "yolov8n-p2", "yolov8n-p6", "yolov9s"}
SISTERS |= {"yolov8n-pose-p6", "yolov8n-seg-p6", "yolov8n-cls-resnet50", "yolov10s"}
CONFIGS = [pytest.param(name, marks=pytest.mark.soak) if name in LARGE | SISTERS else name for name in TABLE.configs()]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_is_as_the_table_says_and_ours_acts_everywhere(config: str) -> None:
    if config in NEEDS_NETWORK:
        pytest.skip("Ultralytics downloads weights to build it")
    row = TABLE.table_row(config)
    acts_stock, acts_ours = row.split("|")[-3:-1]
    assert acts_ours.strip() == "yes"
    assert (acts_stock.strip() == "yes") == (" classify " in row)
    if f"Ultralytics {ultralytics.__version__}" in DOCS.read_text(encoding="utf-8"):
        assert row in DOCS.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("config", ["yolo26n", "yolo26n-seg", "yolov10n", "yolo12n-pose", "yolov9t", "yolov8n-world"])
def test_keys_stay_and_evaluation_is_unchanged(config: str) -> None:
    net = load_model(f"{config}.yaml").model.eval()
    keys = list(net.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = net(images)[0]
        apply_dropout(net, 0.5)
        assert list(net.state_dict()) == keys
        after = net(images)[0]
    first = (x[0] if isinstance(x, tuple) else x for x in (before, after))
    assert torch.equal(*first)
    strip_dropout(net)


def test_a_config_that_needs_the_network_is_refused_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # no weights that an earlier download left
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(InputError, match=r"^model: yolo11n-cls-resnet18.yaml cannot be loaded: ") as error:
        load_model("yolo11n-cls-resnet18.yaml")
    assert "\n" not in str(error.value)
