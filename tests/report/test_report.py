"""The report as text: complete, closed to injection, small, and the same every time."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_samples import made, make_record, make_report, whole_page
from synthetic_study import make_curves

from yolo_dropout.decision import decide
from yolo_dropout.errors import InputError
from yolo_dropout.report.cautions import warnings_of
from yolo_dropout.report.figures import card
from yolo_dropout.report.figures.render import to_card
from yolo_dropout.report.page import render_report
from yolo_dropout.report.payload import payload
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.table import Table
from yolo_dropout.spec.runs import Run

VOID = {"meta", "link", "br", "input", "img"}


class Page(HTMLParser):
    """Elements, text by element, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]

    def data(self) -> dict:
        (text,) = [text for tag, text in self.texts if tag == "script" and text.startswith('{"')]
        return json.loads(text)


@pytest.fixture(scope="module")
def text() -> str:
    return whole_page(make_report())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def cells(text: str, table: str) -> list[list[str]]:
    body = re.search(rf'<table id="{table}".*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", body[1], re.DOTALL)
    return [re.findall(r'data-raw="([^"]*)"', row) for row in rows]


def test_every_element_is_closed_and_every_id_is_its_own(page: Page):
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded_from_elsewhere(page: Page):
    addresses = page.values("src") + page.values("href") + page.values("xlink:href")
    files = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")
    assert [a for a in addresses if not a.startswith(("#", "data:", "runs/", *files))] == []


def test_policy_admits_only_the_scripts_of_the_page(page: Page):
    (policy,) = [
        attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    scripts = [attrs for tag, attrs in page.elements if tag == "script" and attrs.get("type") != "application/json"]
    assert policy.count("'sha256-") == len(scripts)
    assert "'unsafe-inline'" not in policy.split("style-src")[0]


def test_embedded_libraries_are_the_released_files_and_bring_their_licences():
    static = resources.files("yolo_dropout.report") / "static"
    rows = re.findall(r"\| `(\S+)` \| npm .*? `(LICENSE-\S+)` \| `(\w{64})`", (static / "README.md").read_text())
    assert [name for name, _, _ in rows] == ["d3.min.js", "plot.umd.min.js"]
    for name, licence, digest in rows:
        assert hashlib.sha256((static / name).read_bytes()).hexdigest() == digest
        assert "Permission to use, copy, modify" in (static / licence).read_text()


def test_every_section_can_be_read_without_scripts(page: Page):
    pictures = [attrs["aria-label"] for tag, attrs in page.elements if tag == "svg"]
    assert len(pictures) == 5
    assert all(pictures)
    headings = [text for tag, text in page.texts if tag in ("h1", "h2")]
    assert headings[1:] == [
        "Scores by rate", "Do other scores agree?",
        "Before you trust it", "Curves", "Results by rate", "All runs", "Configuration",
        "How the verdict is computed", "Reproduce",
    ]  # fmt: skip


def test_a_shared_page_tells_no_folder_of_the_machine_that_made_it(tmp_path: Path):
    """Neither in its source: of what was asked, of errors and notes only the files' own names are left."""
    mine = "/home/ada/my sets"
    train = {"epochs": 60, "pretrained": f"{mine}/best.pt"}
    data = make_report(spec={"model": f"{mine}/m.pt", "data": f"{mine}/d.yaml", "train": train}, folder=tmp_path)
    failed = make_record(Run(9, "0.1"), status="failed", error=f"FileNotFoundError: '{mine}/x.png'")
    (tmp_path / "study.yaml").write_text("whatever")
    notes = (f"{mine}/d.yaml: has no labels for 3 images", "see https://docs.ultralytics.com/a/b and val/loss")
    text = render_report(replace(data, records=(*data.records, failed), notes=notes))
    assert not re.search(f"/home/ada|{tmp_path}", text)
    assert "pretrained=my sets/best.pt" in text and "https://docs.ultralytics.com/a/b and val/loss" in text
    assert "yolo-dropout sweep --config study.yaml --out ." in text


def test_a_column_has_one_precision(text: str):
    table = text[text.index('id="summary"') :].partition("</table>")[0]
    rows = [re.findall(r"<td[^>]*>([-\d.]+)<", row) for row in table.split("<tr")[2:]]
    columns = list(zip(*(row for row in rows if len(row) == max(map(len, rows))), strict=True))
    assert len(columns) > 8
    assert all(len({len(cell.partition(".")[2]) for cell in column}) == 1 for column in columns[:6])


def test_the_card_of_a_link_has_its_size_and_names_the_study():
    drawn = card(make_report())
    assert Image.open(BytesIO(to_card(drawn))).size == (1200, 630)
    assert "yolo26n on digits: 5 rates, 5 seeds, 60 epochs" in drawn.texts[-1].get_text()


def test_verdict_comes_first_in_words(page: Page):
    data = make_report()
    words = [text.strip() for tag, text in page.texts if tag in ("h1", "p") and text.strip()]
    assert data.verdict.reason in words[:4]


def test_summary_table_holds_the_summary_in_full(text: str):
    summary = make_report().summary
    rows = cells(text, "summary")
    assert [float(row[0]) for row in rows] == summary["rate"].tolist()
    assert [float(row[2]) for row in rows] == summary["mean"].tolist()


def test_score_table_holds_the_scores_in_full(text: str):
    rows = [[float(value) for value in row] for row in cells(text, "scores")]
    assert rows == make_report().scores.to_numpy().tolist()


def test_page_is_the_same_every_time(text: str):
    assert whole_page(make_report()) == text


def test_names_from_files_cannot_inject():
    evil = '</script><script>alert("x")</script><img src=x onerror=alert(1)> $\\alpha$ \\g<1>'
    curves = make_curves((0.0, 0.1), 3, 5)
    curves["metric"] = curves["metric"].replace({"metrics/mAP50(B)": f"metrics/{evil}", "val/box_loss": f"val/{evil}"})
    study = make_report(
        curves,
        spec={"model": evil, "data": evil},
        branch_note=evil,
        folder=Path(evil),
        notes=(evil,),
        prepared={"task": evil, "notes": (evil,), "versions": {evil: evil}},
    )
    failed = make_record(Run(0, "0.1"), status="failed", error=evil, sites=(evil,))
    verdict = decide(study.scores.to_numpy(), [0.0, 0.1], score_name=evil)
    text = whole_page(made(replace(study, records=(failed, *study.records[2:])), verdict=verdict))
    page = Page(text)
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 5
    assert "img" not in {tag for tag, _ in page.elements}
    assert text.count(evil) == 0
    assert f"metrics/{evil}" in [metric["key"] for metric in page.data()["metrics"]]


def test_payload_has_no_number_that_json_lacks():
    curves = make_curves((0.0, 0.1), 3, 10)
    curves.loc[(curves["rate"] == 0.1) & (curves["epoch"] > 4), "value"] = np.inf
    json.dumps(payload(make_report(curves)), allow_nan=False)


def test_payload_keeps_first_and_last_epoch_and_the_true_minimum_of_long_runs():
    curves = make_curves((0.0, 0.1), 2, 3000)
    loss = payload(make_report(curves))["metrics"][0]
    assert (loss["epochs"][0], loss["epochs"][-1], loss["runEpochs"][-1]) == (1, 3000, 3000)
    mean = curves[(curves["metric"] == "val/loss") & (curves["rate"] == 0)].groupby("epoch")["value"].mean()
    assert loss["best"][0] == pytest.approx([mean.idxmin(), mean.min()], rel=1e-4)


def test_payload_of_a_large_study_stays_small(monkeypatch: pytest.MonkeyPatch):
    study, small = make_report(make_curves((0.0, 0.5), 6, 100)), 4_000

    def drawn() -> int:
        return sum(len(run[2]) for metric in payload(study)["metrics"] for run in metric["runs"])

    assert drawn() > small
    monkeypatch.setattr("yolo_dropout.report.payload.RUN_VALUES", small)
    assert 0 < drawn() <= small


def test_limits_of_the_drawn_score_are_those_of_the_verdict():
    data = make_report()
    score = payload(data)["scores"][0]
    control = data.scores[0.0].mean()
    for comparison, limits in zip(data.verdict.comparisons, score["limits"][1:], strict=True):
        assert limits == pytest.approx([control - comparison.high, control - comparison.low], rel=1e-4)


def test_scores_that_are_all_equal_have_no_limits():
    data = make_report(make_curves((0.0, 0.5), 3, 1))
    gap = payload(data)["scores"][-1]
    assert (gap["key"], gap["means"], gap["limits"]) == ("gap", [0, 0], [None, None])


def test_live_page_names_its_version_and_may_ask_its_own_server_only():
    text = render_report(make_report(), live_version='7"')
    page = Page(text)
    assert 'data-live="7&#34;"' in text
    assert not [tag for tag, _ in page.elements if tag == "svg"]
    assert any("connect-src 'self'" in content for content in page.values("content"))


def test_a_study_without_a_finished_run_has_no_page():
    study = make_report(records=(), table=Table({}))
    with pytest.raises(InputError, match="no run has finished yet"):
        render_report(study)


def warned(study: StudyResults, words: str) -> bool:
    return any(words in line for line in warnings_of(study))


def test_runs_that_have_not_ended_are_told():
    assert warned(make_report(records=make_report().records[:20]), "5 of 25 runs have not ended yet; numbers may still")


def test_quiet_study_gives_no_warning_but_the_branches():
    curves = make_curves((0.0, 0.1), 6)
    same = make_report(curves)
    summary = same.summary.assign(mean=[2.0, 1.9], metric_mean=[0.5, 0.6])
    assert warnings_of(made(make_report(curves, prepared={"n_val": 500}, branch_note=None), summary=summary)) == ()


@pytest.mark.parametrize(
    ("n_seeds", "words"), [(1, "1 seed cannot carry a verdict"), (3, "3 seeds find only large effects")]
)
def test_few_seeds_are_told(n_seeds: int, words: str):
    assert warned(make_report(make_curves((0.0, 0.1), n_seeds)), words)


def test_runs_of_several_versions_are_told():
    records = [
        replace(record, versions={"torch": "2.9", "ultralytics": "8.4.1" if i else "8.3.0"})
        for i, record in enumerate(make_report().records)
    ]
    assert warned(make_report(records=tuple(records)), "Runs were made with ultralytics 8.3.0 and 8.4.1: that alone")
    assert not warned(make_report(records=tuple(records[1:])), "Runs were made with")


def test_small_validation_set_is_told():
    assert warned(make_report(prepared={"n_val": 40}), "The validation set has 40 images")


def test_failed_and_diverged_runs_are_told():
    first, *others = make_report().records
    failed = replace(first, status="failed", error="out of memory")
    study = make_report(records=(failed, *others))
    scores = study.scores.copy()
    scores.iloc[0, 0:2] = math.nan
    made(study, scores=scores)
    assert warned(study, "1 of 25 runs failed; the verdict rests on the others")
    assert warned(study, "1 finished runs have no finite score")
    assert "<code>out of memory</code>" in render_report(study, live_version="1")


@pytest.mark.parametrize(("task", "words"), [("detect", "ignores dropout="), ("classify", "each rate saw other crops")])
def test_foreign_runs_say_what_cannot_be_known(task: str, words: str):
    assert warned(make_report(ours=False, prepared={"task": task}), words)


def test_rates_with_the_very_curves_of_the_control_are_found_out():
    curves = make_curves((0.0,), 3)
    twins = pd.concat([curves, curves.assign(rate=0.3)])
    assert warned(make_report(twins, ours=False), "Rate 0.3 gives the very curves of rate 0.0: dropout did not act")


def test_equal_scores_alone_do_not_say_that_dropout_was_inert():
    curves = make_curves((0.0,), 3)
    other = curves.assign(rate=0.3)
    other.loc[(other["metric"] == "val/cls_loss") & (other["epoch"] == 60), "value"] += 1e-4
    assert not warned(make_report(pd.concat([curves, other])), "did not act")


def test_runs_that_still_improve_at_the_end_are_told():
    summary = make_report().summary.assign(epoch=[30, 35, 40, 45, 59.4])
    assert warned(made(make_report(), summary=summary), "At rate 0.5 the validation loss still falls at the end")


def test_a_rate_whose_runs_stopped_early_is_compared_with_their_own_end():
    curves = make_curves()
    early = curves[(curves["rate"] != 0.3) | (curves["epoch"] <= 20)]
    summary = make_report().summary.assign(epoch=[30, 35, 40, 20, 50])
    data = made(make_report(early), summary=summary)
    assert warned(data, "Runs have 20 to 60 epochs with a finite validation loss")
    assert warned(data, "At rate 0.3 the validation loss still falls at the end")
    assert not warned(make_report(), "Runs have")


def test_a_rate_with_two_pairs_has_no_bar_and_no_limits():
    scores = make_report().scores.copy()
    scores.loc[scores.index[2:], 0.3] = math.nan
    study = made(make_report(), _planned_scores=scores)
    assert [limits is None for limits in payload(study)["scores"][0]["limits"]] == [True, False, False, True, False]
    text = render_report(study, live_version="1")
    assert "A rate with fewer than three pairs has none." in text
    row = re.search(r'<tr><th scope="row" data-raw="0.3">.*?</tr>', text, re.DOTALL)
    assert row is not None and row.group().count("–") == 3  # at least, at most, p
    assert "Not every seed has all rates" in text


def test_bars_of_two_seeds_are_not_said_to_mean_a_difference():
    text = render_report(make_report(make_curves(n_seeds=2)), live_version="1")
    assert "too few to claim anything" in text and "means a real difference" not in text


def test_small_p_values_keep_their_digits():
    scores = make_report().scores.copy()
    scores[0.1] = scores[0.0] - 1
    text = render_report(made(make_report(), _planned_scores=scores), live_version="1")
    assert "&lt;0.001</td>" in text


@pytest.mark.parametrize(("score", "told"), [("val/loss", "lower minima"), ("mAP50-95", "higher maxima")])
def test_gains_that_are_noise_of_single_epochs_are_told(score: str, told: str):
    curves = make_curves((0.0, 0.3), 5)
    noisy = (curves["rate"] == 0.3) & (curves["epoch"] % 3 == 0) & curves["metric"].str.match("val/|metrics/mAP50-95")
    tilted = curves.assign(value=curves["value"].mask(noisy, curves["value"] * (0.8 if score == "val/loss" else 1.4)))
    words = f"is noise of single epochs, which is larger with rate 0.3 and makes for {told}: by a mean of 5 epochs it"
    assert warned(make_report(tilted, spec={"score": score}), words)
    assert not warned(make_report(curves, spec={"score": score}), "noise of single epochs")
    assert not warned(make_report(tilted, spec={"score": "val/loss@last5"}), "noise of single epochs")


def test_what_a_control_that_overfits_loses_is_no_noise():
    curves = make_curves((0.0, 0.3), 5)
    epoch, loss = curves["epoch"], curves["metric"].str.startswith("val/")
    smooth = curves["seed"] * 0.01 + (epoch - 20).abs() * curves["rate"].map({0.0: 0.1, 0.3: 0.01})
    assert not warned(make_report(curves.assign(value=curves["value"].mask(loss, smooth))), "noise of single epochs")


def test_one_rate_that_is_far_off_does_not_round_the_others_to_nothing():
    gains = np.array(
        [[0.0, 0.0047, -0.75], [0, 0.005, -0.76], [0, 0.0044, -0.75], [0, 0.0049, -0.76], [0, 0.0045, -0.8]]
    )
    study = make_report(make_curves((0.0, 0.1, 0.3), 5))
    frame = study.scores * 0 + 3.0 - gains
    assert ">0.0047<" in whole_page(made(study, scores=frame, verdict=decide(frame.to_numpy(), (0.0, 0.1, 0.3))))
