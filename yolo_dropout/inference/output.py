"""What people use of a prediction with dropout: tables, pictures whose lines are as wide as the spread, a work list."""

from __future__ import annotations

import csv
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ultralytics.utils.plotting import colors

LISTED, SHOWN = 1000, 12  # most doubtful images in the list, and on the sheet
_SIDE, _COLUMNS, _TILE = 640, 4, 320
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: Where to; None where there was no image.
        images: How many were predicted.
        boxes: How many rows the tables have.
        doubtful: The most doubtful images first: name, and the highest mutual information of a box.
    """

    folder: Path | None
    images: int
    boxes: int
    doubtful: tuple[tuple[str, float], ...]


def write(results: Iterable[Any]) -> Written:
    """Write tables and pictures beside those of Ultralytics, while results come in.

    `uncertainty.csv` and `.json` have a row per box, `spread/` a picture per image, `doubtful.csv` the most doubtful
    images first, and `doubtful.png` the first of them. Of a stream nothing is kept but those.
    """
    tables, folder, images = _Tables(), None, 0
    listed, shown = list[Any](), list[Any]()
    with tables:
        for name, stem, result in _named(results):
            images += 1
            folder = Path(result.save_dir)
            tables.add(folder, name, result)
            doubt = float(result.uncertainty.mutual_info.max()) if len(result.uncertainty) else 0.0
            drawn = picture(result)
            if stem:
                (folder / "spread").mkdir(exist_ok=True)
                cv2.imwrite(str(folder / "spread" / f"{stem}.jpg"), drawn)
            # Of equal doubts the first; and pictures cannot be compared.
            _keep(listed, (doubt, -images, name, len(result.uncertainty), result.path), LISTED)
            _keep(shown, (doubt, -images, name, drawn), SHOWN)
    if folder:
        ranked = sorted(listed, reverse=True)
        with (folder / "doubtful.csv").open("w", encoding="utf-8", newline="") as file:
            lines = [(name, f"{doubt:.6g}", boxes, path) for doubt, _, name, boxes, path in ranked]
            csv.writer(file, lineterminator="\n").writerows([("image", "mutual_info", "boxes", "path"), *lines])
        cv2.imwrite(str(folder / "doubtful.png"), _sheet(sorted(shown, key=lambda item: item[:2], reverse=True)))
    return Written(folder, images, tables.rows, tuple((item[2], item[0]) for item in sorted(listed, reverse=True)))


def _keep(heap: list[Any], item: Any, most: int) -> None:
    heapq.heappush(heap, item)
    if len(heap) > most:
        heapq.heappop(heap)


def _named(results: Iterable[Any]) -> Iterator[tuple[str, str, Any]]:
    """Results with names, and what to call their pictures; frames have numbers and no pictures.

    The name is the file's, with a number where another one before it would have the same picture. What is remembered is
    a line for each file, as Ultralytics' own list of them, and nothing for each frame.
    """
    names, used, frames = dict[str, tuple[str, str]](), set[str](), Counter[str]()
    for result in results:
        path = Path(result.path)
        if result.path not in names:
            numbers = (f" ({n})" if n > 1 else "" for n in count(1))
            number = next(number for number in numbers if path.stem + number not in used)
            used.add(path.stem + number)
            names[result.path] = path.name + number, path.stem + number
        name, stem = names[result.path]
        frames[result.path] += 1
        if frames[result.path] > 1 or _is_video(result.path):
            name, stem = f"{name} #{frames[result.path]}", ""
        yield name, stem, result


def _is_video(path: str) -> bool:
    from ultralytics.data.utils import VID_FORMATS

    return Path(path).suffix[1:].lower() in VID_FORMATS


def rows(name: str, result: Any) -> list[dict[str, Any]]:
    """What is told of an image's boxes, as rows."""
    boxes = result.obb if result.obb is not None else result.boxes
    classes = [result.probs.top1] if boxes is None else boxes.cls.int().tolist()
    told = result.uncertainty.to_dict("records")
    return [
        {
            "image": name,
            "box": i,
            "class": result.names[cls],
            **{key: float(f"{value:.6g}") for key, value in row.items()},
        }
        for i, (cls, row) in enumerate(zip(classes, told, strict=True))
    ]


class _Tables(ExitStack):
    """`uncertainty.csv` and `.json`, written row by row from the first image on."""

    rows = 0
    _writer: Any = None

    def add(self, folder: Path, name: str, result: Any) -> None:
        if self._writer is None:
            folder.mkdir(parents=True, exist_ok=True)
            self._json = self.enter_context((folder / "uncertainty.json").open("w", encoding="utf-8"))
            self._json.write("[")
            self.callback(lambda: self._json.write("\n]\n"))
            file = self.enter_context((folder / "uncertainty.csv").open("w", encoding="utf-8", newline=""))
            self._writer = csv.DictWriter(file, ["image", "box", "class", *result.uncertainty], lineterminator="\n")
            self._writer.writeheader()
        for row in rows(name, result):
            self._writer.writerow(row)
            self._json.write(f"{',' if self.rows else ''}\n{json.dumps(row)}")
            self.rows += 1


def picture(result: Any) -> np.ndarray:
    """The image with its boxes: the band around a box reaches two standard deviations of its sides to each side.

    Returns:
        Blue, green, red, shape (height, width, 3); small images are enlarged, so that the words can be read.
    """
    plain = result.plot(boxes=False) if result.probs is None else result.orig_img
    scale = max(1.0, _SIDE / max(plain.shape[:2]))
    image = cv2.resize(np.ascontiguousarray(plain), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    bands, words = (
        image.copy(),
        [f"{row['class']} {row['conf']:.2f} +- {row['conf_sd']:.2f}" for row in rows("", result)],
    )
    if result.probs is not None:
        _write(image, words[0], (8, 28), (40, 40, 40))
        return np.asarray(image)
    corners = [np.round(points * scale).astype(np.int32) for points in _corners(result)]
    tints = [colors(int(cls), bgr=True) for cls in (result.obb if result.obb is not None else result.boxes).cls]
    for points, tint, sd in zip(corners, tints, result.uncertainty.box_sd_px, strict=True):
        cv2.polylines(bands, [points], True, tint, min(255, max(1, round(4 * sd * scale))), cv2.LINE_AA)
    image = cv2.addWeighted(bands, 0.45, image, 0.55, 0)
    for points, tint, word in zip(corners, tints, words, strict=True):
        cv2.polylines(image, [points], True, tint, 2, cv2.LINE_AA)
        _write(image, word, tuple(points.min(0)), tint)
    return np.asarray(image)


def _corners(result: Any) -> list[np.ndarray]:
    if result.obb is not None:
        return list(result.obb.xyxyxyxy.cpu().numpy())
    return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) for x1, y1, x2, y2 in result.boxes.xyxy.cpu().numpy()]


def _write(image: np.ndarray, word: str, at: Any, tint: Any) -> None:
    (width, height), _ = cv2.getTextSize(word, _FONT, 0.5, 1)
    x = int(np.clip(at[0], 0, max(image.shape[1] - width - 4, 0)))
    y = int(np.clip(at[1] - 4, height + 4, image.shape[0] - 4))
    cv2.rectangle(image, (x, y - height - 4), (x + width + 4, y + 4), tint, -1)
    ink = (255, 255, 255) if sum(tint) < 420 else (0, 0, 0)
    cv2.putText(image, word, (x + 2, y), _FONT, 0.5, ink, 1, cv2.LINE_AA)


def _sheet(shown: list[Any]) -> np.ndarray:
    tiles = []
    for rank, (doubt, _, name, drawn) in enumerate(shown, 1):
        tile = np.full((_TILE + 28, _TILE, 3), 255, np.uint8)
        scale = _TILE / max(drawn.shape[:2])
        small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:_TILE, :_TILE]
        tile[28 : 28 + small.shape[0], : small.shape[1]] = small
        word = f"{rank}. {name if len(name) < 24 else '...' + name[-20:]}  {doubt:.2f} nats"
        cv2.putText(tile, word, (4, 19), _FONT, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
        tiles.append(np.pad(tile, ((4, 4), (4, 4), (0, 0)), constant_values=255))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    across = min(_COLUMNS, len(tiles))
    return np.vstack([np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)])
