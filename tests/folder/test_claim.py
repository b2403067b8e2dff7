"""What is somebody else's is neither replaced nor removed, and what has finished is never trained again unasked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import fakes
import pytest
import yaml
from made_studies import Watcher, derived, run, spec
from waiting import wait_until

from yolo_dropout.cli import main
from yolo_dropout.errors import InputError, SpecError, StudyFolderError
from yolo_dropout.executors import Backend
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.folder.claim import check_free, check_report_free, clear_leftovers, hold
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.study import run_study


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def put(folder: Path, *names: str) -> Path:
    """Files of somebody else's."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}\n")
    return folder


def told(capfd) -> str:
    out, err = capfd.readouterr()
    assert len(err.splitlines()) == 1, (out, err)
    return err


OURS = ("report.html", "summary.csv", "scores.csv", "curves.csv", "verdict.json", "figures/val_loss.png")


@pytest.mark.parametrize(
    "name",
    [
        *OURS,
        "thesis.tex",
        ".project.tmp-dir/thesis.tex",
        "runs/train/weights/best.pt",
        "runs/exp-s1/best.pt",
        "folds/mine.txt",
    ],
)
def test_a_folder_with_files_of_somebody_else_is_refused_and_stays_as_it_is(tmp_path, name, capfd):
    before = files(put(tmp_path / "a", name))
    assert main(["sweep", "model=yolo26n.yaml", "data=nosuch", "--out", str(tmp_path / "a")]) == 2
    assert f"--out: {tmp_path / 'a'} holds {name.split('/tmp')[0].split('/weights')[0]}"[:60] in told(capfd)
    with pytest.raises(StudyFolderError, match="and no study; choose a new or empty folder"):
        run(tmp_path / "a")
    assert files(tmp_path / "a") == before


def test_temporary_names_of_others_are_never_removed(tmp_path):
    run(tmp_path)
    put(tmp_path, ".project.tmp-dir/thesis.tex", "runs/.mine.tmp-abcdefgh/a", "runs/p0.10-s0/.notes.tmp-1")
    before = files(tmp_path)
    (tmp_path / "runs/p0.10-s0/.run.json.tmp-abcd_123.json").write_text("{")
    with pytest.raises(SpecError, match="holds another study"):
        run(tmp_path, spec(train={"epochs": 7}))
    assert (tmp_path / "runs/p0.10-s0/.run.json.tmp-abcd_123.json").exists(), "nothing is removed before the checks"
    run(tmp_path)
    after = files(tmp_path)
    assert {name: after.get(name) for name in before if ".tmp-" in name} == {
        name: content for name, content in before.items() if ".tmp-" in name
    }
    assert not (tmp_path / "runs/p0.10-s0/.run.json.tmp-abcd_123.json").exists()


def test_nothing_is_removed_behind_a_link(tmp_path):
    put(tmp_path / "elsewhere", ".run.json.tmp-abcdefgh.json", ".a.png.tmp-abcdefgh.png")
    study = tmp_path / "study"
    (study / "runs").mkdir(parents=True)
    (study / "runs" / "p0.10-s0").symlink_to(tmp_path / "elsewhere")
    (study / "figures").symlink_to(tmp_path / "elsewhere")
    clear_leftovers(StudyFolder(study))
    assert len(files(tmp_path / "elsewhere")) == 2


def test_a_config_of_ones_own_is_not_replaced(tmp_path, monkeypatch, capfd):
    text = "# a comment\nmodel: m\ndata: d\nrates: [0, 0.1]\n"
    (tmp_path / "study.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--config", "study.yaml", "--out", "."]) == 2
    assert "study.yaml is a file of your own, which the study would replace; choose another folder" in told(capfd)
    assert files(tmp_path) == {"study.yaml": text.encode()}


def test_a_study_goes_on_from_the_study_yaml_that_it_wrote(tmp_path):
    run(tmp_path)
    check_free(StudyFolder(tmp_path))


@pytest.mark.parametrize("command", [["sweep"], ["sweep", "--dry-run"], ["report", "."]])
def test_an_empty_out_is_refused(command, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--out", ""]) == 2
    assert told(capfd) == "yolo-dropout: --out: must name a folder, got ''; is a variable unset?\n"
    assert files(tmp_path) == {}


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(put(tmp_path / "here", "a").resolve())
    run("~/x")
    assert (tmp_path / "x" / "study.yaml").exists()
    assert not (tmp_path / "here" / "~").exists()


@pytest.mark.parametrize("words", ["~nobody-of-that-name/x", "loop/x"])
def test_an_out_that_is_no_path_is_told(words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert main(["sweep", "--out", words]) == 2
    assert "--out: " in told(capfd)


@pytest.mark.parametrize("inside", ["runs/p0.30-s0/inner", "runs/p0.30-s0", "inner"])
def test_a_study_inside_a_study_is_refused(tmp_path, inside):
    run(tmp_path / "outer")
    with pytest.raises(StudyFolderError, match=rf"lies inside the study {tmp_path / 'outer'}; choose a folder of its"):
        run(tmp_path / "outer" / inside)


def test_a_project_whose_own_runs_are_named_as_treatments_are_is_no_study(tmp_path):
    before = files(put(tmp_path, "runs/exp-s1/weights/best.pt"))
    run(tmp_path / "runs" / "dropout" / "m-d")
    assert files(tmp_path / "runs" / "exp-s1") == {"weights/best.pt": before["runs/exp-s1/weights/best.pt"]}


def test_the_default_folder_may_lie_beside_a_config_in_the_same_project(tmp_path):
    run(tmp_path / "first")
    shutil.copy(tmp_path / "first" / "study.yaml", tmp_path / "study.yaml")
    run(tmp_path / "runs" / "dropout" / "m-d")


def test_two_folders_that_were_swapped_are_refused_and_none_is_trained_again(tmp_path):
    run(tmp_path)
    runs = tmp_path / "runs"
    for old, new in (("p0.10-s0", "x"), ("p0.30-s0", "p0.10-s0"), ("x", "p0.30-s0")):
        (runs / old).rename(runs / new)
    before = files(runs)
    with pytest.raises(StudyFolderError, match=r"p0\.10-s0: holds the run p0\.30-s0; give the folder that name again"):
        run(tmp_path)
    assert files(runs) == before


@pytest.mark.usefixtures("no_pictures")
def test_a_record_of_another_version_is_refused_and_not_trained_again(tmp_path, capfd):
    run(tmp_path)
    record = tmp_path / "runs" / "p0.10-s0" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"weather": "fog"}))
    before = files(tmp_path / "runs")
    with pytest.raises(StudyFolderError, match="another version of yolo-dropout wrote it, with weather; go on with"):
        run(tmp_path)
    assert files(tmp_path / "runs") == before
    assert main(["report", str(tmp_path), "--out", str(tmp_path.parent / "elsewhere")]) == 0
    assert "another version of yolo-dropout wrote it" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "content"),
    [("run.json", b'{"rate": 0.1, "se'), ("run.json", b"\xef\xbb\xbf{}"), ("results.csv", b"epoch;time\n1;2\n")],
)
def test_what_cannot_be_read_is_set_aside_and_told_before_its_run_is_trained_again(tmp_path, name, content):
    run(tmp_path)
    before = derived(tmp_path)
    put(tmp_path / "runs" / "p0.10-s0", "weights/best.pt")
    (tmp_path / "runs" / "p0.10-s0" / name).write_bytes(content)
    view = Watcher()
    _, trained = run(tmp_path, view=view)
    assert trained == ["p0.10-s0"]
    aside = tmp_path / "runs" / "p0.10-s0.aside-1"
    assert (aside / "weights/best.pt").exists() and (aside / name).read_bytes() == content
    assert any(f"{aside}: is what lay in the place of p0.10-s0" in note for note in view.notes)
    assert derived(tmp_path) == before
    assert run(tmp_path)[1] == []


def remove_lock(job, on_epoch):
    if job.run.name == "p0.00-s0":
        (job.study.lock).unlink()
    return fakes.train(job, on_epoch)


def test_a_lock_that_was_removed_ends_the_study_before_the_next_run(tmp_path):
    backend = Backend(fakes.inspect, remove_lock)
    with pytest.raises(StudyFolderError, match=r"its \.lock was removed or replaced while runs trained"):
        run(tmp_path, backend=backend, executor=LocalExecutor(1))
    assert len(list(tmp_path.glob("runs/*/run.json"))) <= 2
    _, trained = run(tmp_path)
    assert "p0.00-s0" not in trained


def test_a_second_sweep_after_a_removed_lock_is_refused_and_the_first_ends_before_its_next_run(tmp_path):
    out, begun, go = tmp_path / "study", tmp_path / "begun", tmp_path / "go"
    endings: list[str] = []
    first = threading.Thread(target=lambda: endings.append(_ending(out, Backend(fakes.inspect, wait_for_go))))
    first.start()
    wait_until(begun.exists)
    (out / ".lock").unlink()
    with pytest.raises(StudyFolderError, match=r"another sweep works here \(host .+\), though its \.lock was removed"):
        run(out)
    go.touch()
    first.join(60)
    assert "its .lock was removed or replaced" in endings[0]
    assert len(run(out)[1]) == 8


def test_the_name_of_a_process_that_has_ended_keeps_nobody_out(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    since = datetime.now().astimezone()
    for words in (f"process {child.pid}, since {since}", f"process {os.getpid()}, since 2001-01-01T00:00:00", "?"):
        (tmp_path / ".lock.holder").write_text(f"host {socket.gethostname()}, {words}")
        child.wait()
        with hold(StudyFolder(tmp_path)):
            assert f"process {os.getpid()}, since 20" in (tmp_path / ".lock.holder").read_text()
        assert not (tmp_path / ".lock.holder").exists()


def wait_for_go(job, on_epoch):
    place = job.study.path.parent
    (place / "begun").touch()
    wait_until((place / "go").exists)
    return fakes.train(job, on_epoch)


def _ending(out: Path, backend: Backend) -> str:
    try:
        run_study(spec(), out, executor=LocalExecutor(1), backend=backend, publish=publish_tables)
    except StudyFolderError as error:
        return str(error)
    return ""


def move_study(job, on_epoch):
    if job.run.name == "p0.00-s0":
        job.study.path.rename(job.study.path.with_name("moved"))
    return fakes.train(job, on_epoch)


def remove_study(job, on_epoch):
    shutil.rmtree(job.study.path)
    return fakes.train(job, on_epoch)


@pytest.mark.parametrize("train", [move_study, remove_study])
def test_a_study_that_is_moved_or_removed_while_it_trains_ends_in_one_line_and_leaves_no_obstacle(
    tmp_path, train, capfd
):
    out = tmp_path / "study"
    with pytest.raises(StudyFolderError, match=r"study: was moved or removed while its runs trained; use the --out"):
        run(out, backend=Backend(fakes.inspect, train), executor=LocalExecutor(1))
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not (out / "study.yaml").exists()
    _, trained = run(out)
    assert "p0.00-s0" not in trained, "it trained on to its end, in a folder that it made anew"
    assert len(trained) == 8


@pytest.mark.parametrize("content", [None, "", "model: m\ndata: d\nsurplus: 1\n", "a: [1"])
def test_a_lost_study_yaml_is_written_anew_by_the_same_command(tmp_path, content):
    run(tmp_path)
    before, path = derived(tmp_path), tmp_path / "study.yaml"
    spec_before = yaml.safe_load(path.read_text())
    path.unlink()
    if content is not None:
        path.write_text(content)
    view = Watcher()
    _, trained = run(tmp_path, view=view)
    assert trained == []
    assert derived(tmp_path) == before
    assert any("it is written anew from this command, which the runs agree with" in note for note in view.notes)
    assert {**yaml.safe_load(path.read_text()), "prepared": 0} == {**spec_before, "prepared": 0}
    if content:
        assert (tmp_path / "study.yaml.aside-1").read_text() == content


def test_without_study_yaml_another_command_is_refused_by_what_the_runs_say(tmp_path):
    run(tmp_path, backend=Backend(fakes.inspect, train_with_arguments))
    (tmp_path / "study.yaml").unlink()
    with pytest.raises(SpecError, match="holds another study: epochs was 6, is 7; use another --out"):
        run(tmp_path, spec(train={"epochs": 7}))
    with pytest.raises(SpecError, match=r"data was 'd', is 'e'; imgsz was 64, is 32"):
        run(tmp_path, spec(data="e", train={"epochs": 6, "imgsz": 32}))
    with pytest.raises(SpecError, match="where was 'head', is 'neck'"):
        run(tmp_path, spec(where="neck"))
    assert run(tmp_path)[1] == []


def train_with_arguments(job, on_epoch):
    outcome = fakes.train(job, on_epoch)
    arguments = {"model": job.spec.model, "data": job.data, "dropout": job.run.rate, "imgsz": 64, **job.spec.train}
    job.folder.arguments.write_text(yaml.safe_dump(arguments))
    return type(outcome)(outcome.sites, {"where": "head", "kind": "auto", "schedule": "constant"}, outcome.versions)


@pytest.mark.parametrize("command", ["report", "watch"])
def test_a_lost_study_yaml_is_told_with_the_way_out_by_other_commands(tmp_path, command, capfd):
    run(tmp_path)
    (tmp_path / "study.yaml").unlink()
    assert main([command, str(tmp_path)]) == 2
    assert "or run the study's sweep again, which writes it anew" in told(capfd)


@pytest.mark.parametrize("name", ["summary.csv", "thesis.tex"])
def test_a_report_elsewhere_replaces_nothing_of_others(tmp_path, name, capfd):
    run(tmp_path / "study")
    before = files(put(tmp_path / "a", name))
    assert main(["report", str(tmp_path / "study"), "--out", str(tmp_path / "a")]) == 2
    assert f"holds {name}; choose a new or empty folder" in told(capfd)
    assert files(tmp_path / "a") == before


@pytest.mark.usefixtures("no_pictures")
def test_a_report_elsewhere_may_be_made_again_and_never_in_another_study(tmp_path):
    run(tmp_path / "study")
    run(tmp_path / "other")
    for _ in range(2):
        assert main(["report", str(tmp_path / "study"), "--out", str(tmp_path / "elsewhere")]) == 0
    with pytest.raises(StudyFolderError, match="holds another study; choose a folder of its own"):
        check_report_free(StudyFolder(tmp_path / "other"), StudyFolder(tmp_path / "study"))


def test_seeds_and_rates_taken_out_of_study_yaml_are_told(tmp_path):
    run(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"rates": [0, 0.1]}))
    from yolo_dropout.study import load_study

    note = "p0.30-s0, p0.30-s1, p0.30-s2: finished, but study.yaml does not ask for these seeds and rates"
    assert any(note in found for found in load_study(tmp_path).notes)


@pytest.mark.parametrize("header", ["val/cls_loss", "val/box_loss"])
def test_runs_with_other_validation_losses_are_not_compared(tmp_path, header, capfd):
    run(tmp_path)
    results = tmp_path / "runs" / "p0.30-s1" / "results.csv"
    results.write_text(results.read_text().replace(header, "val/other"))
    with pytest.raises(InputError, match=rf"p0\.30-s1/results\.csv: lacks {header} and has val/other, unlike the oth"):
        run(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "their validation losses cannot be compared" in told(capfd)
