"""Runs that learned nothing decide nothing, and the verdict says why and what to do."""

from __future__ import annotations

from functools import partial

import fakes
import made_studies
import pytest

from yolo_dropout.executors import Backend, Found

EPOCHS = 6


def inspect(task, _spec):
    return Found(task=task, n_train=4, n_val=100, n_classes=10, sites=("head",))


def train(column, value, loss, job, on_epoch):
    """Write runs whose headline metric and validation loss are as given; a rate lowers the loss by a tenth of it."""
    lines = [f"epoch,{column},val/box_loss"]
    for epoch in range(1, EPOCHS + 1):
        lines.append(f"{epoch},{value},{loss(epoch) + 0.001 * job.run.seed - job.run.rate / 10}")
        on_epoch({"epoch": epoch})
    job.folder.results.write_text("\n".join(lines) + "\n")
    return fakes.Outcome(("head",) if job.run.rate else (), {}, {})


def falling(epoch):
    return 3 - 0.1 * epoch


def rising(epoch):
    return 3 + 0.1 * epoch


def study(tmp_path, column="metrics/mAP50-95(B)", value=0.4, loss=falling, task="detect", **changes):
    backend = Backend(partial(inspect, task), partial(train, column, value, loss))
    changes = {"train": {"epochs": EPOCHS}, "seeds": 5, **changes}
    return made_studies.run(tmp_path / "study", made_studies.spec(**changes), backend)[0]


def test_runs_that_learned_decide(tmp_path):
    assert study(tmp_path).verdict.outcome == "use"


def test_without_a_single_detection_there_is_no_verdict_on_any_score(tmp_path):
    found = study(tmp_path, value=0)
    assert found.verdict.outcome == "undecided"
    assert not found.verdict.moved
    assert found.verdict.rate == 0
    assert found.verdict.reason.startswith("No verdict: no run learned anything, as the mAP50-95")
    assert "is 0 in all 15 runs" in found.verdict.reason
    assert "pretrained weights" in found.verdict.reason
    assert found.other_scores == []
    claims = ("expected", "unbeaten", "detectable", "seeds_needed")
    assert not any(getattr(found.verdict, name) for name in claims)
    assert found.verdict.expected is None


@pytest.mark.parametrize(("top1", "decided"), [(0.14, False), (0.3, True)])
def test_a_classifier_at_chance_has_learned_nothing(tmp_path, top1, decided):
    found = study(tmp_path, column="metrics/accuracy_top1", value=top1, task="classify")
    assert found.verdict.decided is decided
    assert decided or "is at most 0.14, which is chance, in all 15 runs" in found.verdict.reason


def test_minima_that_are_all_of_the_first_epoch_are_those_of_the_untrained_model(tmp_path):
    found = study(tmp_path, loss=rising)
    assert "in all 15 runs the validation loss is lowest in the first epoch" in found.verdict.reason
    assert "--score val/loss@last5" in found.verdict.reason


def test_how_runs_end_may_be_compared_all_the_same(tmp_path):
    assert study(tmp_path, loss=rising, score="val/loss@last5").verdict.outcome == "use"


def test_a_single_epoch_cannot_tell_whether_the_loss_fell(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.EPOCHS", 1)
    assert study(tmp_path, train={"epochs": 1}).nothing_learned is None
