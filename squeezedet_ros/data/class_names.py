"""Which class of a model a label stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth


def class_of(name: str, classes: Sequence[str], aliases: dict[str, str]) -> int:
    """
    Return the index of the class a label stands for, -1 for none.

    A label is the class of its name, in any case, else that of its alias.
    """
    if name == DONT_CARE:
        return -1
    known = [item.lower() for item in classes]
    wanted = name.lower()
    if wanted not in known:
        wanted = aliases.get(name, wanted).lower()
    return known.index(wanted) if wanted in known else -1


def with_class_names(
    truth: GroundTruth, classes: Sequence[str], aliases: dict[str, str]
) -> GroundTruth:
    """Return truth whose objects are named by their classes; other names stay as they are."""
    found = [class_of(name, classes, aliases) for name in truth.names]
    names = (
        classes[index] if index >= 0 else name
        for index, name in zip(found, truth.names, strict=True)
    )
    return replace(truth, names=tuple(names))
