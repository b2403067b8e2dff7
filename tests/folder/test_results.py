"""results.csv, as Ultralytics writes it and as crashes leave it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout.errors import InputError
from yolo_dropout.folder.results_csv import headline_metric, read_results

HEAD = "epoch,time,train/box_loss,metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/sem_loss,lr/pg0\n"


def read(tmp_path, text):
    path = tmp_path / "results.csv"
    path.write_text(text)
    return read_results(path)


def test_val_loss_is_the_sum_of_the_validation_losses(tmp_path):
    results = read(tmp_path, HEAD + "1,9,3,0.1,2,1.5,0,0.01\n2,18,2,0.2,1.25,1,0,0.01\n")
    assert results.curve("val/loss").tolist() == [3.5, 2.25]
    assert "time" not in results.metrics
    assert results.epochs.tolist() == [1, 2]


def test_a_classifiers_only_loss_is_the_validation_loss(tmp_path):
    results = read(tmp_path, "epoch,time,train/loss,metrics/accuracy_top1,val/loss\n1,9,3,0.1,2\n")
    assert results.metrics == ("train/loss", "metrics/accuracy_top1", "val/loss")
    assert results.curve("val/loss").tolist() == [2]


def test_column_names_padded_with_blanks_are_read(tmp_path):
    results = read(tmp_path, "                  epoch,   val/box_loss,   val/cls_loss\n  1,   2,  1\n")
    assert results.curve("val/loss").tolist() == [3]


def test_a_last_row_that_is_cut_off_is_left_out_and_told(tmp_path):
    # Cut within the last number: every column is there, and still the row is not to be trusted.
    results = read(tmp_path, HEAD + "1,9,3,0.1,2,1.5,0,0.01\n2,18,2,0.2,1.25,1,0,0.0")
    assert results.epochs.tolist() == [1]
    assert "the last row is cut off" in results.notes[0]


def test_of_an_epoch_that_stands_twice_the_later_row_counts(tmp_path):
    row = "{},9,3,0.1,{},0,0,0.01\n"
    results = read(tmp_path, HEAD + row.format(1, 5) + row.format(2, 4) + row.format(2, 3) + row.format(3, 2))
    assert results.curve("val/loss").tolist() == [5, 3, 2]
    assert "epoch 2 stands there twice" in results.notes[0]


def test_a_garbled_row_in_the_middle_is_left_out_and_told(tmp_path):
    results = read(tmp_path, HEAD + "1,9,3,0.1,2,1,0,0.01\n2,9,3,,x\n3,9,3,0.1,1,1,0,0.01\n")
    assert results.epochs.tolist() == [1, 3]
    assert "a row is not one number per column" in results.notes[0]


@pytest.mark.parametrize("line", ["9" * 200_000, '"' + "x" * 200_000, "," * 200_000])
def test_a_row_without_end_is_left_out_and_told_in_a_line(tmp_path, line):
    results = read(tmp_path, HEAD + "1,9,3,0.1,2,1,0,0.01\n" + line + "\n3,9,3,0.1,1,1,0,0.01\n")
    assert results.epochs.tolist() == [1, 3]
    assert all(len(note) < 300 for note in results.notes)


def test_a_table_that_a_spreadsheet_has_quoted_is_read(tmp_path):
    results = read(tmp_path, '"epoch","val/box_loss"\n"1","2"\n')
    assert results.curve("val/loss").tolist() == [2]


def test_inf_and_nan_are_kept(tmp_path):
    results = read(tmp_path, HEAD + "1,9,3,0.1,inf,1,0,0.01\n2,9,3,0.1,nan,1,0,0.01\n")
    assert results.curve("val/loss")[0] == np.inf
    assert np.isnan(results.curve("val/loss")[1])


def test_best_row_is_the_last_of_equal_fitness(tmp_path):
    rows = "".join(f"{epoch},9,3,{fitness},1,1,0,0.01\n" for epoch, fitness in enumerate([0.1, 0.4, 0.4, 0.2], 1))
    assert read(tmp_path, HEAD + rows).best_row == 2


@pytest.mark.parametrize("text", ["", "\n", "hello", "a,b\n1,2\n", HEAD, HEAD + "1,2", "epoch,x,x\n1,2,3\n"])
def test_a_file_without_results_is_refused_in_one_line(tmp_path, text):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert "results.csv: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_metric_are_told(tmp_path):
    with pytest.raises(InputError, match=r"results\.csv: cannot be read"):
        read_results(tmp_path / "results.csv")
    with pytest.raises(InputError, match=r"score: no metric 'val/los' in results\.csv; there are train/box_loss"):
        read(tmp_path, HEAD + "1,9,3,0.1,2,1,0,0.01\n").curve("val/los")


@given(st.binary(max_size=300) | st.text("epoch,val/loss\n0123456789.-infa ", max_size=200).map(str.encode))
def test_no_bytes_at_all_make_the_reader_fail_otherwise(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("results") / "results.csv"
    path.write_bytes(content)
    try:
        results = read_results(path)
    except InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert results.matrix.shape == (len(results.epochs), len(results.metrics))
        assert (np.diff(results.epochs) > 0).all()


ACCURACY = "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0\n"


def best_epoch(tmp_path, pairs):
    """Epoch of best.pt by our reading, and by Ultralytics' own: the mean rounded to 5 decimals, the last of equals."""
    rows = "".join(f"{e},9,3,{top1:.5f},{top5:.5f},1,0.01\n" for e, (top1, top5) in enumerate(pairs, 1))
    kept, best = 0, None
    for epoch, (top1, top5) in enumerate(pairs, 1):
        fitness = round((top1 + top5) / 2, 5)
        best = fitness if best is None else max(best, fitness)
        kept = epoch if fitness == best else kept
    found = read(tmp_path, ACCURACY + rows)
    return int(found.epochs[found.best_row]), kept


def test_best_row_of_a_classifier_is_the_epoch_with_the_best_mean_of_both_accuracies(tmp_path):
    assert best_epoch(tmp_path, [(0.5, 0.5), (0.25, 1.0), (0.5, 0.7)]) == (2, 2)


@pytest.mark.parametrize(
    "pairs", [[(0.4, 0.8), (0.3, 0.9)], [(2 / 3, 2 / 3), (1 / 3, 1.0)], [(1 / 3, 1.0), (2 / 3, 2 / 3)]]
)
def test_epochs_that_rounding_alone_tells_apart_are_equal_as_they_are_to_ultralytics(tmp_path, pairs):
    assert best_epoch(tmp_path, pairs) == (2, 2)


@pytest.mark.parametrize(
    ("names", "headline"),
    [
        (("val/loss", "metrics/mAP50(B)", "metrics/mAP50-95(B)"), "metrics/mAP50-95(B)"),
        (("metrics/mAP50-95(B)", "metrics/mAP50-95(M)"), "metrics/mAP50-95(M)"),
        (("metrics/accuracy_top1", "metrics/accuracy_top5"), "metrics/accuracy_top1"),
        (("val/loss", "metrics/of_my_own"), None),
    ],
)
def test_the_headline_metric_is_the_one_that_people_quote(names, headline):
    assert headline_metric(names) == headline
