"""The spec: validated once. What the command line says of it is in `tests/whole/test_bad_input.py`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.spec.score import Score, higher_is_better
from yolo_dropout.spec.study_spec import StudySpec


def spec(**changes: object) -> StudySpec:
    return StudySpec(**({"model": "m.yaml", "data": "d.yaml"} | changes))


def test_defaults_are_three_rates_and_five_seeds():
    assert spec().rates == (0.0, 0.1, 0.3)
    assert spec().seeds == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("gain", [0, -1, math.nan, "much", True])
def test_a_gain_that_matters_is_above_0(gain):
    with pytest.raises(SpecError, match=r"^min_gain: must be "):
        spec(min_gain=gain)


def test_the_gain_that_matters_is_in_the_plain_values_where_it_was_given():
    assert "min_gain" not in spec().as_dict()
    assert StudySpec.from_dict(spec(min_gain="0.01").as_dict()).min_gain == 0.01


def test_the_control_is_added_and_rates_are_sorted():
    assert spec(rates=[0.3, 0.1]).rates == (0.0, 0.1, 0.3)


def test_a_count_of_seeds_means_the_first_ones():
    assert spec(seeds=4).seeds == (0, 1, 2, 3)


def test_seeds_may_be_numpy_s():
    assert spec(seeds=np.arange(3)) == spec(seeds=3)
    assert all(type(seed) is int for seed in spec(seeds=np.arange(3)).seeds)


def test_a_name_that_is_too_long_for_a_file_is_a_name_like_any_other():
    assert spec(model="m" * 300).model == "m" * 300


def test_an_existing_path_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "m.yaml").write_text("nc: 1")
    monkeypatch.chdir(tmp_path)
    assert spec().model == str(tmp_path / "m.yaml")
    assert spec().data == "d.yaml"


def test_the_home_of_nobody_is_a_name_like_any_other():
    assert spec(data="~nobody-of-that-name").data == "~nobody-of-that-name"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rates", [1], "rates: each must be in [0, 1), got 1"),
        ("rates", [True], "rates: must be a finite number, got True"),
        ("rates", [None], "rates: must be a number, got None"),
        ("seeds", [-1], "seeds: each must be a whole number from 0 to 4294967295, got -1"),
        ("seeds", [], "seeds: at least one is needed, got none; for instance --seeds 3"),
        ("seeds", "3", "seeds: must be a count or a list of whole numbers, got '3'"),
        ("alpha", "x", "alpha: must be a number, got 'x'"),
        ("model", "", "model: must be a path or a name, got ''"),
        ("data", None, "data: must be a path or a name, got None"),
        ("where", "", "where: must be a word, got ''"),
        ("train", {"zzz": 5}, "zzz: is no argument of YOLO.train, got zzz=5; see `yolo cfg` for the list"),
    ],
)
def test_a_field_that_no_word_of_a_command_can_break_is_told_in_one_line(field, value, message):
    """What words can break as well is in `test_bad_input`."""
    with pytest.raises(SpecError) as caught:
        spec(**{field: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["exist_ok", "mode", "cfg"])
def test_arguments_that_belong_to_the_study_are_refused_with_a_way_out(name):
    with pytest.raises(SpecError, match=f"^{name}: the study sets it, got {name}=x; .+"):
        spec(train={name: "x"})


def test_a_spec_survives_its_own_dict():
    asked = spec(rates=[0.25], seeds=[3, 5], train={"epochs": 2}, score="metrics/mAP50-95(B)@last3")
    assert StudySpec.from_dict(asked.as_dict()) == asked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("val/loss", Score("val/loss", "min")),
        ("metrics/accuracy_top1", Score("metrics/accuracy_top1", "max")),
        ("val/loss@last", Score("val/loss", "last", 1)),
        ("val/loss@last5", Score("val/loss", "last", 5)),
        ("metrics/mAP50-95(B)@best", Score("metrics/mAP50-95(B)", "best")),
        ("val/loss@min5", Score("val/loss", "min", 5)),
        ("mAP50-95", Score("metrics/mAP50-95(B)", "max")),
        ("mAP50(M)@last3", Score("metrics/mAP50(M)", "last", 3)),
        ("top1", Score("metrics/accuracy_top1", "max")),
        ("mIoU@last", Score("metrics/mIoU", "last", 1)),
    ],
)
def test_a_score_reads_its_metric_and_where_on_the_curve(text, expected):
    assert Score.parse(text) == expected
    assert Score.parse(str(expected)) == expected


def test_map_is_better_when_higher_and_losses_and_errors_when_lower():
    assert higher_is_better("metrics/mAP50(B)")
    assert not higher_is_better("metrics/rmse")
    assert not higher_is_better("val/loss")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "data", "rates", "seeds", "train", "score", "alpha", "where", "x"]), anything
    )
)
def test_whatever_is_given_makes_a_sound_spec_or_one_clear_line(values):
    try:
        made = StudySpec.from_dict(values)
    except YoloDropoutError as error:
        assert "\n" not in str(error)
    else:
        assert made.rates[0] == 0.0 < made.rates[-1] < 1
        assert len(set(made.seeds)) == len(made.seeds) > 0


def test_a_spec_of_a_billion_epochs_is_made_at_once():
    assert StudySpec(model="m", data="d", train={"epochs": 10**9}).epochs == 10**9  # no loop over epochs


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate": (0, 0.1)}, r"rate: no such argument; did you mean rates\?"),
        ({"epoch": 3}, r"epoch: no such argument; did you mean epochs\?"),
        ({"epochs": 3}, r"epochs: is an argument of YOLO.train; write train={'epochs': 3}"),
        ({"blorp": 3}, "blorp: no such argument; see `yolo cfg` for the list$"),
    ],
)
def test_a_wrong_keyword_of_a_spec_is_told_with_the_nearest(given: dict[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=f"^{told}"):
        StudySpec("m.yaml", "d.yaml", **given)  # type: ignore[arg-type]


def test_keywords_are_fields_or_arguments_of_the_training() -> None:
    given = {"model": "m.yaml", "data": "d.yaml", "rates": (0, 0.2), "train": {"lr0": 0.1}, "epochs": 3, "seeds": None}
    asked = StudySpec.of(given)
    assert asked == StudySpec("m.yaml", "d.yaml", rates=(0, 0.2), train={"lr0": 0.1, "epochs": 3})
    for wrong, nearest in (("epoch", "epochs"), ("seed_s", "seeds"), ("progres", "progress")):
        with pytest.raises(SpecError, match=rf"^{wrong}: no such argument; did you mean {nearest}\?"):
            StudySpec.of({**given, wrong: 3}, also=["progress"])
    with pytest.raises(SpecError, match=r"^run_study: data is missing"):
        StudySpec.of({"model": "m.yaml"})
