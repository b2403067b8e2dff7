"""The check of mixed precision on a GPU never waits for a download."""

from __future__ import annotations

import pytest
from ultralytics.engine import trainer
from ultralytics.utils import downloads

from yolo_dropout.training.lean.checkpoints import amp_check_without_download


def download(_model: object = None) -> None:
    downloads.attempt_download_asset("yolo26n.pt")


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A network where every file is found, the folder of weights being empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ultralytics.utils.WEIGHTS_DIR", tmp_path / "weights")
    monkeypatch.setattr(downloads, "safe_download", lambda **_: (tmp_path / "downloaded").touch())
    return tmp_path / "downloaded"


def test_the_check_is_told_at_once_that_its_model_is_out_of_reach(online, monkeypatch):
    monkeypatch.setattr(trainer, "check_amp", download)
    with amp_check_without_download(), pytest.raises(ConnectionError, match="no download during the AMP check"):
        trainer.check_amp(None)
    assert not online.exists()
    assert trainer.check_amp is download


def test_the_check_runs_as_it_is_where_its_model_is_there(online, monkeypatch):
    (online.parent / "weights").mkdir()
    (online.parent / "weights" / "yolo26n.pt").touch()
    monkeypatch.setattr(trainer, "check_amp", lambda model: (model, downloads.safe_download))
    with amp_check_without_download():
        assert trainer.check_amp("model") == ("model", downloads.safe_download)


def test_other_downloads_of_a_training_go_on(online):
    with amp_check_without_download():
        download()
    assert online.exists()
