"""The report in a real browser, with the network cut: any request or console message fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from proxies import proxy
from report_samples import make_record, make_report, whole_page
from synthetic_study import make_curves

from yolo_dropout.cli.watch import LivePage, serve
from yolo_dropout.report.page import render_report
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.spec.runs import Run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NARROW, WIDE = {"width": 360, "height": 780}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report"), make_report())


def write(folder: Path, study: StudyResults) -> Path:
    path = folder / "report.html"
    path.write_text(whole_page(study), encoding="utf-8")
    return path


class Opened:
    """A page opened offline, and all that it should not have done."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requested(request.url))
        self.path = path
        self.page.goto(path.as_uri())

    def requested(self, url: str) -> None:
        if url != self.path.as_uri() and not url.startswith("data:"):
            self.faults.append(url)

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *error: object) -> None:
        self.context.close()
        assert error[0] is not None or self.faults == []


def column(page: Any, table: str, place: int) -> list[float]:
    cells = page.locator(f"#{table} tbody tr").evaluate_all(
        "(rows, place) => rows.map((row) => row.cells[place].dataset.raw)", place
    )
    return [float(cell) for cell in cells]


def test_values_read_off_the_page_are_those_of_the_summary(browser: Any, file: Path):
    summary = make_report().summary
    with Opened(browser, file) as page:
        assert column(page, "summary", 0) == summary["rate"].tolist()
        assert column(page, "summary", 2) == summary["mean"].tolist()


def test_chart_is_drawn_with_a_line_per_run_and_per_rate(browser: Any, file: Path):
    with Opened(browser, file) as page:
        lines = page.locator("[data-chart=curve] .plot .line path")
        assert lines.count() == 25 + 5
        assert page.locator("[data-chart=parts] .plot svg").count() == 3


def test_switching_the_metric_redraws_chart_and_table(browser: Any, file: Path):
    curves = make_report().curves
    chosen = curves[curves["metric"] == "metrics/mAP50-95(B)"]
    last = chosen[chosen["epoch"] == 60].groupby("rate")["value"].mean()
    with Opened(browser, file) as page:
        before = page.locator("[data-chart=curve] .plot").inner_html()
        page.get_by_label("Metric").select_option(label="mAP50-95 (boxes)")
        assert page.locator("[data-chart=curve] .plot").inner_html() != before
        assert "mAP50-95 (boxes)" in page.locator("#means caption").text_content()
        read = [column(page, "means", place)[-1] for place in range(1, 6)]
    assert read == pytest.approx(last.tolist(), rel=1e-4)


def test_switching_the_score_says_that_the_verdict_rests_on_another(browser: Any, file: Path):
    with Opened(browser, file) as page:
        page.locator("#score").select_option(label="highest mAP50-95 (boxes)")
        assert "The verdict above rests on another score" in page.locator("#score-note").text_content()
        assert "Highest" not in page.locator("h1").text_content()


def test_gains_too_small_to_matter_are_a_band_around_the_control_of_the_score_that_decides(browser: Any, file: Path):
    chart = "[data-chart=response] .plot svg"
    with Opened(browser, file) as page:
        assert page.locator("[data-chart=gap] .plot svg rect").count() == 0
        box = page.locator(f"{chart} rect").bounding_box()
        dashed = page.locator(f"{chart} g[stroke-dasharray] line").bounding_box()
        assert box["y"] + box["height"] / 2 == pytest.approx(dashed["y"] + dashed["height"] / 2, abs=1)
        assert box["height"] > 10
        assert "Band: less than" in page.locator("[data-chart=response] figcaption").text_content()
        page.locator("#score").select_option(label="highest mAP50-95 (boxes)")
        assert page.locator(f"{chart} rect").count() == 0
        page.locator("#score").select_option(index=0)
        page.locator("fieldset.rates").first.get_by_label("0.0").uncheck()
        assert page.locator(f"{chart} rect").count() == 0


def test_hiding_a_rate_takes_its_lines_away_everywhere(browser: Any, file: Path):
    with Opened(browser, file) as page:
        page.locator("fieldset.rates").first.get_by_label("0.3").uncheck()
        assert page.locator("[data-chart=curve] .plot .line path").count() == 20 + 4
        assert not page.locator("fieldset.rates").last.get_by_label("0.3").is_checked()
        assert page.locator("#readout li").count() == 4


def test_epoch_slider_reads_the_means_by_keyboard(browser: Any, file: Path):
    curves = make_report().curves
    loss = curves[(curves["metric"] == "val/loss") & (curves["rate"] == 0.1)]
    with Opened(browser, file) as page:
        page.locator("#epoch").focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert page.locator("#epoch-out").text_content() == "2"
        text = page.locator("#readout li").nth(1).text_content()
    rate, value = text.split(": ")
    assert rate == "0.1"
    assert float(value) == pytest.approx(loss[loss["epoch"] == 2]["value"].mean(), abs=0.002)


def test_hovering_reads_the_epoch_under_the_pointer(browser: Any, file: Path):
    with Opened(browser, file, viewport=WIDE) as page:
        chart = page.locator("[data-chart=curve] .plot svg")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        assert 5 < int(page.locator("#epoch-out").text_content()) < 40


def test_downloaded_table_is_that_of_the_page(browser: Any, file: Path, tmp_path: Path):
    with Opened(browser, file) as page:
        with page.expect_download() as download:
            page.get_by_role("button", name="Download rates.csv").click()
        download.value.save_as(tmp_path / "rates.csv")
    lines = (tmp_path / "rates.csv").read_text().splitlines()
    assert lines[0].startswith("rate,n,mean,sd,difference,low,high,p,")
    assert [float(line.split(",")[2]) for line in lines[1:]] == make_report().summary["mean"].tolist()


def test_page_is_whole_without_scripts(browser: Any, file: Path):
    with Opened(browser, file, java_script_enabled=False) as page:
        pictures = page.locator("svg.static")
        assert pictures.count() == 5
        assert all(picture.is_visible() for picture in pictures.all())
        assert not page.locator("select").first.is_visible()


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_its_width_and_axe_finds_nothing_serious(browser: Any, file: Path, size: Any, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    with Opened(browser, file, viewport=size, color_scheme=scheme, bypass_csp=True) as page:
        page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        captions = page.locator(".scroll caption").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
        assert max(captions) < size["width"]
        found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_malicious_names_do_nothing_but_show(browser: Any, tmp_path: Path):
    evil = '</script><script>alert(1)</script><img src="x" onerror="alert(2)">'
    curves = make_curves((0.0, 0.1), 2, 5)
    curves["metric"] = curves["metric"].replace({"metrics/mAP50(B)": f"metrics/{evil}"})
    records = (make_record(Run(0, "0.1"), status="failed", error=evil),)
    told = {"records": records, "notes": (evil,), "prepared": {"task": evil}}
    file = write(tmp_path, make_report(curves, spec={"data": evil}, **told))
    with Opened(browser, file) as page:
        page.get_by_label("Metric").select_option(label=evil)
        assert evil in page.locator("#means caption").text_content()
        assert page.locator("img").count() == 0


def test_sixty_runs_stay_below_3_mb(tmp_path: Path):
    assert write(tmp_path, make_report(make_curves(n_seeds=12, epochs=100))).stat().st_size < 3_000_000


def test_charts_of_a_large_study_are_drawn_when_they_come_near(browser: Any, tmp_path: Path):
    file = tmp_path / "report.html"
    file.write_text(render_report(make_report(make_curves(n_seeds=41, epochs=5))), encoding="utf-8")  # 205 runs
    with Opened(browser, file, viewport=NARROW) as page:
        gap = page.locator("[data-chart=gap]")
        assert page.locator("[data-chart=response] .plot svg").count() == 1
        assert gap.locator(".plot svg").count() == 0
        gap.scroll_into_view_if_needed()
        gap.locator(".plot svg").wait_for()


@pytest.mark.parametrize("proxied", [False, True], ids=["here", "behind-a-proxy"])
def test_live_page_follows_the_study_and_keeps_what_the_reader_chose(browser: Any, proxied: bool):
    rounds = {"1": 2, "2": 3}
    state = ["1"]

    def render(version: str) -> str:
        return render_report(make_report(make_curves((0.0, 0.1), rounds[version], 8)), live_version=version)

    prefix = "/user/x/proxy/8000"
    live = serve(LivePage(render, lambda: state[0], clock=lambda: 0.0), hosts=["hub.localhost"] if proxied else [])
    with live as url, proxy(url, prefix) if proxied else nullcontext() as port:
        place = f"http://hub.localhost:{port}{prefix}/" if proxied else url
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(place)
        assert page.locator("#scores tbody tr").count() == 2
        page.get_by_label("Metric").select_option(label="mAP50-95 (boxes)")
        page.locator("fieldset.rates").first.get_by_label("0.1").uncheck()
        state[0] = "2"
        page.locator("#scores tbody tr").nth(2).wait_for(state="attached", timeout=20_000)
        assert page.get_by_label("Metric").input_value() == "1"
        assert not page.locator("fieldset.rates").last.get_by_label("0.1").is_checked()
        assert page.locator("[data-chart=curve] .plot .line path").count() == 3 + 1
        page.close()
    assert faults == []
