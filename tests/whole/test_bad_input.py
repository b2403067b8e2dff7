"""Bad input of every kind: one clear line, exit code 2, no traceback.

A case is the words of a command, or a function that makes the files and returns them, and the line that it must
print. `{root}` stands for the case's folder, and `…` for words of Ultralytics or PyTorch, which change with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import bad_files as bad
import pytest
from tiny_data import NET

from yolo_dropout.cli import main

Words = list[str] | Callable[[Path], list[str]]
YAML_TAG = "!!python/object/apply:os.system ['true']"
ROWS = "epoch,time,train/box_loss,metrics/mAP50-95(B),val/box_loss\n1,9,3,0.1,2\n"
RUN = "dropout: 0.5\nseed: 0\n"


def data(change: Callable[[Path], object], task: str = "detect") -> Words:
    """Sweep over a data set that somebody has changed."""
    model = {"detect": NET, "classify": "yolo26n-cls.yaml"}.get(task, f"yolo26n-{task}.yaml")
    return lambda root: ["sweep", f"model={model}", f"data={bad.data(root, task, change)}", "imgsz=32"]


def data_file(content: str | bytes) -> Words:
    """Sweep over a data YAML of this content."""
    make = partial(bad.text, content=content) if isinstance(content, str) else partial(bad.binary, content=content)
    return lambda root: ["sweep", f"model={NET}", f"data={make(root, 'data.yaml')}"]


def model(make: Callable[[Path], object]) -> Words:
    """Sweep over sound data with this model."""
    return lambda root: ["sweep", f"model={make(root)}", f"data={bad.data(root)}", "imgsz=32"]


def model_file(name: str, content: str) -> Words:
    """As `model`, with a file of this content."""
    return model(partial(bad.text, name=name, content=content))


def argument(*words: str) -> Words:
    """Sweep over sound model and data with these arguments."""
    return lambda root: ["sweep", f"model={NET}", f"data={bad.data(root)}", *words]


def train(*words: str) -> Words:
    """Train once, on sound data."""
    return lambda root: ["train", f"model={NET}", f"data={bad.data(root)}", "epochs=1", *words]


def report(results: str | bytes, arguments: str = RUN, *words: str) -> Words:
    """Report on a run folder of plain Ultralytics."""
    return lambda root: ["report", str(bad.foreign_run(root, results, arguments)), *words]


def config(content: str | bytes, command: str = "sweep") -> Words:
    """Sweep with a config of this content."""
    make = partial(bad.text, content=content) if isinstance(content, str) else partial(bad.binary, content=content)
    return lambda root: [command, "--config", str(make(root, "study.yaml"))]


def study_file(content: str, *words: str) -> Words:
    """A command on a study's folder whose `study.yaml` holds this."""
    return lambda root: [words[0], str(bad.text(root, "study.yaml", content).parent), *words[1:]]


def loop_of_links(root: Path) -> list[str]:
    """Sweep into a link that leads to itself."""
    (root / "link").symlink_to(root / "link")
    return ["sweep", "--out", str(root / "link")]


DIGITS = "9" * 5000
# A billion values in nine lines.
BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x]", *(f"{b}: &{b} [{f'*{a}, ' * 10}]" for a, b in pairwise("abcdefghi")), ""]
)
NOT_YAML = "is no valid YAML"
NO_LABEL = "data: train of {root}/data/data.yaml cannot be used: No valid images found in …"
NO_CSV = "is no results.csv of Ultralytics; its first line must name the columns, epoch first; the run is left out"
FIELDS = (
    "the fields are model, data, rates, seeds, train, where, kind, schedule, score, alpha, until_decided, folds, "
    "treatments, min_gain, max_seeds, select"
)
MODEL_FILE = "model: needs a .pt or .yaml model that can be trained, got"

CASES: list[tuple[Words, str]] = [
    # folds
    (argument("--folds", "1"), "folds: must be a whole number of at least 2, got 1; for instance --folds 5"),
    (argument("--folds", "many"), "folds: must be a whole number of at least 2, got 'many'; for instance --folds 5"),
    (
        argument("--folds", "3", "--until-decided"),
        "folds: cannot go with until_decided, got folds=3; use --seeds 3, or leave --folds out",
    ),
    (argument("--folds", "3", "split=test"), "split: folds make their own val, got split=test; leave it out"),
    (
        argument("--folds", "3", "fraction=0.5"),
        "fraction: cannot go with folds, got fraction=0.5; leave it out",
    ),
    (
        argument("imgsz=32", "--folds", "4"),
        "folds: each needs at least 2 images, got 4 folds of 6 images; use --folds 3 at most",
    ),
    (
        lambda root: ["sweep", "model=yolo26n-sem.yaml", f"data={bad.data(root, 'semantic')}", "--folds", "2"],
        "folds: can be made for detect, segment, pose, obb, classify, got a semantic model; leave --folds out",
    ),
    # words
    (["sweep", "--rates", "1.5"], "rates: each must be in [0, 1), got 1.5"),
    (["sweep", "--rates", "-0.1"], "rates: each must be in [0, 1), got -0.1"),
    (["sweep", "--rates", "nan"], "rates: must be a finite number, got 'nan'"),
    (["sweep", "--rates", "abc"], "rates: must be a number, got 'abc'"),
    (["sweep", "--rates"], "rates: at least one rate above 0 is needed, got none; for instance --rates 0 0.1 0.3"),
    (["sweep", "--seeds", "0"], "seeds: a count must be at least 1, got 0"),
    (["sweep", "--seeds", "1", "1"], "seeds: each must be given once, got 1 repeatedly"),
    *[
        (
            ["sweep", "--seeds", word],
            f"seeds: must be whole numbers, got {word!r}; for instance --seeds 5, 3 7 9, or 3-7",
        )
        for word in ("x", "7-3")
    ],
    *[
        (words, f"seeds: at most 1000 can be used, got {n}")
        for n, words in {
            1001: ["sweep", "--seeds", "0-1000"],
            999999999: ["sweep", "--seeds", "999999999"],
            1002: config(f"model: m\ndata: d\nseeds: {list(range(1002))}\n"),
        }.items()
    ],
    (
        ["sweep", "--seeds", "1", "4294967296"],
        "seeds: each must be a whole number from 0 to 4294967295, got 4294967296",
    ),
    (["sweep", "--seeds", "3-5", "4"], "seeds: each must be given once, got 4 repeatedly"),
    (
        ["sweep", "--until-decided", "--max-seeds", "auto"],
        "seeds: must be whole numbers, got 'auto'; for instance --seeds 5, 3 7 9, or 3-7",
    ),
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
    (["sweep", "--run-timeout", "-1"], "run-timeout: must be a number of seconds above 0, 100000000 at most, got '-1'"),
    (["sweep", "--alpha", "0.5"], "alpha: must be in (0, 0.5), got 0.5"),
    (
        ["sweep", "--score", "@"],
        "score: must be a metric, alone or with @min, @min5, @max, @best, @last or @last5, got '@'",
    ),
    (
        ["sweep", "--config", "/no/such.yaml"],
        "/no/such.yaml: cannot be read (No such file or directory); check the path",
    ),
    (["sweep", "--out", "/dev/null"], "--out: /dev/null cannot be written (File exists); choose another"),
    *(
        (
            lambda root, words=words: [*words, "--out", str(bad.text(root, "f", "x"))],
            "--out: must name a folder, got the file {root}/f; choose another",
        )
        for words in (["shift", "model=m.pt", "data=d"], ["calibrate", "model=m.pt", "data=d"])
    ),
    (["report", "/no/such"], "/no/such: is no folder; give a study or run folders of Ultralytics"),
    (["train", "data=d.yaml"], "model: is missing; add model=yolo26n.pt, or --from a study"),
    (["train", "resume"], "model: is missing; add model=last.pt, or resume=last.pt"),
    (["train", "cfg=/no/my.yaml"], "/no/my.yaml: cannot be read (No such file or directory); check the path"),
    (
        lambda root: ["train", f"cfg={bad.text(root, 'my.yaml', 'epochs')}"],
        "cfg: {root}/my.yaml must hold `argument: value` lines, got str",
    ),
    (
        ["train", "--from", "/no/such"],
        "/no/such/study.yaml: cannot be read (No such file or directory); check the path",
    ),
    (["sweep", "--rates", "0", "0.1", "--rates", "0.2"], "--rates: must be given once, got it again with ['0.2']…"),
    (["sweep", "--rates", "0.1", "0.1"], "rates: each must be given once, got 0.1 twice"),
    (["sweep", "epochs=3", "epochs=4"], "epochs: must be given once, got epochs=3 and epochs=4"),
    (["sweep", "val=False"], "val: must stay on, got val=False; a study compares validation losses by epoch"),
    (
        ["sweep", "time=1"],
        "time: must be left out, got time=1: the clock would set epochs and learning rates, and the runs of a seed "
        "would differ by more than dropout; use epochs=50",
    ),
    (argument("imgsz=[]"), "imgsz: must be from 1 to 32768, got 0; for instance imgsz=640"),
    (
        ["sweep", "--until-decided", "--max-seeds", "5", "--seeds", "5"],
        "max-seeds: cannot go with --seeds, got 5; leave one out",
    ),
    (["check", "m" * 300], "model: … cannot be loaded: …File name too long…"),
    (["report", "d" * 300], "…: File name too long"),
    (["sweep", "--max-seeds", "1001"], "max_seeds: must be a whole number from 1 to 1000, got 1001; 12 is usual"),
    (
        ["sweep", "--until-decided", "--max-seeds", "2"],
        "seeds: until_decided needs at least 3, got 2; use --max-seeds 12",
    ),
    (
        ["sweep", "--run-timeout", "nan"],
        "run-timeout: must be a number of seconds above 0, 100000000 at most, got 'nan'",
    ),
    (["sweep", "--where", "("], "where: '(' is neither a place nor a regular expression: …"),
    (["sweep", "--kind", "x"], "kind: must be one of auto, dropout, dropout2d, dropblock, drop_path, got 'x'"),
    (["sweep", "--schedule", "x"], "schedule: must be one of … (N epochs, at least 1), got 'x'"),
    (
        ["sweep", "--schedule", "late:9", "epochs=5"],
        "schedule: late:N needs N below epochs=5, got 'late:9': it would never act",
    ),
    (["report", "a=b"], "the following arguments are required: DIR; see yolo-dropout report --help"),
    (["watch", "/no/such"], "/no/such/study.yaml: cannot be read (No such file or directory); check the path"),
    # values that Ultralytics checks, and those that it does not
    (["sweep", "epochs=abc"], "epochs: must be a whole number of at least 1, got 'abc'; for instance epochs=50"),
    (["sweep", "epochs=0"], "epochs: must be a whole number of at least 1, got 0; for instance epochs=50"),
    (["sweep", "epochs=1.5"], "epochs: must be a whole number of at least 1, got 1.5; for instance epochs=50"),
    (argument("imgsz=abc"), "train arguments: …imgsz…"),
    (argument("imgsz=0"), "imgsz: must be from 1 to 32768, got 0; for instance imgsz=640"),
    (argument("imgsz=99999999"), "imgsz: must be from 1 to 32768, got 99999999; for instance imgsz=640"),
    (argument("imgsz=32", "batch=1"), "batch: one image of imgsz=32 is too little to normalise by, got batch=1; use…"),
    (argument("freeze=99"), "freeze: leaves nothing to train of this model's 6 layers, got 99; use fewer"),
    *[
        (argument(f"{field}=nope.pt"), f"{field}: nope.pt does not exist, and Ultralytics offers no model of that name")
        for field in ("pretrained", "distill_model")
    ],
    (argument("batch=abc"), "train arguments: …batch…"),
    (argument("batch=0", "imgsz=32"), "batch: must be a number of images, or -1 to choose one, got 0"),
    (argument("batch=-3", "imgsz=32"), "batch: must be a number of images, or -1 to choose one, got -3"),
    (argument("lr0=abc"), "train arguments: …lr0…"),
    (argument("optimizer=Foo"), "train arguments: …Foo…"),
    (argument("mosaic=2"), "train arguments: …mosaic…"),
    (argument("fraction=0"), "train arguments: …fraction…"),
    (argument("device=99"), "…device…99…"),
    (argument("split=foo"), "data: {root}/data/data.yaml cannot be used: …foo…"),
    (argument("--where", "nowhere"), "where: no site for where='nowhere', kind='auto' in this model (head Detect): …"),
    (argument("--kind", "drop_path"), "where: no site for where='head', kind='drop_path' in this model …"),
    # model files
    (
        model(lambda _root: "/no/such.pt"),
        "model: /no/such.pt does not exist, and Ultralytics offers no model of that name",
    ),
    (model(lambda _root: "nomodel"), "model: nomodel cannot be loaded: …"),
    (model_file("empty.pt", ""), "model: {root}/empty.pt cannot be loaded: …"),
    (model_file("text.pt", "hello"), "model: {root}/text.pt cannot be loaded: …"),
    (model(bad.half_checkpoint), "model: {root}/half.pt cannot be loaded: …"),
    (model(bad.foreign_pickle), "model: {root}/weights.pt cannot be loaded: …"),
    (model(bad.bare_pickle), "model: {root}/model.pt cannot be loaded: …"),
    (model_file("model.txt", "x"), MODEL_FILE + " {root}/model.txt"),
    (model_file("model.onnx", "x"), MODEL_FILE + " {root}/model.onnx"),
    (model(lambda root: root), MODEL_FILE + " {root}"),
    (model_file("model.yaml", "a: [1"), "model: {root}/model.yaml cannot be loaded: …"),
    (model_file("model.yaml", ""), "model: {root}/model.yaml cannot be loaded: …"),
    (model_file("model.yaml", "- 1\n"), "model: {root}/model.yaml cannot be loaded: …"),
    (model_file("model.yaml", "backbone: []\n"), "model: {root}/model.yaml cannot be loaded: it lacks 'head'"),
    (
        model_file("model.yaml", "backbone:\n  - [-1, 1, Convv, [64, 3, 2]]\nhead:\n  - [[0], 1, Detect, [2]]\n"),
        "model: {root}/model.yaml cannot be loaded: …Convv…",
    ),
    # data sets
    (
        ["sweep", "model=yolo26n.yaml", "data=/no/data.yaml"],
        "data: /no/data.yaml does not exist; give a data YAML, by path or by a name that Ultralytics has",
    ),
    (
        ["sweep", "model=yolo26n.yaml", "data=nosuch"],
        "data: nosuch does not exist; give a data YAML, by path or by a name that Ultralytics has",
    ),
    (data_file("a: [1"), "data: {root}/data.yaml cannot be used: …"),
    (data_file(""), "data: {root}/data.yaml cannot be used: …train…"),
    (data_file("- 1"), "data: {root}/data.yaml cannot be used: …"),
    (data_file(bytes(range(256))), "data: {root}/data.yaml cannot be used: …"),
    (data(bad.rewritten("val: images/val\n", "")), "data: {root}/data/data.yaml cannot be used: …val…"),
    (data(bad.rewritten("names:", "nc: 3\nnames:")), "data: {root}/data/data.yaml cannot be used: …names…"),
    (data(bad.removed("images/val")), "data: {root}/data/data.yaml cannot be used: …{root}/data/images/val…"),
    (data(bad.removed("images/*/*")), "data: train of {root}/data/data.yaml cannot be used: …"),
    (data(bad.removed("labels")), "data: train of {root}/data/data.yaml cannot be used: …"),
    (data(bad.label("7 0.5 0.5 0.1 0.1\n")), NO_LABEL + "7…"),
    (data(bad.label("-1 0.5 0.5 0.1 0.1\n")), NO_LABEL + "-1…"),
    (data(bad.label("0 -0.5 0.5 0.1 0.1\n")), NO_LABEL + "-0.5…"),
    (data(bad.label("0 20 20 10 10\n")), NO_LABEL + "20…"),
    (data(bad.label("0 0.5 0.5 0.1\n")), NO_LABEL + "columns…"),
    (data(bad.label("cat 0.5 0.5 0.1 0.1\n")), NO_LABEL + "'cat'…"),
    (data(bad.label("0 nan 0.5 0.1 0.1\n")), NO_LABEL),
    (data(bad.label(bytes(range(256)))), NO_LABEL),
    (data(bad.image(b"hello")), NO_LABEL),
    (data(bad.image(b"")), NO_LABEL),
    (data(bad.half_images), NO_LABEL),
    (data(bad.tiny_images), NO_LABEL + "pixels…"),
    (
        lambda root: ["sweep", "model=yolo26n-seg.yaml", f"data={bad.data(root)}", "imgsz=32"],
        "data: … {root}/data/data.yaml …",
    ),
    (
        data(bad.rewritten("kpt_shape: [2, 3]\n", ""), "pose"),
        "data: a pose model needs kpt_shape in {root}/data/data.yaml, such as [17, 3]",
    ),
    (data(bad.rewritten("[2, 3]", "[5, 3]"), "pose"), NO_LABEL + "columns…"),
    (data(bad.removed("val"), "classify"), "data: {root}/data has no val; add one, or use split="),
    (data(bad.removed("*/*/*"), "classify"), "data: {root}/data cannot be used: …"),
    (data(bad.image(b"hello"), "classify"), "data: {root}/data has no images for train; check its folders"),
    (
        lambda root: ["sweep", "model=yolo26n-cls.yaml", f"data={bad.data(root)}"],
        "data: a classify model needs a folder with train/ and val/ in it, got {root}/data/data.yaml",
    ),
    (
        lambda root: ["sweep", "model=yolo26n.yaml", f"data={bad.data(root, 'classify')}"],
        "data: a detect model needs a data YAML, got the folder {root}/data",
    ),
    (
        ["sweep", "model=yolo26n-cls.yaml", "data=/no/folder"],
        "data: /no/folder does not exist and cannot be downloaded; give the folder with train/ and val/",
    ),
    # one training
    (train("foo=2"), "foo: no such argument; see `yolo cfg` for the list"),
    (train("lr0=abc"), "train arguments: …lr0…"),
    (["train", "model=yolo26n.yaml", "data=['a','b']"], "data: must be one data set, got 2; train once for each"),
    (["sweep", "model=yolo26n.yaml", "data=['a','b']"], "data: must be a path or a name, got ['a', 'b']"),
    (train("dropout=2"), "dropout: the rate must be a number in [0, 1), got 2"),
    (train("dropout=abc"), "dropout: the rate must be a number in [0, 1), got 'abc'"),
    (
        ["train", "model=yolo26n.yaml", "data=/no/data.yaml"],
        "data: /no/data.yaml does not exist; give a data YAML, by path or by a name that Ultralytics has",
    ),
    (["check", "/no/such.pt"], "model: /no/such.pt does not exist, and Ultralytics offers no model of that name"),
    # results.csv and args.yaml of others
    (report(""), "{root}/train/results.csv: " + NO_CSV),
    (report("hello"), "{root}/train/results.csv: " + NO_CSV),
    (report("epoch,x,x\n1,2,3\n"), "{root}/train/results.csv: " + NO_CSV),
    (report(ROWS.splitlines()[0] + "\n"), "{root}/train/results.csv: holds no finished epoch; the run is left out"),
    (report(ROWS.replace("1,9,", "1,")), "{root}/train/results.csv: holds no finished epoch; the run is left out"),
    (report(bytes(range(256))), "{root}/train/results.csv: cannot be read (…); the run is left out"),
    (report(ROWS, "a: [1"), "{root}/train/args.yaml: is no valid YAML (…, line 1); mend it"),
    (report(ROWS, f"seed: {YAML_TAG}"), "{root}/train/args.yaml: is no valid YAML (could not determine …); mend it"),
    (
        report(ROWS, "a: 1\n"),
        "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?",
    ),
    (
        report(ROWS, "dropout: 0.1\nseed: true\n"),
        "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?",
    ),
    (
        report(ROWS, "dropout: abc\nseed: 0\n"),
        "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?",
    ),
    (
        report(ROWS, "dropout: 1.5\nseed: 0\n"),
        "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?",
    ),
    (
        report(ROWS, "dropout: 0.5\nseed: -1\n"),
        "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?",
    ),
    (
        report(ROWS, "dropout: 0.0\nseed: 0\n"),
        "rates: at least one rate above 0 is needed beside the control, got only 0",
    ),
    (
        report(ROWS, RUN, "--score", "val/foo"),
        "score: no metric 'val/foo' in results.csv; there are train/box_loss, …, val/loss",
    ),
    (
        report(ROWS, RUN, "--out", "/dev/null/x"),
        "/dev/null/x/curves.csv: cannot be written (Not a directory); choose another --out, or make it writable",
    ),
    (
        lambda root: ["report", str(root)],
        "{root}: is neither a study nor a run folder of Ultralytics; it lacks study.yaml and args.yaml",
    ),
    # study.yaml and --config
    (study_file("a: [", "report"), "{root}/study.yaml: is no valid YAML (…, line 1); mend it"),
    (study_file("model: m\ndata: d\nx: 1\n", "report"), "{root}/study.yaml: unknown field 'x'; " + FIELDS),
    (study_file("model: m\ndata: d\n", "report"), "{root}: no run has finished yet, so there is nothing to compare"),
    (study_file("model: m\ndata: d\n", "watch", "--port", "x"), "port: must be a whole number, got 'x'; leave it out…"),
    (
        study_file("model: m\ndata: d\n", "watch", "--port", "99999"),
        "port: must be a free port, got 99999 …",
    ),
    (config("a: b\n\tc: d"), "{root}/study.yaml: is no valid YAML (…, line 2); mend it"),
    (config(f"model: {YAML_TAG}"), "{root}/study.yaml: is no valid YAML (could not determine …); mend it"),
    (config("[" * 5000), "{root}/study.yaml: is no valid YAML (nested too deeply); mend it"),
    (config(bytes(range(256))), "{root}/study.yaml: is no valid YAML (not text); mend it"),
    (config(""), "{root}/study.yaml: must hold `field: value` lines, got NoneType"),
    (config("- 1"), "{root}/study.yaml: must hold `field: value` lines, got list"),
    (config("model: m\ndata: d\nepochs: 4\n"), "{root}/study.yaml: unknown field 'epochs'; " + FIELDS),
    (config("model: m\n"), "{root}/study.yaml: data is missing; add `data: …`"),
    (config("model: 5\ndata: d\n"), "model: must be a path or a name, got 5"),
    (config("model: m\ndata: d\nseeds: [a]\n"), "seeds: each must be a whole number from 0 to 4294967295, got 'a'"),
    (config("model: m\ndata: d\nrates: 2020-01-01\n"), "rates: must be a number, got datetime.date(2020, 1, 1)"),
    (config("model: m\ndata: d\ntrain: 5\n"), "train: must map arguments of YOLO.train to values, got 5"),
    (config('model: "a\\0b"\ndata: d\n'), "model: a?b cannot be loaded: …"),
    (lambda root: ["sweep", "--config", str(root)], "{root}: cannot be read (Is a directory); check the path"),
    (config(f"{BOMB}model: m\ndata: d\n"), "{root}/study.yaml: is no valid YAML (too many values); mend it"),
    (
        config("model: m\ndata: d\ntrain: &t {x: *t}\n"),
        "{root}/study.yaml: is no valid YAML (nested too deeply); mend it",
    ),
    (config('model: "\\ud800"\ndata: d\n'), "{root}/study.yaml: is no valid YAML (not text); mend it"),
    (config(f"model: m\ndata: d\nalpha: {DIGITS}\n"), "{root}/study.yaml: is no valid YAML (…digits…); mend it"),
    (
        config(f"model: m\ndata: d\nseeds: {list(range(100_000))}\n"),
        "{root}/study.yaml: is no valid YAML (more than 500000 characters); mend it",
    ),
    *[
        (make(f"model: m\ndata: d\nfolds: {folds}\n"), f"runs: at most 100000 can be planned, got {folds * 15}; use…")
        for make in (config, lambda content: study_file(content, "report"))
        for folds in (1_000_000, 10**30)
    ],
    *[
        (
            report(ROWS, f"dropout: 0.5\nseed: {seed}\n"),
            "{root}/train/args.yaml: lacks a seed, or a dropout in [0, 1);…",
        )
        for seed in (2**32, 10**30)
    ],
    (report(ROWS, BOMB + RUN), "{root}/train/args.yaml: is no valid YAML (too many values); mend it"),
    # words that are long or no text: told, and cut to a line
    *[(["sweep", option, DIGITS], f"{option[2:]}: must …, got '9…9'…") for option in ("--folds", "--jobs", "--alpha")],
    (["sweep", "--schedule", f"late:{DIGITS}"], "schedule: must be one of …, got 'late:9…9'"),
    (["sweep", "--score", f"val/loss@last{DIGITS}"], "score: must be a metric, …, got 'val/loss@last9…9'"),
    (study_file("model: m\ndata: d\n", "watch", "--port", DIGITS), "port: must be a whole number, got '9…9'; leave…"),
    (["sweep", "--run-timeout", "1e300"], "run-timeout: must be …, 100000000 at most, got '1e300'"),
    (["sweep", "--where", "(" * 5000], "where: '((…((' is neither a place nor a regular expression: …recursion…"),
    (["sweep", f"classes={'[' * 50}{']' * 50}"], "train: cannot hold such arguments (nested too deeply); write them …"),
    (["sweep", "--" + DIGITS], "unrecognized arguments: --9…9; see yolo-dropout --help"),
    (["sweep", "--out", "\udcff"], "must be UTF-8, got '\\udcff'; see yolo-dropout --help"),
    (loop_of_links, "--out: must name a folder, got '{root}/link' (…); choose another"),
    # where to write
    (["sweep", "--out", "/dev/null/x"], "--out: /dev/null/x cannot be written (Not a directory); choose another"),
    (
        ["sweep", "--out", "/dev/shm/" + "x" * 300],
        "--out: /dev/shm/x…x cannot be written (File name too long); choose another",
    ),
]


def matches(pattern: str, line: str, root: Path) -> bool:
    """Whether a line is the one that was expected."""
    parts = pattern.replace("{root}", str(root)).split("…")
    return re.fullmatch(".*".join(re.escape(part) for part in parts), line) is not None


@pytest.mark.parametrize(
    ("words", "message"), CASES, ids=[f"{number}-{message[:40]}" for number, (_, message) in enumerate(CASES)]
)
def test_bad_input_is_one_clear_line_and_exit_code_2(words, message, capfd, tmp_path, monkeypatch, record_property):
    root = tmp_path / "x"
    root.mkdir()
    monkeypatch.chdir(root)
    words = words(root) if callable(words) else words
    code = exit_code(words)
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert code == 2, (out, err)
    assert len(lines) == 1, err
    assert len(lines[0]) < 900
    prefix = "yolo-dropout: " if lines[0].startswith("yolo-dropout: ") else f"yolo-dropout {words[0]}: "
    assert matches(prefix + message, lines[0], root), lines[0]
    assert "Traceback" not in out
    record_property("fault", ("bad input", 1, "one clear line, exit 2, no traceback"))


def exit_code(words: list[str]) -> int | str | None:
    try:
        return main(words)
    except SystemExit as end:
        return end.code


def test_the_table_is_long_enough():
    assert len(CASES) >= 60


def test_images_without_any_label_are_accepted_and_told(tmp_path, capfd):
    made = bad.data(tmp_path, change=bad.label(""))
    words = ["sweep", "model=yolo26n.yaml", f"data={made}", "imgsz=32", "--dry-run", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "no validation image has a label, so losses and mAP say nothing" in capfd.readouterr().out
