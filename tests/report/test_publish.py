"""Tables as files: the same content, however many rows there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from yolo_dropout.report.publish import write_curves, write_many_rows

CURVES = pd.DataFrame(
    {
        "rate": [0.0, 0.05, 0.1, 0.1],
        "seed": [0, 1, 2, 3],
        "epoch": [1, 2, 3, 4],
        "metric": pd.Categorical(["val/loss", "val/loss", "metrics/mAP50-95(B)", "lr/pg0"]),
        "value": [1.5, np.nan, np.inf, 1e-05],
    }
)


@pytest.mark.parametrize("write", [write_curves, write_many_rows])
def test_curves_are_read_back_as_they_were(write, tmp_path: Path):
    write(tmp_path / "curves.csv", CURVES)
    assert (tmp_path / "curves.csv").read_text().splitlines()[:3] == [
        "rate,seed,epoch,metric,value",
        "0.0,0,1,val/loss,1.5",
        "0.05,1,2,val/loss,",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "curves.csv"), CURVES.astype({"metric": str}))


@pytest.mark.parametrize("write", [write_curves, write_many_rows])
def test_a_study_without_rows_has_a_header(write, tmp_path: Path):
    write(tmp_path / "curves.csv", CURVES.iloc[:0])
    assert (tmp_path / "curves.csv").read_text() == "rate,seed,epoch,metric,value\n"
