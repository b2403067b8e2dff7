"""README and docs: links lead somewhere, every command and option is real, and what runs offline is run."""

from __future__ import annotations

import ast
import inspect
import os
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes
import pytest
import yaml
from tiny_data import CLS, make_data

import yolo_dropout
from yolo_dropout.cli import main
from yolo_dropout.cli.options import OPTIONS, parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.cli.sweep_options import spec_from
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.arguments import parse_key_values
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.append(ROOT / "datasets" / "README.md")
OPTION_TABLE = (ROOT / "docs" / "options.md").read_text()
OURS = re.compile(r"(?:yolo-dropout|python scripts/\w+\.py)\b")


def pages(test: Any) -> Any:
    return pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())(test)


def blocks(page: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Our commands in code blocks and in running text, as words; those with an ellipsis stand for many."""
    found = []
    for page in PAGES:
        lines = [line for block in (*blocks(page, "bash"), *blocks(page, "")) for line in block.splitlines()]
        for line in [*lines, *re.findall(r"`([^`\n]+)`", page.read_text())]:
            for part in line.split("&&"):
                if OURS.match(part.strip()) and "…" not in part and "DIR" not in part:
                    found.append(shlex.split(part, comments=True))
    return [list(words) for words in dict.fromkeys(map(tuple, found))]


def words_of(command: list[str]) -> list[str] | None:
    """What follows `yolo-dropout`; None for a script that is not its other name."""
    if command[0] == "yolo-dropout":
        return command[1:]
    return ["sweep", *command[2:]] if command[1] == "scripts/sweep.py" else None


OWN = [list(words) for words in dict.fromkeys(tuple(found) for found in map(words_of, commands()) if found)]
SCRIPTS = [command for command in commands() if words_of(command) is None]


@pages
def test_every_relative_link_leads_to_a_file(page: Path):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    targets = [link.partition("#")[0] for link in links if not link.startswith(("http", "mailto:", "#"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_names_every_command():
    assert {words[0] for words in OWN} >= {
        "sweep",
        "check",
        "report",
        "watch",
        "train",
        "shift",
        "predict",
        "calibrate",
    }


@pytest.mark.parametrize("words", OWN, ids=" ".join)
def test_every_command_is_accepted(words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    options = parse(words) if len(words) > 1 or words == ["sweep"] else None
    if words[0] == "sweep":
        assert spec_from(options).rates[0] == 0.0
    elif options is not None:
        parse_key_values(options.key_values)


@pytest.mark.parametrize("command", SCRIPTS, ids=" ".join)
def test_every_script_and_its_options_exist(command: list[str]):
    source = (ROOT / command[1]).read_text()
    assert [word for word in command[2:] if word.startswith("--") and f'"{word}"' not in source] == []


@pytest.mark.soak
@pytest.mark.train
def test_stock_ultralytics_still_ignores_dropout_and_ours_does_not(capsys: pytest.CaptureFixture[str]):
    assert runpy.run_path(str(ROOT / "scripts" / "trap.py"))["main"]() == 0
    told = [line.partition("; ")[2] for line in capsys.readouterr().out.splitlines()]
    assert told == ["", "every number as in the first", "other numbers"]


def test_the_table_of_options_is_that_of_the_parser():
    table = re.findall(r"^\| (`--.*?) \| .* \| .*\|$", OPTION_TABLE, flags=re.MULTILINE)
    told = set(re.findall(r"--[a-z-]+", " ".join(table)))
    assert told == {words.split()[0] for words in OPTIONS["sweep"]}


@pytest.mark.parametrize("cell", re.findall(r"^\| (`--.*?) \|", OPTION_TABLE, flags=re.MULTILINE))
def test_every_example_in_the_table_of_options_is_a_valid_spec(cell: str, tmp_path: Path):
    (tmp_path / "study.yaml").write_text("model: m.yaml\ndata: d.yaml\n")
    for example in re.findall(r"`([^`]+)`", cell):
        words = shlex.split(example.replace("study.yaml", str(tmp_path / "study.yaml")))
        base = [] if "--config" in words else ["model=m.yaml", "data=d.yaml"]
        assert spec_from(parse(["sweep", *base, *words])).rates[0] == 0.0


def test_the_tutorial_reads_the_table_and_the_verdict_of_the_readme():
    shown = [block for block in blocks(ROOT / "docs" / "tutorial.md", "text") if "@last10" in block or "Use" in block]
    assert len(shown) == 2
    assert all(block.rstrip() in (ROOT / "README.md").read_text() for block in shown)


SNIPPETS = [code for page in PAGES if page.name != "api.md" for code in blocks(page, "python")]


@pytest.mark.parametrize("code", SNIPPETS, ids=lambda code: code.strip().splitlines()[0])
def test_every_snippet_imports_and_calls_what_exists(code: str):
    tree = ast.parse(code)
    results = {"run": yolo_dropout.TrainedRun, "study": yolo_dropout.Study}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "yolo_dropout":
            assert {name.name for name in node.names} <= set(yolo_dropout.__all__)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in yolo_dropout.__all__:
            signature = inspect.signature(getattr(yolo_dropout, node.func.id))
            signature.bind(*node.args, **{item.arg: item.value for item in node.keywords})
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in results:
            owner = results[node.value.id]
            assert node.attr in {*dir(owner), *owner.__dataclass_fields__}


def test_the_api_reference_is_that_of_the_code():
    page = runpy.run_path(str(ROOT / "scripts" / "api_reference.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text() == page, "run python scripts/api_reference.py"
    for name in yolo_dropout.__all__:
        assert f"### `{name}`" in page


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where what the README's commands name exists: a study, and runs of plain Ultralytics."""
    root = tmp_path_factory.mktemp("place")
    tiny = {"epochs": 1, "imgsz": 32, "batch": 2, "plots": False}
    data = make_data("classify", root / "data")
    spec = StudySpec(model="yolo26n-cls.yaml", data=data, rates=(0, 0.1), seeds=3, train=tiny)
    out = root / "runs" / "dropout" / "yolo26n-coco8"
    run_study(spec, out, executor=LocalExecutor(jobs=2), backend=fakes.FAKE, publish=publish_tables)
    for name in ("starter-digits-detect", "starter-cls-digits-classify", "head", "neck"):
        shutil.copytree(out, out.parent / name)
    for name, rate in (("train", 0.0), ("train2", 0.1)):
        folder = root / "runs" / "classify" / name
        fakes.write_results(folder / "results.csv", rate, seed=0, epochs=3)
        arguments = {"task": "classify", "model": "m.pt", "data": "d.yaml", "seed": 0, "dropout": rate}
        (folder / "args.yaml").write_text(yaml.safe_dump(arguments))
    return root


def run(place: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    expanded = [found for word in words for found in (sorted(map(str, place.glob(word))) if "*" in word else [word])]
    assert main(expanded) == 0


# What loads checkpoints, or judges by what was measured of them, needs real ones: the tests of shift have some.
LOADING = re.compile("shift|--examples|--new-images|--calibration")
READING = [
    words for words in OWN if words[0] in ("check", "report") and words[1:] and not LOADING.search(" ".join(words))
]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_commands_that_need_no_training_run(words: list[str], place: Path, monkeypatch: pytest.MonkeyPatch):
    run(place, words, monkeypatch)
    if words[0] == "report":
        made = place / (words[-1] if "*" not in words[-1] else "runs/dropout/report")
        assert (made / "report.html").stat().st_size > 10_000
        assert (made / ".report").exists() == (not (made / "study.yaml").exists())


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """One Ray cluster of this machine for all commands that ask for one: a sweep takes the one that it finds."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from yolo_dropout.executors.ray import connected

    with pytest.MonkeyPatch.context() as patch:
        support = str(ROOT / "tests" / "support")
        patch.setenv("PYTHONPATH", os.pathsep.join([support, os.environ.get("PYTHONPATH", "")]))
        with connected("local"):
            yield


def asked(words: list[str]) -> frozenset[str]:
    """What a command asks for; commands that differ in numbers and names alone go the same way."""
    return frozenset("model=" if word.startswith("model=") else word for word in words if word[:2] in ("--", "mo"))


OF_EACH_KIND = {asked(words): words for words in reversed(OWN) if words[0] == "sweep"}
# What asks for most comes first, and one that then asks for nothing new is more of the same.
BY_LENGTH = sorted(OF_EACH_KIND, key=lambda kind: (-len(kind), sorted(kind)))
NEW = {kind: not kind or kind - frozenset().union(*BY_LENGTH[:place]) for place, kind in enumerate(BY_LENGTH)}
SWEEPS = [
    pytest.param(words, id=" ".join(words), marks=[] if NEW[kind] and "ray" not in words else [pytest.mark.soak])
    for kind, words in OF_EACH_KIND.items()
]


@pytest.mark.parametrize("words", SWEEPS)
def test_every_sweep_comes_to_its_end_with_a_fake_trainer(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    monkeypatch.chdir(ROOT)
    options = parse(words)
    assert spec_from(options).rates[0] == 0.0
    if options.executor == "ray":
        request.getfixturevalue("ray_here")
    if asked(words) != BY_LENGTH[0]:  # the pictures of one are enough
        request.getfixturevalue("no_pictures")
    if not options.until_decided:
        options.seeds = ["1"]  # of a command's words it is not the number of runs that may be wrong
    options.out = str(tmp_path)
    assert sweep(options, fakes.FAKE) == 0
    assert (tmp_path / "report.html").exists() != options.dry_run


@pytest.mark.train
@pytest.mark.parametrize("words", [words for words in OWN if words[0] == "train" and words[1:]], ids=" ".join)
def test_commands_that_train_run(
    words: list[str], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """With a tiny model and tiny data in the place of those that need a network."""
    small = {"model=yolo26n.pt": f"model={CLS}", "data=coco8.yaml": f"data={place / 'data'}"}
    small["epochs=50"] = "epochs=1"
    words = [small.get(word, word) for word in words]
    run(place, [*words, "imgsz=32", "batch=2", "plots=False", f"save_dir={tmp_path / 'final'}"], monkeypatch)
    best = tmp_path / "final" / "weights" / "best.pt"
    assert best.exists()
    assert f"best weights: {best}" in capsys.readouterr().out
