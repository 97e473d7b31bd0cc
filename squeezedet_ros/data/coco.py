"""
Data sets in COCO's layout.

The annotations of a split are one JSON file in one of :data:`ANNOTATION_FILES`; its images lie in
one of :data:`IMAGE_FOLDERS`. Of the JSON are read: of ``images`` the ``id``, ``file_name``,
``height`` and ``width``, of ``categories`` the ``id`` and ``name``, of ``annotations`` the
``image_id``, ``category_id``, ``bbox``, ``iscrowd`` and ``ignore`` (cocodataset.org, data format,
object detection).
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth, LEAST_ABSURD, UNKNOWN
from squeezedet_ros.errors import DatasetError

# Below the folder of the set; {split} is the name of the split.
ANNOTATION_FILES = (
    'annotations/instances_{split}.json',
    'annotations/{split}.json',
    '{split}/_annotations.coco.json',
)
IMAGE_FOLDERS = ('{split}', 'images/{split}', 'images', '.')
# Each with the words that name it.
_Entries = list[tuple[str, dict[str, Any]]]


class CocoBox(NamedTuple):
    """
    An annotation as it stands in the file, not yet checked.

    :param entry: which annotation, for messages.
    :param category: its name, None where its id is not among the categories.
    :param category_id: the id itself.
    :param bbox: ``x, y, width, height`` if all is well.
    :param region: 1 or true if it marks a region to ignore (a crowd), 0 or false for one object.
    """

    entry: str
    category: str | None
    category_id: object
    bbox: object
    region: object


class CocoFrame(NamedTuple):
    """One image of a set and its annotations in the JSON file ``source``."""

    name: str
    image_path: Path
    source: Path
    annotations: tuple[CocoBox, ...]
    announced_size: tuple[int, int] | None = None

    def read_truth(self) -> GroundTruth:
        """
        Return what is in the image; no annotation is an image without objects.

        COCO's ``bbox`` spans ``[x, x + width]``, a box here names its last pixel as KITTI's
        labels do: right is ``x + width - 1``, bottom ``y + height - 1``.

        :raises DatasetError: naming the annotation that is not as COCO has it.
        """
        names, boxes = [], []
        for item in self.annotations:
            if item.category is None:
                raise DatasetError(
                    f'{self.source}: {item.entry}: its category_id {item.category_id!r} is not '
                    f'among the categories'
                )
            if item.region not in (0, 1):
                raise DatasetError(
                    f'{self.source}: {item.entry}: expected iscrowd and ignore 0 or 1, '
                    f'got {item.region!r}'
                )
            x, y, width, height = _bbox(item.bbox, f'{self.source}: {item.entry}')
            names.append(DONT_CARE if item.region else item.category)
            boxes.append((x, y, x + width - 1, y + height - 1))
        return GroundTruth(
            np.array(boxes, np.float32).reshape(-1, 4),
            tuple(names),
            np.full(len(names), UNKNOWN, np.float32),
            np.full(len(names), UNKNOWN, np.int64),
        )


def _bbox(value: object, where: str) -> tuple[float, ...]:
    sound = (
        isinstance(value, list)
        and len(value) == 4
        and all(type(number) in (int, float) and abs(number) < LEAST_ABSURD for number in value)
        and min(value[2:]) >= 0
    )
    if not isinstance(value, list) or not sound:
        raise DatasetError(
            f'{where}: expected bbox [x, y, width, height] in pixels, got {value!r}'
        )
    return tuple(value)


def find_annotations(directory: Path, split: str) -> Path | None:
    """Return the JSON file of a split, None where there is none."""
    return next((path for path in annotation_paths(directory, split) if path.is_file()), None)


def annotation_paths(directory: Path, split: str) -> list[Path]:
    """Return where the JSON file of a split may lie."""
    return [directory / pattern.format(split=split) for pattern in ANNOTATION_FILES]


def read_frames(directory: Path, split: str, source: Path) -> list[CocoFrame]:
    """
    Return the frames of a split, in the order of its ``images``.

    Annotations are checked when a frame's truth is read, so that one of them spoils one frame.

    :param source: the JSON file.
    :raises DatasetError: when it is not COCO's JSON, an image is not there, or an annotation
        belongs to no image.
    """
    return [
        CocoFrame(
            str(name.with_suffix('')),
            _find_image(directory, split, name, where),
            source,
            boxes,
            size,
        )
        for name, where, boxes, size in _annotated(directory, source)
    ]


def read_truths(source: Path) -> list[tuple[str, GroundTruth]]:
    """
    Return what is in each image of an annotation file, in its order; images are not looked for.

    :returns: name of the image without its suffix, and its truth.
    :raises DatasetError: when it is not COCO's JSON or an annotation is not as COCO has it.
    """
    frames = [
        CocoFrame(str(name.with_suffix('')), Path(name), source, boxes)
        for name, _, boxes, _ in _annotated(source.parent, source)
    ]
    return [(frame.name, frame.read_truth()) for frame in frames]


class _Annotated(NamedTuple):
    """An image of the file: its name, the words that name its entry, its annotations, its size."""

    name: PurePosixPath
    where: str
    boxes: tuple[CocoBox, ...]
    size: tuple[int, int] | None


def _annotated(directory: Path, source: Path) -> list[_Annotated]:
    content = _read_json(source)
    images, annotations, categories = (
        _entries(content, key, source) for key in ('images', 'annotations', 'categories')
    )
    if not images:
        raise DatasetError(f'{source} names no image')
    names = {
        number: _field(entry, 'name', str, where) for number, where, entry in _by_id(categories)
    }
    boxes: dict[int, list[CocoBox]] = {number: [] for number, _, _ in _by_id(images)}
    for where, entry in annotations:
        image = _field(entry, 'image_id', int, where)
        if image not in boxes:
            raise DatasetError(f'{where}: its image_id {image} is not among the images')
        boxes[image].append(_unchecked(entry, where.removeprefix(f'{source}: '), names))
    return [
        _Annotated(
            _image_name(directory, entry, where), where, tuple(boxes[entry['id']]), _size(entry)
        )
        for where, entry in images
    ]


def _by_id(entries: _Entries) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Give each entry by its id, which no other has."""
    first: dict[int, str] = {}
    for where, entry in entries:
        number = _field(entry, 'id', int, where)
        if number in first:
            raise DatasetError(f'{where}: expected an id of its own, got that of {first[number]}')
        first[number] = where
        yield number, where, entry


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get('height'), entry.get('width')
    # Some tools write 0 for what they do not know.
    if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
        return height, width
    return None


def _read_json(source: Path) -> dict[str, Any]:
    try:
        content = json.loads(source.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f'{source} cannot be read as JSON: {error}') from error
    if not isinstance(content, dict):
        raise DatasetError(
            f'{source}: expected a JSON object with images, annotations and categories, '
            f'got {type(content).__name__}'
        )
    return content


def _entries(content: dict[str, Any], key: str, source: Path) -> _Entries:
    """Return the entries of a list of the file, each with the words that name it."""
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DatasetError(f'{source}: expected {key}, a list of objects')
    return [
        (f'{source}: {key}[{index}] (id {entry.get("id")})', entry)
        for index, entry in enumerate(entries)
    ]


def _field(entry: dict[str, Any], key: str, kind: type, where: str) -> Any:  # noqa: ANN401
    value = entry.get(key)
    if type(value) is not kind:
        raise DatasetError(f'{where}: expected {key} of type {kind.__name__}, got {value!r}')
    return value


def _unchecked(entry: dict[str, Any], where: str, names: dict[int, str]) -> CocoBox:
    category = entry.get('category_id')
    return CocoBox(
        where,
        names.get(category) if isinstance(category, int) else None,
        category,
        entry.get('bbox'),
        entry.get('iscrowd') or entry.get('ignore') or 0,
    )


def _image_name(directory: Path, entry: dict[str, Any], where: str) -> PurePosixPath:
    file_name = PurePosixPath(_field(entry, 'file_name', str, where))
    if file_name.is_absolute() or '..' in file_name.parts or not file_name.name:
        raise DatasetError(
            f'{where}: expected a file_name below {directory}, got {str(file_name)!r}'
        )
    return file_name


def _find_image(directory: Path, split: str, file_name: PurePosixPath, where: str) -> Path:
    paths = [directory / folder.format(split=split) / file_name for folder in IMAGE_FOLDERS]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise DatasetError(
            f'{where}: no image; looked for {", ".join(str(path) for path in paths)}'
        )
    return found
