"""Which class of a model a label stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth
from squeezedet_ros.errors import ConfigError, shown


def class_of(name: str, classes: Sequence[str], aliases: dict[str, str]) -> int:
    """
    Return the index of the class a label stands for, -1 for none.

    A label is the class of its name, else that of its alias, in any case.

    :param aliases: class by label, the labels in lower case.
    """
    if name == DONT_CARE:
        return -1
    known = [item.lower() for item in classes]
    wanted = name.lower()
    if wanted not in known:
        wanted = aliases.get(wanted, wanted).lower()
    return known.index(wanted) if wanted in known else -1


def check_aliases(aliases: dict[str, str], classes: Sequence[str]) -> None:
    """
    Make sure that labels stand for classes that there are.

    :raises ConfigError: naming the first that does not.
    """
    known = [name.lower() for name in classes]
    for label, name in aliases.items():
        if name.lower() not in known:
            raise ConfigError(
                f'aliases must be LABEL=CLASS with a class of {", ".join(classes)}, got '
                f'{shown(f"{label}={name}")}'
            )


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
