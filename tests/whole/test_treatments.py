"""A whole study of named treatments, with a fake backend: on the command line, in a folder, on the page."""

from __future__ import annotations

import html
import json
from collections import Counter
from functools import partial
from pathlib import Path

import fakes
import pandas as pd
import pytest
import yaml
from made_studies import TABLES, derived, run, spec
from tiny_data import CLS, make_data

from yolo_dropout import Dropout, Treatment, load_study, run_study
from yolo_dropout.cli import main
from yolo_dropout.cli import run as run_command
from yolo_dropout.cli.options import parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.cli.train import from_study
from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Job
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ultralytics.trackers import tracker_environment
from yolo_dropout.report.page import render_report
from yolo_dropout.report.publish import publish, publish_tables
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec

FROZEN = Path(__file__).parents[1] / "support" / "frozen_study.json"
HALF = Treatment("dropout 0.9 in the neck", Dropout(0.9, "neck"))
DECAY = Treatment("weight decay x10", train={"weight_decay": 0.005})


def swept(folder: Path, *words: str, seeds: str = "3") -> int:
    """The command, with as many epochs as mosaic takes to act; pictures and report are drawn."""
    base = ["sweep", "model=m", "data=d", "epochs=20", "--seeds", seeds, "--jobs", "2", "--out", str(folder)]
    return run_command(parse([*base, *words]), partial(sweep, backend=fakes.FAKE))


def folders(study: Path) -> set[str]:
    return {path.name.rpartition("-s")[0] for path in (study / "runs").iterdir()}


def test_a_study_made_before_there_were_treatments_says_the_same_and_goes_on(tmp_path):
    for name, text in json.loads(FROZEN.read_text()).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = derived(tmp_path, (*TABLES, "study.yaml"))
    old = load_study(tmp_path)
    publish_tables(old)
    _, trained = run(tmp_path, old.spec)
    assert trained == []
    assert derived(tmp_path, (*TABLES, "study.yaml")) == before
    more = {"rates": (0, 0.1, 0.25, 0.3), "treatments": {"both": DECAY.fields | {"dropout": 0.4}}}
    grown = StudySpec.from_dict(old.spec.as_dict() | more)
    study, trained = run(tmp_path, grown)
    assert trained == [f"{name}-s{seed}" for name in ("both", "p0.30") for seed in range(3)]
    assert list(study.scores.columns) == ["0.0", "0.1", "0.25", "0.3", "both"]


def test_named_treatments_are_told_by_name_in_tables_verdict_pictures_and_page(tmp_path):
    study, trained = run(tmp_path, spec(rates=(0, 0.1), treatments=(HALF, DECAY)), publish=publish)
    assert {name.rpartition("-s")[0] for name in trained} == {
        "p0.00", "p0.10", "dropout-0-9-in-the-neck", "weight-decay-x10"
    }  # fmt: skip
    assert json.loads((tmp_path / "runs/weight-decay-x10-s0/run.json").read_text())["treatment"] == DECAY.name
    assert list(study.curves.columns[:2]) == ["treatment", "seed"]
    assert list(study.scores.columns) == ["0.0", "0.1", HALF.name, DECAY.name]
    assert pd.read_csv(tmp_path / "summary.csv")["treatment"].tolist() == ["0.0", "0.1", HALF.name, DECAY.name]
    assert [c.treatment for c in study.verdict.comparisons] == ["0.1", HALF.name, DECAY.name]
    assert json.loads((tmp_path / "verdict.json").read_text())["comparisons"][1]["treatment"] == HALF.name
    assert (tmp_path / "figures/effects.png").exists() and not (tmp_path / "figures/rate_response.png").exists()
    page = (tmp_path / "report.html").read_text()
    assert "What helps" in page and HALF.name in page and "Results by treatment" in page
    assert 'Changed are the optimiser by "weight decay x10"' in page.replace("&#34;", '"')
    assert '"weight decay x10" gives the very curves of the control: it did not act' in page.replace("&#34;", '"')
    shown = study._repr_html_()  # in a notebook
    assert shown.count("<svg") == shown.count("<table") == 1
    assert study.verdict.reason in html.unescape(shown) and f"<td>{HALF.name}</td>" in shown
    assert "effects" in study.figures()
    assert DECAY.name in render_report(load_study(tmp_path), live_version="1")
    again, trained = run(tmp_path, study.spec)
    assert trained == [] and again.verdict == study.verdict


@pytest.mark.usefixtures("no_pictures")
def test_a_treatment_is_added_by_its_own_words_alone_and_no_known_one_changes(tmp_path, capsys):
    neck = "in the neck: dropout=0.1 where=neck kind=dropblock schedule=linear"
    assert swept(tmp_path, "--rates", "0", "0.1", "--treatment", "decay: weight_decay=0.005", seeds="1") == 0
    assert swept(tmp_path, "--treatment", neck, seeds="1") == 0
    assert folders(tmp_path) == {"p0.00", "p0.10", "decay", "in-the-neck"}
    held = yaml.safe_load((tmp_path / "study.yaml").read_text())["treatments"]
    assert held == {
        "decay": {"weight_decay": 0.005},
        "in the neck": {"dropout": 0.1, "where": "neck", "kind": "dropblock", "schedule": "linear"},
    }
    capsys.readouterr()
    assert swept(tmp_path, "--treatment", "decay: weight_decay=0.05", seeds="1") == 2
    assert 'treatment "decay" was weight_decay=0.005, is weight_decay=0.05' in capsys.readouterr().err
    with pytest.raises(SpecError, match='treatments lack "in the neck", which the study has'):
        run(tmp_path, replace_treatments(load_study(tmp_path).spec, "decay"))


def replace_treatments(asked: StudySpec, *names: str) -> StudySpec:
    fields = asked.as_dict()
    return StudySpec.from_dict(fields | {"treatments": {name: fields["treatments"][name] for name in names}})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--treatment", "decay"], "treatment: must be a name, a colon, and key=value, got 'decay'"),
        (["--treatment", "a: epochs=3"], '"a" cannot change epochs'),
        (["--treatment", "a: freeze=1", "--treatment", "a: freeze=2"], '"a" must be given once'),
    ],
)
def test_bad_words_are_told_in_one_line(words, told, tmp_path, capsys):
    assert swept(tmp_path, *words) == 2
    assert told in (err := capsys.readouterr().err) and err.count("\n") == 1


def test_remedies_are_listed_with_runs_and_time_before_anything_is_trained(tmp_path, capsys):
    assert swept(tmp_path, "--remedies", "--dry-run") == 0
    told = capsys.readouterr().out
    assert '"weight decay x10": weight_decay=0.005' in told
    assert '"DropBlock in the neck": dropout=0.1 where=neck kind=dropblock schedule=linear' in told
    assert "36 runs: 0 finished, 0 failed, 36 to do" in told
    assert not (tmp_path / "runs").exists()


def test_the_final_training_is_given_what_the_chosen_treatment_is(tmp_path, capsys):
    both = Treatment("both", HALF.dropout, {"weight_decay": 0.005})
    asked = spec(seeds=8, rates=(0,), score="val/loss@last5", treatments=(both,), train={"epochs": 30})
    study, _ = run(tmp_path, asked)
    assert study.verdict.treatment == "both" and study.verdict.rate is None
    given = from_study(str(tmp_path))
    assert (given["dropout"], given["where"], given["weight_decay"], given["epochs"]) == (0.9, "neck", 0.005, 30)


def test_seeds_are_added_until_named_treatments_are_clear_and_folds_hold_them(tmp_path):
    until = {"until_decided": True, "seeds": 8, "min_gain": 0.01}
    weak = Treatment("weak", Dropout(0.25, "neck"))
    study, trained = run(tmp_path / "until", spec(rates=(0,), treatments=(weak, DECAY), **until))
    assert (study.verdict.outcome, study.verdict.treatment) == ("use", "weak")
    runs = Counter(name.rpartition("-s")[0] for name in trained)
    assert 3 == runs["weight-decay-x10"] < runs["weak"] == runs["p0.00"] == study.verdict.n_seeds < 8
    study, trained = run(tmp_path / "folds", spec(rates=(0,), treatments=(HALF,), folds=3, seeds=1))
    assert "dropout-0-9-in-the-neck-s0-f2" in trained
    assert list(study.scores.columns) == ["0.0", HALF.name]


def test_trackers_are_told_the_treatment():
    asked = spec(treatments=(DECAY,))
    told = tracker_environment(Job(plan(asked)[3], asked, Path("/s/runs/weight-decay-x10-s0")), {})
    assert told["WANDB_TAGS"] == "treatment=weight decay x10,seed=0"


@pytest.mark.usefixtures("no_pictures")
def test_plain_runs_that_differ_in_an_argument_have_treatments_of_it(tmp_path, capsys):
    places = []
    for name, rate, more in (("off", 0.0, 0.0005), ("on", 0.3, 0.0005), ("decay", 0.0, 0.005), ("both", 0.3, 0.005)):
        for seed in range(3):
            folder = tmp_path / f"{name}{seed}"
            fakes.write_results(folder / "results.csv", rate, seed, 6)
            given = {"task": "classify", "model": "m", "data": "d", "dropout": rate, "seed": seed, "weight_decay": more}
            (folder / "args.yaml").write_text(yaml.safe_dump(given))
            places.append(str(folder))
    assert main(["report", *places, "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "scores.csv", index_col="seed")
    assert list(table.columns) == ["0.0", "0.3", "weight_decay=0.005", "dropout=0.3 weight_decay=0.005"]
    assert table.notna().all(axis=None)


@pytest.mark.train
def test_control_and_treatment_of_arguments_alone_equal_stock_to_the_last_digit_and_an_ignored_one_is_refused(tmp_path):
    from ultralytics import YOLO

    data = str(make_data("classify", tmp_path / "data"))
    train = {"epochs": 2, "imgsz": 32, "batch": 2, "nbs": 2, "optimizer": "AdamW", "lr0": 0.1, "warmup_epochs": 0}
    strong = Treatment("decay", train={"weight_decay": 0.9})
    asked = StudySpec(str(CLS), data, seeds=1, train=train, treatments=(strong,))
    with pytest.raises(SpecError, match='"m": mosaic does nothing in a classify training'):
        run_study(StudySpec(asked.model, data, train=train, treatments={"m": {"mosaic": 0.5}}), tmp_path / "refused")
    study = run_study(asked, tmp_path / "study", executor=LocalExecutor(jobs=1), publish=publish_tables)
    control, treated = study.records
    assert (control.treatment, treated.treatment) == ("0.0", "decay")
    assert "train" not in control.proof and treated.proof["train"] == {"weight_decay": 0.9}
    assert study.scores["0.0"][0] != study.scores["decay"][0]
    for name, more in (("p0.00-s0", {}), ("decay-s0", strong.train)):
        stock = tmp_path / name
        YOLO(asked.model).train(data=data, seed=0, plots=False, save_dir=str(stock), **{**train, **more})
        ours, theirs = (
            pd.read_csv(folder / "results.csv", dtype=str).drop(columns="time")
            for folder in (tmp_path / "study" / "runs" / name, stock)
        )
        assert len(theirs) == train["epochs"] and ours.equals(theirs)
