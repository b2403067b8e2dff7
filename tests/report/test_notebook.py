"""The example notebook runs from top to bottom, and a study shows itself in it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import fakes
import pytest

from yolo_dropout.base.text import number
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.study_file import write_study_file
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import load_study, run_study

NOTEBOOK = Path(__file__).parents[2] / "docs" / "example.ipynb"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Any:
    spec = StudySpec(model="m", data="<script>", rates=(0, 0.1, 0.3), seeds=3, train={"epochs": 6})
    folder = tmp_path_factory.mktemp("study")
    return run_study(spec, folder, executor=LocalExecutor(jobs=2), backend=fakes.FAKE, publish=lambda study: None)


def test_a_study_shows_verdict_table_and_picture(study: Any):
    html = study._repr_html_()
    assert study.verdict.reason in html
    assert html.count("<svg") == html.count("<table") == 1
    for mean, sd in zip(study.summary["mean"], study.summary["sd"], strict=True):
        assert f"<td>{number(mean, study.summary['mean'])} ± {number(sd)}</td>" in html


def test_what_a_study_shows_is_escaped_and_loads_nothing(study: Any):
    html = study._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "src=" not in html
    assert "<image" not in html


def test_a_study_without_a_finished_run_says_so(study: Any, tmp_path: Path):
    write_study_file(StudyFolder(tmp_path), study.spec, {})
    assert "no run has finished yet" in load_study(tmp_path)._repr_html_()


def test_the_short_form_of_a_study_is_one_line(study: Any):
    assert "9 runs" in repr(study)
    assert "\n" not in repr(study)


def test_figures_are_matplotlib_figures(study: Any):
    from matplotlib.figure import Figure

    figures = study.figures()
    assert {"rate_response", "val_loss", "overfitting_gap"} <= set(figures)
    assert all(isinstance(figure, Figure) for figure in figures.values())


@pytest.mark.train
def test_the_example_notebook_runs_from_top_to_bottom(tmp_path: Path):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (asks,) = (cell for cell in notebook.cells if "seeds=3" in cell.source)
    asks.source = asks.source.replace("seeds=3", "seeds=1")  # more of the same, for half a minute
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm-256color"})
    shown = [outputs(cell) for cell in notebook.cells if cell.cell_type == "code"]
    stored = [outputs(cell) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    kinds = [[sorted(output.get("data", ())) for output in cell] for cell in shown]
    assert kinds == [[sorted(output.get("data", ())) for output in cell] for cell in stored]
    told = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert sorted(re.findall(r"\[./2\] rate (\S+) seed 0: finished", told)) == ["0.0", "0.2"]  # whichever ends first
    assert told.index("[1/2] rate") < told.index("[2/2] rate")
    assert "\x1b" not in told  # each step of a moving bar would be an output, which the notebook stores
    html = next(output["data"]["text/html"] for cell in shown for output in cell if "text/html" in output["data"])
    assert "<svg" in "".join(html)
    assert shown[-1][0]["text"] == "".join(stored[-1][0]["text"])  # decide on an array: the same words everywhere


def test_the_stored_notebook_tells_nothing_of_the_machine_it_ran_on():
    text = NOTEBOOK.read_text()
    assert not any(place in text for place in ("/tmp", "/home", "/root", "/work"))
    assert '"output_type": "error"' not in text


def outputs(cell: Any) -> list[Any]:
    return [output for output in cell["outputs"] if output.get("name") != "stderr"]
