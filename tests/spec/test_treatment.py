"""Treatments: what a spec holds, and what it refuses."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields, replace

import pytest

from yolo_dropout import Dropout, StudySpec, Treatment
from yolo_dropout.errors import SpecError
from yolo_dropout.spec.runs import plan

DECAY = Treatment("weight decay x10", train={"weight_decay": 0.005})
NECK = Treatment("neck 0.1", Dropout(0.1, "neck", "dropblock", "linear"), {"weight_decay": 0.005})


def spec(**changes: object) -> StudySpec:
    return StudySpec(**({"model": "m", "data": "d", "train": {"epochs": 20}} | changes))


def test_rates_are_treatments_of_which_the_first_is_the_control():
    made = spec(rates=(0.3, 0.1), where="neck", schedule="linear")
    assert made.treatments[0] == Treatment("0.0", Dropout(0.0, "neck", "auto", "linear"))
    assert [item.name for item in made.treatments] == ["0.0", "0.1", "0.3"]
    assert made.treatment("0.3").dropout == Dropout(0.3, "neck", "auto", "linear")
    assert made.labels == made.rates == (0.0, 0.1, 0.3)


def test_named_treatments_come_after_the_rates_in_their_order():
    made = spec(rates=(0, 0.1), treatments=(NECK, DECAY))
    assert made.labels == ("0.0", "0.1", "neck 0.1", "weight decay x10")
    assert made.named == (NECK, DECAY)


def test_without_rates_treatments_are_compared_with_the_control_alone():
    assert spec(treatments=(DECAY,)).labels == spec(rates=(), treatments=(DECAY,)).labels == ("0.0", DECAY.name)


def test_a_spec_comes_back_from_its_plain_values_and_from_its_fields():
    made = spec(rates=(0, 0.1), treatments=(NECK, DECAY))
    assert StudySpec.from_dict(made.as_dict()) == made
    assert StudySpec(**{item.name: getattr(made, item.name) for item in fields(made)}) == made
    assert replace(made, rates=(0, 0.2)).labels == ("0.0", "0.2", NECK.name, DECAY.name)
    assert replace(made, treatments=(*made.treatments, Treatment("x", Dropout(0.3)))).labels[-1] == "x"
    assert deepcopy(made) == made
    assert "treatments" not in spec(rates=(0, 0.1)).as_dict()


def test_a_mapping_names_treatments_whose_dropout_is_as_the_study_s_where_it_says_nothing():
    made = spec(where="head.cls", treatments={"a": {"dropout": 0.1}, "b": {"dropout": 0.1, "where": "neck"}})
    assert [item.dropout.where for item in made.named] == ["head.cls", "neck"]


def test_folders_of_runs_are_named_after_treatments():
    runs = plan(spec(rates=(0, 0.1), seeds=(3,), folds=2, treatments=(DECAY, NECK)))
    assert [run.name for run in runs[:4]] == ["p0.00-s3-f0", "p0.10-s3-f0", "weight-decay-x10-s3-f0", "neck-0-1-s3-f0"]


@pytest.mark.parametrize(
    ("treatments", "told"),
    [
        ({"a": {}}, r'"a" trains as 0\.0 does; leave one out'),
        ({"a": {"weight_decay": 0.0005}}, r'"a" trains as 0\.0 does'),
        ({"a": {"dropout": 0.1}}, r'"a" trains as 0\.1 does'),
        ({"A b": {"dropout": 0.2}, "a-b": {"dropout": 0.3}}, r'"a-b" and "A b" would have the same folders \(a-b\)'),
        ({"0.5": {"dropout": 0.5}}, r"0\.5 is a rate; give it with the rates"),
        ({"0.50": {"dropout": 0.5}}, r"must not be a number, got '0\.50'"),
        ({"÷": {"dropout": 0.5}}, "with a letter or digit of ASCII, got '÷'"),
        ({"a": {"where": "neck"}}, '"a" has where without dropout; add dropout=0.1'),
        ({"a": 3}, '"a" must hold arguments such as dropout=0.1'),
        (3, "must be names with arguments, such as dropout=0.1, got 3"),
        ((3,), "each must be a Treatment, got 3"),
        ({"a": {"weigh_decay": 1}}, "did you mean weight_decay"),
        ({"a": {"epochs": 30}}, '"a" cannot change epochs: a longer training has more chances'),
        ({"a": {"imgsz": 64}}, '"a" cannot change imgsz: its validation would see other images'),
        ({"a": {"batch": 2}}, '"a" cannot change batch: all runs share one estimate of memory'),
        ({"a": {"seed": 2}}, '"a" cannot change seed: the study sets it'),
        ({"a": {"plots": True}}, '"a" cannot change plots: it is about how runs are made'),
        ({"a": {"label_smoothing": 0.1}}, '"a" cannot change label_smoothing: Ultralytics drops it'),
        ({"a": {"cls": 2.0}}, '"a" cannot change cls: it weighs the validation losses'),
        ({"a": {"dropout": 0.1, "schedule": "late:20"}}, "late:N needs N below epochs=20"),
    ],
)
def test_what_cannot_be_a_treatment_is_told_with_the_way_out(treatments, told):
    with pytest.raises(SpecError, match=told):
        spec(rates=(0, 0.1), treatments=treatments)


def test_weights_of_losses_may_be_judged_by_a_metric():
    assert spec(score="metrics/mAP50-95(B)", treatments={"a": {"cls": 2.0}}).named[0].train == {"cls": 2.0}


def test_folds_cannot_go_with_a_treatment_that_takes_fewer_images():
    with pytest.raises(SpecError, match="fraction: cannot go with folds"):
        spec(folds=3, treatments={"a": {"fraction": 0.5}})


def test_the_runs_of_all_treatments_count_towards_the_most_that_can_be_planned():
    many = tuple(Treatment(f"lr {n}", train={"lr0": 0.001 + n / 1e5}) for n in range(100))
    with pytest.raises(SpecError, match=r"^runs: at most 100000 can be planned, got 102000; use fewer seeds or folds"):
        spec(rates=(0, 0.1), seeds=1000, treatments=many)
