"""Words -> exit codes; every bad word is told in one line, with exit code 2."""

from __future__ import annotations

import pytest
import yaml

from yolo_dropout.cli import _key_values, _parser, _without_key_values, main
from yolo_dropout.commands.sweep import default_out, spec_from


def parse(*words):
    options = _parser().parse_args(_without_key_values(words))
    options.key_values = _key_values(words)
    return options


def spec(*words):
    return spec_from(parse("sweep", *words))


def test_without_words_the_embedded_study_is_asked_for():
    asked = spec()
    assert asked.model.endswith("starter.pt")
    assert asked.data.endswith("digits-detect/data.yaml")
    assert asked.rates == (0.0, 0.1, 0.2, 0.3, 0.5)
    assert asked.seeds == (0, 1, 2)


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


def test_words_beside_a_config_win(tmp_path):
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({"model": "m", "data": "d", "seeds": 2, "train": {"epochs": 9, "imgsz": 64}}))
    asked = spec("--config", str(config), "epochs=5", "--seeds", "4", "7")
    assert asked.train == {"epochs": 5, "imgsz": 64}
    assert asked.seeds == (4, 7)


def test_training_arguments_alone_change_the_embedded_study():
    asked = spec("epochs=5")
    assert asked.train["epochs"] == 5
    assert asked.train["imgsz"] == 128


def test_the_default_folder_tells_model_and_data():
    assert str(default_out(spec())) == "runs/dropout/starter-digits-detect"
    assert str(default_out(spec("model=yolo26n.pt", "data=coco8.yaml"))) == "runs/dropout/yolo26n-coco8"
    assert str(default_out(spec("model=../../x.pt", "data=../..", "epochs=1"))).startswith("runs/dropout/x-")


BAD = [
    (["sweep", "--rates", "1.5"], "rates: each must be in [0, 1), got 1.5"),
    (["sweep", "--rates", "-0.1"], "rates: each must be in [0, 1), got -0.1"),
    (["sweep", "--rates", "nan"], "rates: must be a finite number, got 'nan'"),
    (["sweep", "--rates", "abc"], "rates: must be a number, got 'abc'"),
    (["sweep", "--rates"], "rates: at least one rate above 0 is needed, got none; for instance --rates 0 0.1 0.3"),
    (["sweep", "--seeds", "0"], "seeds: a count must be at least 1, got 0"),
    (["sweep", "--seeds", "1", "1"], "seeds: each must be given once, got 1 repeatedly"),
    (["sweep", "--seeds", "x"], "seeds: must be whole numbers, got 'x'; for instance --seeds 3"),
    (["sweep", "epoch=5"], "epoch: is no argument of YOLO.train, got epoch=5; did you mean epochs?"),
    (["sweep", "dropout=0.3"], "dropout: the study sets it, got dropout=0.3; use --rates, for instance --rates 0 0.3"),
    (["sweep", "seed=3"], "seed: the study sets it, got seed=3; use --seeds, for instance --seeds 3"),
    (["sweep", "project=x"], "project: the study sets it, got project=x; use --out for the study's folder"),
    (["sweep", "name=x"], "name: the study sets it, got name=x; use --out for the study's folder"),
    (["sweep", "save_dir=x"], "save_dir: the study sets it, got save_dir=x; use --out for the study's folder"),
    (
        ["sweep", "resume=True"],
        "resume: the study sets it, got resume=True; run the same sweep command again: it does what is missing",
    ),
    (["sweep", "epochs="], "argument: must be key=value, got 'epochs='; for instance epochs=50"),
    (
        ["sweep", "model=m.yaml"],
        "model: needs the other too; add for instance data=coco8.yaml, or leave both out for the demo",
    ),
    (["sweep", "--jobs", "0"], "jobs: must be auto or a whole number of at least 1, got '0'"),
    (["sweep", "--jobs", "two"], "jobs: must be auto or a whole number of at least 1, got 'two'"),
    (["sweep", "--run-timeout", "-1"], "run-timeout: must be a number of seconds above 0, got '-1'"),
    (["sweep", "--alpha", "0.9"], "alpha: must be in (0, 0.5), got 0.9"),
    (["sweep", "--score", "@"], "score: must be a metric, alone or with @min, @max, @best, @last or @last5, got '@'"),
    (
        ["sweep", "--config", "/no/such.yaml"],
        "/no/such.yaml: cannot be read (No such file or directory); check the path",
    ),
    (["sweep", "--out", "/dev/null"], "--out: /dev/null cannot be written (File exists); choose another"),
    (["report", "/no/such"], "/no/such: is no folder; give a study or run folders of Ultralytics"),
    (["train", "data=d.yaml"], "model: is missing; add model=yolo26n.pt, or --from a study"),
    (
        ["train", "--from", "/no/such"],
        "/no/such/study.yaml: cannot be read (No such file or directory); check the path",
    ),
]


@pytest.mark.parametrize(
    ("words", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_one_clear_line_and_exit_code_2(words, message, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert err == f"yolo-dropout: {message}\n"
    assert out == ""


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
