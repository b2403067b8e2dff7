"""Words -> exit codes; every bad word is told in one line, with exit code 2."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import fakes
import pytest
import yaml
from ultralytics.utils import LOGGER

from yolo_dropout.cli import main, run
from yolo_dropout.cli.options import OPTIONS
from yolo_dropout.cli.options import parse as parse_words
from yolo_dropout.cli.sweep_options import spec_from
from yolo_dropout.cli.train import asked, from_study
from yolo_dropout.folder.layout import default_out
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study


def parse(*words):
    return parse_words(words)


def spec(*words):
    return spec_from(parse("sweep", *words))


def test_without_words_the_embedded_study_is_asked_for():
    asked = spec()
    assert asked.model.endswith("starter.pt")
    assert asked.data.endswith("digits-detect/data.yaml")
    assert (str(asked.score), asked.rates, asked.seeds) == ("val/cls_loss@last10", (0.0, 0.1), tuple(range(7)))


def test_key_values_may_stand_anywhere():
    for words in (
        ["model=m.yaml", "data=d.yaml", "epochs=5", "--rates", "0", "0.5", "--seeds", "1"],
        ["--rates", "0", "0.5", "model=m.yaml", "--seeds", "1", "data=d.yaml", "epochs=5"],
        ["--retry-failed", "model=m.yaml", "--rates", "0", "0.5", "data=d.yaml", "epochs=5", "--seeds", "1"],
    ):
        asked = spec(*words)
        assert (asked.model, asked.data, asked.rates, asked.seeds) == ("m.yaml", "d.yaml", (0.0, 0.5), (0,))
        assert asked.train == {"epochs": 5}


def test_a_single_word_option_may_hold_an_equals_sign():
    options = parse("sweep", "--out", "a=b", "epochs=5")
    assert options.out == "a=b"
    assert options.key_values == ["epochs=5"]


@pytest.mark.parametrize("option", OPTIONS["sweep"])
def test_an_option_takes_a_key_value_only_where_it_takes_one_word(option):
    name, *takes = option.split()
    taken = bool(takes) and not takes[0].endswith("*")
    options = parse("sweep", name, "epochs=5")
    assert options.key_values == ([] if taken else ["epochs=5"])
    value = vars(options)[name.removeprefix("--").replace("-", "_")]
    assert value in (["epochs=5"], "epochs=5") if taken else value in (True, [])


def test_words_beside_a_config_win(tmp_path):
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"model": "m", "data": "d", "seeds": 2, "train": {"epochs": 9, "imgsz": 64}}))
    asked = spec("--config", str(config), "epochs=5", "--seeds", "4", "7")
    assert asked.train == {"epochs": 5, "imgsz": 64}
    assert asked.seeds == (4, 7)


def test_a_span_of_seeds_holds_both_its_ends():
    for words, seeds in (["3-6"], (3, 4, 5, 6)), (["3-3"], (3,)), (["9", "3-4"], (3, 4, 9)):
        assert spec("--seeds", *words).seeds == seeds


def test_seeds_that_are_named_are_those_that_are_looked_at(tmp_path):
    assert spec("--until-decided").seeds == tuple(range(12))
    assert spec("--until-decided", "--max-seeds", "5").seeds == tuple(range(5))
    assert spec("--until-decided", "--seeds", "3", "7", "9").seeds == (3, 7, 9)
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"model": "m", "data": "d", "seeds": [3, 7, 9, 11]}))
    assert spec("--config", str(config), "--until-decided").seeds == (3, 7, 9, 11)
    config.write_text(yaml.safe_dump({"model": "m", "data": "d", "until_decided": True}))
    assert len(spec("--config", str(config)).seeds) == 12
    config.write_text(yaml.safe_dump({"model": "m", "data": "d", "seeds": 5, "until_decided": True}))
    for words, seeds in ([], 5), (["--until-decided"], 5), (["--max-seeds", "8"], 8), (["--seeds", "6"], 6):
        asked = spec("--config", str(config), *words)
        assert (asked.until_decided, len(asked.seeds)) == (True, seeds)


def test_training_arguments_alone_change_the_embedded_study():
    asked = spec("epochs=5")
    assert asked.train["epochs"] == 5
    assert asked.train["imgsz"] == 128


def test_the_default_folder_tells_model_and_data():
    assert str(default_out(spec())) == "runs/dropout/starter-digits-detect"
    assert str(default_out(spec("model=yolo26n.pt", "data=coco8.yaml"))) == "runs/dropout/yolo26n-coco8"
    assert str(default_out(spec("model=../../x.pt", "data=../..", "epochs=1"))).startswith("runs/dropout/x-")
    assert str(default_out(spec("--where", "neck", "--schedule", "early:5"))).endswith("-neck-early_5")


def test_a_training_argument_that_is_written_as_an_option_is_told_how_to_write_it(capsys):
    for words, told in (
        (["--epochs", "3"], "--epochs: is an argument of YOLO.train; write epochs=3, without --"),
        (["--weight-decay=0.1"], "--weight-decay: is an argument of YOLO.train; write weight_decay=0.1, without --"),
        (["--plots"], "--plots: is an argument of YOLO.train; write plots=..., without --"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["sweep", *words])
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "yolo-dropout: the following arguments are required: COMMAND; see yolo-dropout --help"),
        (["sweep", "--rate", "0.1", "x"], None),
        (["sweep", "word"], "yolo-dropout: unrecognized arguments: word; see yolo-dropout --help"),
        (["fly"], None),
    ],
)
def test_words_that_are_no_options_are_told_in_one_line(words, message, capfd):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message is None or lines == [message]


def test_control_characters_in_input_do_not_reach_the_terminal(capfd):
    assert main(["sweep", "--config", "/no/\x1b[31mred"]) == 2
    assert "\x1b" not in capfd.readouterr().err


def denied(options):
    raise PermissionError(13, "Permission denied", "/there/study.yaml")


def test_a_file_that_may_not_be_read_is_told_in_one_line(capfd):
    assert run(parse("sweep"), denied) == 2
    assert capfd.readouterr().err == "yolo-dropout: /there/study.yaml: Permission denied; change its permissions\n"


def test_an_empty_from_is_refused_and_trains_nothing(capfd):
    assert main(["train", "--from", "", "model=yolo26n.yaml", "data=d.yaml"]) == 2
    assert capfd.readouterr().err == "yolo-dropout: --from: must name a folder, got ''; is a variable unset?\n"


def test_a_cfg_may_hold_the_data_the_model_and_the_rate_and_what_is_given_wins(tmp_path):
    cfg = tmp_path / "my.yaml"
    cfg.write_text("mode: train\ntask: detect\nmodel: m.pt\ndata: d.yaml\ndropout: 0.2\nepochs: 9\ncfg: null\n")
    held = {"model": "m.pt", "data": "d.yaml", "dropout": 0.2, "epochs": 9}
    assert asked(parse("train", f"cfg={cfg}")) == held
    assert asked(parse("train", "epochs=3", f"cfg={cfg}", "model=n.pt")) == held | {"model": "n.pt", "epochs": 3}


def test_a_training_is_resumed_by_the_words_that_ultralytics_takes():
    last = {"model": "last.pt", "resume": True}
    assert asked(parse("train", "resume", "model=last.pt")) == last
    assert asked(parse("train", "model=last.pt", "resume=True")) == last
    assert asked(parse("train", "resume=last.pt")) == {"model": "last.pt", "resume": "last.pt"}


@pytest.mark.parametrize(("device", "final"), [("0,1", "0"), ([2, 3], "2"), ("1", "1"), ("cpu", "cpu")])
def test_the_final_training_takes_one_gpu_of_a_study_that_had_several(device, final, tmp_path, capfd):
    spec = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=1, train={"device": device})
    run_study(spec, tmp_path, backend=fakes.FAKE, publish=publish_tables)
    assert from_study(str(tmp_path))["device"] == final
    assert f"m: is loaded, as {tmp_path}/study.yaml says" in capfd.readouterr().out


def test_check_leaves_the_log_as_it_was(capsys):
    """It once kept all lines of that process back, for good."""
    before = LOGGER.level, logging.root.manager.disable
    assert main(["check", "yolo26n.yaml"]) == 0
    assert (LOGGER.level, logging.root.manager.disable) == before
    assert "summary" not in capsys.readouterr().out


def test_a_report_of_other_runs_is_not_replaced(tmp_path, capsys):
    fakes.write_results(tmp_path / "train" / "results.csv", 0.0, seed=0, epochs=3)
    out = tmp_path / "report"
    out.mkdir()
    (out / ".report").write_text("of others\n")
    (out / "verdict.json").write_text('{"outcome": "keep", "comparisons": [], "agreement": ""}')
    assert main(["report", str(tmp_path / "train"), "--out", str(out)]) == 2
    assert "report holds the report of other runs; choose another folder" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == [".report", "verdict.json"]


def test_the_help_of_a_sweep_is_in_groups(capsys):
    with pytest.raises(SystemExit):
        parse("sweep", "--help")
    told = capsys.readouterr().out
    places = [told.index(f"\n{title}:\n") for title in ("what is compared", "how sure", "how it runs", "on a cluster")]
    assert places == sorted(places)


def test_a_shell_completes_commands_and_options(tmp_path):
    pytest.importorskip("argcomplete", reason="argcomplete is not installed")

    def completed(line):
        asks = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": " ", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "words")}
        asks |= {"COMP_LINE": line, "COMP_POINT": str(len(line))}
        call = [sys.executable, "-c", "from yolo_dropout.cli import main; main([])"]
        subprocess.run(call, env=os.environ | asks, check=False)
        return (tmp_path / "words").read_text().split()

    assert completed("yolo-dropout sw") == ["sweep"]
    assert completed("yolo-dropout sweep epochs=3 --see") == ["--seeds"]


def test_a_pdf_without_a_browser_is_refused_before_anything_is_done(tmp_path, monkeypatch, capsys):
    fakes.write_results(tmp_path / "train" / "results.csv", 0.0, seed=0, epochs=3)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["report", str(tmp_path / "train"), "--out", str(tmp_path / "report"), "--pdf"]) == 2
    assert "--pdf: needs Chromium or Chrome on the PATH" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()
