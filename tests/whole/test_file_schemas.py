"""docs/files.md tells the columns and keys that fake studies write; tests of real trainings look at theirs."""

from __future__ import annotations

import json
from pathlib import Path

import documented
import pytest
from made_studies import run, spec

from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.treatment import Treatment
from yolo_dropout.study import load_study

BY_HAND = {
    "shift": "corruption,group,severity,metric,value\nnone,none,0,val/loss,1.0\nfog,weather,3,val/loss,2.0\n",
    "classes": "class,metric,value\na,metrics/mAP50-95(B),0.5\n",
    "images": "image,metric,value\nval/a.png,val/loss,1.0\nval/b.png,val/loss,2.0\n",
    "calibration": json.dumps({"boxes": 9, "dece": 0.1, "brier": 0.2}),
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of rates, in which one is used, and one of named treatments over folds; with all that is measured later."""
    more = {"select": "val/loss", "min_gain": 0.01, "train": {"epochs": 30}}
    heavy = Treatment("decay", train={"weight_decay": 0.01})
    made = list[Path]()
    for asked in (spec(**more, score="val/loss@last5"), spec(rates=(0,), treatments=(heavy,), folds=3, **more)):
        out = tmp_path_factory.mktemp("study")
        study, _ = run(out, asked)
        for record in study.records:
            for name, text in BY_HAND.items():
                getattr(study.folder.run(record.run.name), name).write_text(text)
        publish_tables(load_study(out))
        made.append(out)
    return made


def test_the_page_tells_every_column_and_key(studies: list[Path]):
    assert [documented.faults(study) for study in studies] == [[], []]


def test_every_column_and_key_on_the_page_is_in_some_study(studies: list[Path]):
    for name, known in documented.documented().items():
        files = [file for study in studies for file in study.glob(name.replace("RUN", "*"))]
        found = {item for file in files for item in documented.names_in(file, known)}
        real = ("proof.", "images") if name.startswith("runs") else ()  # which no fake has
        assert not files or {item for item in known if not item.startswith(real)} <= found, name


def test_a_column_that_nobody_has_told_of_is_a_fault(studies: list[Path], tmp_path: Path):
    table = (studies[0] / "summary.csv").read_text().replace("rate,n,", "rate,number,", 1)
    (tmp_path / "summary.csv").write_text(table)
    (tmp_path / "more.json").write_text("{}")
    verdict = json.loads((studies[0] / "verdict.json").read_text())
    del verdict["comparisons"][0]["p"], verdict["comparisons"][1]["p"]
    (tmp_path / "verdict.json").write_text(json.dumps(verdict | {"comparisons": verdict["comparisons"], "why": 1}))
    assert documented.faults(tmp_path) == [
        "summary.csv: number is not on the page",
        "summary.csv: has no n",
        "verdict.json: why is not on the page",
        "verdict.json: has no comparisons[].p",
        "more.json is not on the page",
    ]
