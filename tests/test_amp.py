"""The check of mixed precision on a GPU never waits for a download."""

from __future__ import annotations

import time

import pytest
from ultralytics.utils import WEIGHTS_DIR, downloads

from yolo_dropout.training.amp import amp_check_without_download

MODEL = "yolo26n.pt"


@pytest.mark.skipif((WEIGHTS_DIR / MODEL).is_file(), reason="the check's model is there, so nothing is downloaded")
def test_during_the_check_its_model_is_told_to_be_out_of_reach_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = downloads.safe_download
    start = time.monotonic()
    with amp_check_without_download(), pytest.raises(ConnectionError, match="no download during the AMP check"):
        downloads.attempt_download_asset(MODEL)
    assert time.monotonic() - start < 5
    assert downloads.safe_download is before
    assert list(tmp_path.iterdir()) == []


def test_downloads_work_again_after_a_check_that_failed():
    before = downloads.safe_download
    with pytest.raises(ZeroDivisionError), amp_check_without_download():
        raise ZeroDivisionError
    assert downloads.safe_download is before
