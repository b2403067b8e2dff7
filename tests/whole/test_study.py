"""A whole study, with a fake backend: it goes on, it grows, and it says the same every time."""

from __future__ import annotations

import json
import math

import fakes
import pytest
from made_studies import TABLES, Watcher, derived, run, spec

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.executors import Backend
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish, publish_tables
from yolo_dropout.results.foreign import load_foreign_runs
from yolo_dropout.study import load_study, run_study

PICTURES = ("figures/val_loss.png", "figures/val_loss.svg", "figures/rate_response.png")


def test_a_study_writes_all_that_the_design_names(tmp_path):
    study, trained = run(tmp_path, publish=publish)
    assert len(trained) == 9
    for name in (*TABLES, *PICTURES, "study.yaml", "report.html", "runs/p0.30-s2/run.json"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert study.scores.shape == (3, 3)
    assert len(study.curves) == 9 * 6 * 6  # runs, epochs, metrics: five columns and val/loss
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["reason"] == study.verdict.reason
    assert verdict["score"] == "val/loss@min"


def test_keywords_are_a_study_as_well_and_show_how_far_it_is_unless_told_not_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = {"executor": LocalExecutor(jobs=2), "backend": fakes.FAKE, "publish": publish_tables}
    made = run_study("m", "d", rates=(0, 0.1), seeds=3, epochs=6, **given)
    assert made.spec == spec(rates=(0, 0.1))
    assert made.folder.path == tmp_path / "runs" / "dropout" / "m-d"
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "6 of 6 runs to do"
    assert told[-1].startswith("[6/6] rate 0.")
    again = run_study(made.spec, out=made.folder.path, progress=False, **given)
    assert (len(again.records), capsys.readouterr().err) == (6, "")
    with pytest.raises(SpecError, match=r"^epochs: does not go with a spec"):
        run_study(made.spec, tmp_path, epochs=3)


def test_the_same_command_again_trains_nothing_and_gives_the_same_bytes(tmp_path):
    run(tmp_path, publish=publish)
    before = derived(tmp_path, TABLES + PICTURES)
    _, trained = run(tmp_path, publish=publish)
    assert trained == []
    assert derived(tmp_path, TABLES + PICTURES) == before


def test_one_job_and_two_jobs_give_the_same_bytes(tmp_path):
    for jobs in (1, 2):
        run(tmp_path / str(jobs), executor=LocalExecutor(jobs=jobs))
    assert derived(tmp_path / "1") == derived(tmp_path / "2")


def test_only_what_is_missing_is_trained(tmp_path):
    run(tmp_path)
    before = derived(tmp_path)
    (tmp_path / "runs" / "p0.10-s1" / "run.json").unlink()
    (tmp_path / "runs" / "p0.30-s0" / "run.json").write_text('{"rate": 0.3, "se')
    _, trained = run(tmp_path)
    assert trained == ["p0.10-s1", "p0.30-s0"]
    assert derived(tmp_path) == before


def test_more_rates_and_seeds_extend_the_study(tmp_path):
    run(tmp_path, spec(rates=(0, 0.1), seeds=2))
    study, trained = run(tmp_path, spec(rates=(0, 0.1, 0.2), seeds=3))
    assert trained == ["p0.00-s2", "p0.10-s2", "p0.20-s0", "p0.20-s1", "p0.20-s2"]
    assert study.scores.notna().all(axis=None)


def test_another_study_in_the_folder_is_refused_and_nothing_is_lost(tmp_path):
    run(tmp_path)
    before = derived(tmp_path)
    with pytest.raises(SpecError, match="holds another study: epochs was 6, is 7"):
        run(tmp_path, spec(train={"epochs": 7}))
    assert derived(tmp_path) == before


def fail_at_one(job, on_epoch):
    if job.run.name == "p0.10-s1":
        raise RuntimeError("boom")
    return fakes.train(job, on_epoch)


def test_a_failed_run_leaves_the_rest_and_is_retried_on_request_only(tmp_path):
    study, _ = run(tmp_path, backend=Backend(fakes.inspect, fail_at_one))
    assert [record.error for record in study.failed] == ["RuntimeError: boom"]
    assert math.isnan(study.scores.loc[1, 0.1])
    assert study.scores.notna().to_numpy().sum() == 8
    _, trained = run(tmp_path)
    assert trained == []
    study, trained = run(tmp_path, retry_failed=True)
    assert trained == ["p0.10-s1"]
    assert study.failed == ()


def always_fail(job, on_epoch):
    raise FileNotFoundError("no such image")


def test_the_same_fault_everywhere_stops_the_study_early(tmp_path):
    with pytest.raises(InputError, match=r"no run has finished yet.*no such image; mend that and use --retry-failed$"):
        run(tmp_path, backend=Backend(fakes.inspect, always_fail))
    assert len(list(tmp_path.glob("runs/*/run.json"))) in (3, 4)  # two train at a time


def refuse(asked):
    raise InputError("data: d does not exist; check the path")


def test_what_preparing_finds_wrong_stops_before_the_first_run(tmp_path):
    with pytest.raises(InputError, match="data: d does not exist"):
        run(tmp_path, backend=Backend(refuse, fakes.train))
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "study.yaml").exists()


def test_a_stopped_study_starts_no_further_run_and_goes_on_later(tmp_path):
    count = []

    def stopped():
        count.append(1)
        return len(count) > 4

    study, trained = run(tmp_path, view=Watcher(stopped))
    assert len(trained) == 4
    assert len(study.missing) == 5
    study, trained = run(tmp_path)
    assert len(trained) == 5
    assert study.missing == ()


def test_a_study_reads_back_as_it_was(tmp_path):
    study, _ = run(tmp_path)
    again = load_study(tmp_path)
    assert again.verdict == study.verdict
    assert again.scores.equals(study.scores)
    assert again.prepared["task"] == "detect"


def make_foreign(folder, rate, seed, name):
    fakes.write_results(folder / name / "results.csv", rate, seed, 5)
    (folder / name / "args.yaml").write_text(
        f"task: detect\nmodel: m.pt\ndata: d.yaml\ndropout: {rate}\nseed: {seed}\n"
    )
    return folder / name


def test_plain_ultralytics_runs_make_a_study(tmp_path):
    folders = [make_foreign(tmp_path, rate, seed, f"train{rate}{seed}") for rate in (0.0, 0.2) for seed in (0, 7)]
    study = load_foreign_runs(folders, tmp_path / "out")
    assert study.spec.rates == (0.0, 0.2)
    assert study.spec.seeds == (0, 7)
    assert not study.ours
    assert study.scores.notna().all(axis=None)


def test_runs_that_differ_in_more_than_dropout_and_seed_are_not_compared(tmp_path):
    first, second = (make_foreign(tmp_path, rate, 0, f"train{rate}") for rate in (0.0, 0.2))
    for folder, epochs, workers in ((first, 3, 8), (second, 30, 2)):
        (folder / "args.yaml").write_text(f"{(folder / 'args.yaml').read_text()}epochs: {epochs}\nworkers: {workers}\n")
    with pytest.raises(InputError, match=r"0\.2: was trained with epochs=30, .*0\.0 with 3: a longer training has"):
        load_foreign_runs([first, second], tmp_path / "out")
    (second / "args.yaml").write_text((second / "args.yaml").read_text().replace("30", "3"))
    assert load_foreign_runs([first, second], tmp_path / "out").spec.rates == (0.0, 0.2)


def test_runs_that_are_the_same_or_no_runs_at_all_are_told(tmp_path):
    first, second = (make_foreign(tmp_path, 0.1, 0, name) for name in ("a", "b"))
    with pytest.raises(InputError, match=r"b: has dropout=0.1 and seed=0, as .*a has; leave one out"):
        load_foreign_runs([first, second], tmp_path / "out")
    with pytest.raises(InputError, match=r"is neither a study nor a run folder"):
        load_foreign_runs([tmp_path], tmp_path / "out")


def split(asked, out):
    for fold in range(asked.folds):
        (out / f"f{fold}").mkdir(parents=True, exist_ok=True)
    return {"n_images": 8, "n_train": 5, "n_val": 3, "notes": ["a class is rare"]}


def train_fold(job, on_epoch):
    assert job.data == str(job.path.parents[1] / "folds" / f"f{job.run.fold}")
    fakes.write_results(job.folder.results, job.run.rate, 10 * job.run.seed + job.run.fold, 6)
    return fakes.Outcome(("head",), {}, {})


FOLDER = Backend(fakes.inspect, train_fold, split=split)


def test_a_study_over_folds_has_a_block_per_seed_and_fold(tmp_path):
    study, trained = run(tmp_path, spec(seeds=2, folds=3), FOLDER, publish)
    assert len(trained) == 18
    assert trained[0] == "p0.00-s0-f0"
    assert study.failed == ()
    assert study.scores.shape == (6, 3)
    assert study.verdict.basis == "3 folds x 2 seeds"
    assert study.prepared["n_images"] == 8
    assert (tmp_path / "scores.csv").read_text().startswith("seed,fold,0.0,0.1,0.3\n0,0,")
    assert (tmp_path / "curves.csv").read_text().startswith("rate,seed,fold,epoch,metric,value\n")
    page = (tmp_path / "report.html").read_text()
    for words in ("3 folds x 2 seeds", "<td>1 fold 2</td>", "Nadeau and Bengio", "a class is rare"):
        assert words in page, words


def test_more_seeds_extend_a_study_over_folds_and_another_number_of_folds_is_refused(tmp_path):
    run(tmp_path, spec(seeds=1, folds=2), FOLDER)
    _, trained = run(tmp_path, spec(seeds=2, folds=2), FOLDER)
    assert trained == [f"p{rate}-s1-f{fold}" for rate in ("0.00", "0.10", "0.30") for fold in (0, 1)]
    for folds in (3, None):
        with pytest.raises(SpecError, match=f"holds another study: folds was 2, is {folds}"):
            run(tmp_path, spec(seeds=2, folds=folds), FOLDER)


def test_verdict_json_says_what_other_scores_say(tmp_path):
    study, _ = run(tmp_path)
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["agreement"] == study.agreement != ""
    assert [other["score"] for other in verdict["others"]] == [
        "val/loss@last5", "val/loss@best", "metrics/mAP50-95(B)@max", "gap",
    ]  # fmt: skip


def test_a_folder_that_an_unset_variable_names_is_refused_however_it_is_given():
    for given in ({"out": ""}, {"data": ""}):
        with pytest.raises(SpecError, match="is a variable unset"):
            run_study(spec(), **given)


def test_a_study_that_is_to_have_no_plan_for_more_seeds_has_none(tmp_path):
    made = run_study(
        "m",
        "d",
        out=tmp_path,
        max_seeds=None,
        seeds=3,
        epochs=6,
        backend=fakes.FAKE,
        publish=publish_tables,
        progress=False,
    )
    assert made.spec.max_seeds is None


def test_a_new_report_leaves_no_pdf_of_an_earlier_one(tmp_path):
    study, _ = run(tmp_path, publish=publish_tables)
    (tmp_path / "report.pdf").write_text("of before")
    publish(study)
    assert not (tmp_path / "report.pdf").exists()
