"""Dropout in trainings that a user starts: `YOLO.train`, trainer classes, and every example of docs/python.md."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tiny_data import CLS, make_data
from torch import nn
from ultralytics import YOLO
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.nn.tasks import torch_safe_load

from yolo_dropout import apply_dropout, dropout_trainer, strip_dropout, train_with_dropout
from yolo_dropout.errors import SiteError, SpecError
from yolo_dropout.sites import live_rates

MODEL = str(CLS)
PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"^## (.*?)$|^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
NEEDS = {"Optuna": "optuna", "Ray Tune": "ray.tune"}
# With `nbs` every batch is a step of the optimizer.
TINY: dict[str, Any] = {"epochs": 1, "imgsz": 32, "batch": 2, "nbs": 2, "plots": False, "seed": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_data("classify", tmp_path_factory.mktemp("data")))


def examples() -> list[Any]:
    """Code of the page by its heading."""
    found, heading = [], "one call"
    for title, code in EXAMPLES:
        heading = title or heading
        if code:  # a cluster, or a tuning in processes of its own, takes as long as all others together
            marks = [pytest.mark.soak] if heading in ("Ray Tune", "`model.tune`") else []
            found.append(pytest.param(code, NEEDS.get(heading), id=heading, marks=marks))
    return found


@pytest.mark.train
@pytest.mark.parametrize(("code", "needs"), examples())
def test_every_example_trains_with_dropout_that_acts(
    code: str, needs: str | None, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands on the page, with a tiny model, tiny data, and few trainings."""
    if needs:
        pytest.importorskip(needs, reason=f"{needs} is not installed", exc_type=ImportError)
    small = f"imgsz=32, batch=2, plots=False, project={str(tmp_path / 'runs')!r}"
    tiny = {
        "yolo26n.pt": MODEL,
        "coco8.yaml": data,
        "epochs=50": f"epochs=1, {small}",
        "epochs=10, iterations=20": f"epochs=1, iterations=1, {small}",
        "runs/detect/tune": str(tmp_path / "runs" / "tune"),
        "0.0, 0.4": "0.1, 0.4",
        "n_trials=20": "n_trials=1",
        "[0.0, 0.1, 0.3]": "[0.1]",
        "[0, 1, 2]": "[0]",
        "models.yolo.detect": "models.yolo.classify",
        "DetectionTrainer": "ClassificationTrainer",
    }
    for there, here in tiny.items():
        code = code.replace(there, here)
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "__main__"})  # noqa: S102 - our own page
    records = [json.loads(file.read_text()) for file in tmp_path.glob("runs/**/dropout.json")]
    assert records
    assert all(record["sites"] and record["train_differs"] for record in records)


@pytest.mark.train
def test_dropout_on_a_yolo_object_is_that_of_train_with_dropout(data: str, tmp_path: Path) -> None:
    """In a class of one's own, too; a second training has it again, and checkpoints are stock."""

    class Own(ClassificationTrainer):  # type: ignore[misc]
        stepped = 0

        def optimizer_step(self) -> None:
            Own.stepped += 1
            super().optimizer_step()

    yolo = YOLO(MODEL)
    apply_dropout(yolo, 0.2)
    sites = apply_dropout(yolo, 0.7, "backbone", "dropblock")
    yolo.train(trainer=Own, data=data, save_dir=str(tmp_path / "applied"), **TINY)
    run = train_with_dropout(
        MODEL, dropout=0.7, where="backbone", kind="dropblock", data=data, save_dir=str(tmp_path / "ours"), **TINY
    )
    assert Own.stepped > 0
    assert run.sites == tuple(site.name for site in sites)
    files = (tmp_path / name / "results.csv" for name in ("applied", "ours"))
    tables = [[row.split(",")[2:] for row in file.read_text().splitlines()] for file in files]
    assert tables[0] == tables[1]
    net = torch_safe_load(tmp_path / "applied" / "weights" / "last.pt", safe_only=True)[0]["model"]
    assert {n: type(m) for n, m in net.named_modules()} == {n: type(m) for n, m in YOLO(MODEL).model.named_modules()}


def kept(yolo: Any, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """The trainer class that `yolo.train` asks for, and what it hands it, without a training."""
    seen: dict[str, Any] = {}

    class Stop(ClassificationTrainer):  # type: ignore[misc]
        def __init__(self, overrides: dict[str, Any], _callbacks: Any) -> None:
            seen.update(overrides, cls=type(self))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        yolo.train(trainer=Stop, data="coco8.yaml", **arguments)
    return seen.pop("cls"), seen


def test_all_ways_of_training_get_the_dropout_and_a_copy_keeps_it() -> None:
    """On several GPUs only the class is sent to each: the rate and the place are in it."""
    yolo = YOLO(MODEL)
    apply_dropout(yolo, 0.3, "backbone", "dropblock")
    cls, given = kept(deepcopy(yolo), device="0,1", compile=True)
    assert (cls.dropout_plan.rate, cls.dropout_plan.where, given["dropout"]) == (0.3, "backbone", 0.3)
    strip_dropout(yolo)
    assert not hasattr(kept(yolo)[0], "dropout_plan")
    assert not [m for m in yolo.model.modules() if type(m).__module__.startswith("yolo_dropout")]


def test_tuning_in_other_processes_is_refused_and_stock_again_without() -> None:
    yolo = YOLO(MODEL)
    apply_dropout(yolo, 0.5)
    with pytest.raises(SiteError, match=r"^tune: .*then train_with_dropout"):
        yolo.tune(data="coco8.yaml")
    strip_dropout(yolo)
    assert yolo.tune.__func__ is YOLO.tune


def test_a_trainer_for_rate_0_is_stock_apart_from_safe_checkpoints() -> None:
    cls = dropout_trainer(YOLO(MODEL), 0.0)
    assert issubclass(cls, ClassificationTrainer)
    assert not hasattr(cls, "dropout_sites")


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (nn.Linear, "trainer: must be a trainer class of Ultralytics, or a subclass"),
        ("Mine", "trainer: must be a trainer class of Ultralytics, or a subclass, got 'Mine'"),
        (dropout_trainer(BaseTrainer, 0.1), "trainer: DropoutBaseTrainer has its dropout already"),
    ],
)
def test_what_dropout_cannot_be_put_on_is_refused(of: Any, told: str) -> None:
    with pytest.raises(SpecError, match=f"^{told}"):
        dropout_trainer(of, 0.2)
    with pytest.raises(SpecError, match=f"^{told}"):
        train_with_dropout(MODEL, trainer=of, data="coco8.yaml")


class Plain(BaseTrainer):  # type: ignore[misc]
    """Takes what Ultralytics' trainers do, and keeps it."""

    def __init__(self, cfg: Any = "stock", overrides: Any = None, _callbacks: Any = None) -> None:
        self.told, self.resume, self.save_dir = (cfg, overrides, _callbacks), True, Path("runs")


class Few(Plain):
    def __init__(self, overrides: Any, _callbacks: Any = None) -> None:
        super().__init__("none", overrides, _callbacks)


class Passing(Plain):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)


class Named(Plain):
    def __init__(self, *args: Any, overrides: Any = None) -> None:
        super().__init__(*args, overrides=overrides)


@pytest.mark.parametrize(
    ("of", "args", "told"),
    [
        (Named, ("cfg",), ("cfg", {"dropout": 0.1}, None)),
        (Plain, ({"a": 1}, {"epochs": 1}, {}), ({"a": 1}, {"epochs": 1, "dropout": 0.1}, {})),
        (Plain, ({"a": 1},), ({"a": 1}, {"dropout": 0.1}, None)),
        (Plain, (), ("stock", {"dropout": 0.1}, None)),
        (Few, ({"epochs": 1},), ("none", {"epochs": 1, "dropout": 0.1}, None)),
        (Passing, ("cfg", {"epochs": 1}), ("cfg", {"epochs": 1, "dropout": 0.1}, None)),
    ],
)
def test_a_trainer_is_called_by_position_as_the_class_that_it_was_made_of(of: Any, args: Any, told: Any) -> None:
    assert dropout_trainer(of, 0.1)(*args).told == told


def test_a_call_that_the_class_does_not_take_is_refused_as_there() -> None:
    with pytest.raises(TypeError):
        dropout_trainer(Plain, 0.1)("cfg", {}, {}, "one more")
    with pytest.raises(SpecError, match=r"^dropout: acts here at 0.1, got dropout=0.3 as well"):
        dropout_trainer(Plain, 0.1)("cfg", {"dropout": 0.3})


def test_two_rates_are_refused() -> None:
    yolo = YOLO(MODEL)
    with pytest.raises(SpecError, match=r"^dropout: acts here at 0.1, got dropout=0.3 as well; leave that out"):
        yolo.train(trainer=dropout_trainer(yolo, 0.1), data="coco8.yaml", dropout=0.3)


def test_a_rate_that_is_none_leaves_the_dropout_that_is_there():
    yolo = YOLO(MODEL)
    sites = apply_dropout(yolo, 0.5)
    with pytest.raises(SpecError, match="rate"):
        apply_dropout(yolo, 1.5)
    assert set(live_rates(yolo.model, sites).values()) == {0.5}
    assert "train" in vars(yolo)
