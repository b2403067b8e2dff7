"""What helps against overfitting: the short list behind `--remedies`, as one would write it with `--treatment`.

The reason for each, with its source, is in docs/treatments.md. Of a remedy only those arguments are taken that act in
the model's task and differ from the study's own; without any, it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yolo_dropout.spec.arguments import known_arguments, parse_key_values
from yolo_dropout.spec.study_spec import StudySpec

# Where no rates are given.
RATES = (0.0, 0.1, 0.3)
_MORE = (
    "mosaic=1.0 mixup=0.1 scale=0.9 translate=0.2 degrees=5.0 hsv_h=0.015 hsv_s=0.7 hsv_v=0.4 "
    "auto_augment=randaugment erasing=0.6"
)
REMEDIES: Mapping[str, str] = {
    "early dropout": "dropout=0.1 schedule=early:{fifth}",
    "DropBlock in the neck": "dropout=0.1 where=neck kind=dropblock schedule=linear",
    "stochastic depth": "dropout=0.1 where=backbone kind=drop_path",
    "weight decay x10": "weight_decay={tenfold:g}",
    "freeze 10 layers": "freeze={frozen}",
    "no augmentation": "mosaic=0.0 mixup=0.0 scale=0.0 translate=0.0 fliplr=0.0 hsv_h=0.0 hsv_s=0.0 hsv_v=0.0 "
    "auto_augment=none erasing=0.0",
    "default augmentation": "mosaic=1.0 scale=0.5 translate=0.1 fliplr=0.5 hsv_h=0.015 hsv_s=0.7 hsv_v=0.4 "
    "auto_augment=randaugment erasing=0.4",
    "more augmentation": _MORE,
    "dropout and weight decay": "dropout=0.1 weight_decay={tenfold:g}",
    "dropout and more augmentation": f"dropout=0.1 {_MORE}",
}


def remedies(spec: StudySpec) -> Iterator[tuple[str, dict[str, Any]]]:
    """The remedies by name, each with the arguments by which it differs from a study's own."""
    args = {**known_arguments(), **spec.train}
    # Where the study freezes layers itself, to freeze ten would be to free some; an untrained model has none to keep.
    untrained = spec.model.endswith((".yaml", ".yml"))
    frozen = "none" if untrained and not args["freeze"] else str(args["freeze"] or 10).replace(" ", "")
    numbers = {"fifth": max(1, spec.epochs // 5), "tenfold": 10 * args["weight_decay"], "frozen": frozen}
    for name, words in REMEDIES.items():
        fields = parse_key_values(words.format(**numbers).split())
        yield name, {key: value for key, value in fields.items() if key == "dropout" or args.get(key, "") != value}
