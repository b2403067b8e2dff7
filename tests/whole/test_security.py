"""What comes from outside stays data: no code from YAML, no pickle of ours, no path out of the study, no escapes."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import fakes
import made_studies
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout.cli import main, run
from yolo_dropout.cli.options import parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.cli.watch import live_page
from yolo_dropout.executors import Backend
from yolo_dropout.folder.layout import StudyFolder, default_out
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec

ESCAPE = "\x1b[31m\x07red\x1b]0;title\x07"


def test_yaml_with_a_python_tag_runs_nothing(tmp_path):
    mark, config = tmp_path / "mark", tmp_path / "study.yaml"
    config.write_text(
        f"model: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{mark}]]\n"
    )
    assert main(["sweep", "--config", str(config)]) == 2
    assert not mark.exists()


@given(
    st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=3, unique=True),
)
def test_run_names_are_made_of_numbers_only_and_differ(rates, seeds):
    folder, runs = StudyFolder(Path("/study")), plan(StudySpec(model="m", data="d", rates=rates, seeds=seeds))
    assert len({run.name for run in runs}) == len(runs)
    for item in runs:
        assert re.fullmatch(r"p\d(\.\d+)?(e-\d+)?-s\d+", item.name)
        assert folder.run(item.name).path.parent == folder.runs


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_the_default_folder_is_always_one_below_runs_dropout(model, data):
    out = default_out(StudySpec(model=model, data=data))
    assert out.parts[:2] == ("runs", "dropout")
    assert len(out.parts) == 3
    assert re.fullmatch(r"[A-Za-z0-9._-]+", out.name)
    assert out.name not in (".", "..")


def test_a_score_name_of_a_spec_cannot_lead_out_of_the_folder(tmp_path):
    """Names of files come from us; a metric's name is never one of them."""
    fakes.write_results(tmp_path / "r" / "results.csv", 0.1, 0, 3)
    (tmp_path / "r" / "args.yaml").write_text("dropout: 0.1\nseed: 0\n")
    text = (tmp_path / "r" / "results.csv").read_text().replace("val/cls_loss", "val/../../../x")
    (tmp_path / "r" / "results.csv").write_text(text)
    before = set(tmp_path.iterdir())
    assert main(["report", str(tmp_path / "r"), "--out", str(tmp_path / "o"), "--score", "val/../../../x"]) == 0
    assert set(tmp_path.iterdir()) == before | {tmp_path / "o"}


class Touches:
    """Unpickled, it makes a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_report_and_watch_load_no_checkpoint_and_no_pickle(tmp_path):
    mark, folder = tmp_path / "mark", StudyFolder(tmp_path / "study")
    program = pickle.dumps(Touches(mark))
    (tmp_path / "m.pt").write_bytes(program)
    asked = made_studies.spec(model=str(tmp_path / "m.pt"), rates=(0, 0.1), seeds=2)
    made_studies.run(folder.path, asked)
    for path in (folder.path, folder.runs, *(made.path for made in folder.run_folders)):
        for name in ("weights/last.pt", "weights/best.pt", "labels.cache", "state.pkl"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(program)
    assert main(["report", str(folder.path)]) == 0
    assert "<html" in live_page(folder).html()
    assert not mark.exists()
    pickle.loads(program)  # noqa: S301
    assert mark.exists(), "it would have been seen"


def test_a_checkpoint_that_a_run_goes_on_from_is_named_before_it_is_loaded(tmp_path):
    view, last = made_studies.Watcher(), StudyFolder(tmp_path).run("p0.00-s0").path / "weights" / "last.pt"
    last.parent.mkdir(parents=True)
    last.touch()
    made_studies.run(tmp_path, made_studies.spec(rates=(0, 0.1), seeds=1), view=view, continue_broken=True)
    assert f"{last}: is loaded, to go on from it, which runs code of whoever made it" in view.notes


def complain(job, on_epoch):
    raise ValueError(f"class {ESCAPE}")


def fail_at_rate(job, on_epoch):
    return fakes.train(job, on_epoch) if job.run.seed else complain(job, on_epoch)


def inspect(spec):
    return replace(fakes.inspect(spec), notes=(f"class {ESCAPE} has no image",))


def test_escape_codes_in_class_names_errors_and_paths_do_not_reach_the_terminal(tmp_path, capfd):
    folder = tmp_path / f"study{ESCAPE.replace('/', '')}"
    for more in ([], ["--dry-run"]):
        words = ["sweep", "model=m", "data=d", "--rates", "0", "0.1", "--seeds", "2", *more, "--out", str(folder)]
        code = run(parse(words), partial(sweep, backend=Backend(inspect, fail_at_rate)))
        assert code == (0 if more else 1)
        (folder / "runs" / f"copy {ESCAPE}").mkdir(exist_ok=True)
        out, err = capfd.readouterr()
        assert "red" in out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out + err)


def test_escape_codes_in_foreign_results_do_not_reach_the_terminal(tmp_path, capfd):
    runs = tmp_path / f"train{ESCAPE}"
    fakes.write_results(runs / "results.csv", 0.1, 0, 3)
    (runs / "args.yaml").write_text("dropout: 0.1\nseed: 0\n")
    text = (runs / "results.csv").read_text().replace("val/cls_loss", f"val/{ESCAPE}")
    (runs / "results.csv").write_text(text + "x\n")
    for words in ([], ["--score", f"val/{ESCAPE}"], ["--score", "[red]"]):
        main(["report", str(runs), "--out", str(tmp_path / f"o{ESCAPE}"), *words])
        out, err = capfd.readouterr()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out + err)
