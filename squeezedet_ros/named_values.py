"""
Settings that are lists of ``NAME=VALUE``: numbers and polygons, each for a class or a camera.

An empty entry is passed over, since ROS tools can write ``['']`` but no empty list of strings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from squeezedet_ros.errors import ConfigError, shown

# Corners x, y in shares of an image's width and height.
Polygon = tuple[tuple[float, float], ...]

MOST_CORNERS = 100


def read_names(entries: Iterable[str]) -> tuple[str, ...]:
    """Return the names in a list that may have empty entries."""
    return tuple(entry.strip() for entry in entries if entry.strip())


def read_thresholds(setting: str, entries: Iterable[str]) -> dict[str, float]:
    """
    Return the number of each ``CLASS=THRESH``.

    :param setting: name of the setting, for the error.
    :raises ConfigError: for an entry of another form, a number outside [0, 1] or a class that is
        named twice.
    """
    thresholds: dict[str, float] = {}
    for name, text, entry in _pairs(entries):
        value = _shares(text.split())
        if not name or value is None or len(value) != 1:
            raise ConfigError(
                f'{setting} must be CLASS=THRESH with a number in [0, 1], got {shown(entry)}'
            )
        if name in thresholds:
            raise ConfigError(f'{setting} must name a class once, got {shown(name)} twice')
        thresholds[name] = value[0]
    return thresholds


def read_polygons(setting: str, entries: Iterable[str]) -> dict[str, tuple[Polygon, ...]]:
    """
    Return the polygons of each camera from ``CAMERA=X0 Y0 X1 Y1 X2 Y2 ...``.

    :param setting: name of the setting, for the error.
    :raises ConfigError: for an entry of another form, a corner outside the image, fewer than three
        corners, too many or corners on one line.
    """
    polygons: dict[str, tuple[Polygon, ...]] = {}
    for name, text, entry in _pairs(entries):
        numbers = _shares(text.split())
        form = f'{setting} must be CAMERA=X0 Y0 X1 Y1 X2 Y2 ...'
        if not name or not text:
            raise ConfigError(f'{form}, got {shown(entry)}')
        if numbers is None:
            raise ConfigError(f'{form} with all numbers in [0, 1], got {shown(entry)}')
        if len(numbers) < 6 or len(numbers) % 2:
            raise ConfigError(f'{form}, got {len(numbers)} numbers in {shown(entry)}')
        if len(numbers) > 2 * MOST_CORNERS:
            raise ConfigError(
                f'{form} with at most {MOST_CORNERS} corners, got {len(numbers) // 2}'
            )
        corners = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        if not _span_an_area(corners):
            raise ConfigError(f'{form} with corners not on one line, got {shown(entry)}')
        polygons[name] = (*polygons.get(name, ()), corners)
    return polygons


def check_known(setting: str, names: Iterable[str], known: Collection[str], what: str) -> None:
    """
    Make sure that names are among those there are.

    :param what: what they are names of, in the plural.
    :raises ConfigError: naming the first that is not.
    """
    for name in names:
        if name not in known:
            raise ConfigError(
                f'{setting} must name {what} ({", ".join(known)}), got {shown(name)}'
            )


def _pairs(entries: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Give name, text of the value and the whole of each entry."""
    for entry in entries:
        if entry.strip():
            name, _, value = entry.partition('=')
            yield name.strip(), value, entry


def _shares(words: Iterable[str]) -> list[float] | None:
    """Return words as numbers, or none where one is no number in [0, 1]."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if all(0.0 <= number <= 1.0 for number in numbers) else None


def _span_an_area(corners: Polygon) -> bool:
    (x0, y0), *others = corners
    spokes = [(x - x0, y - y0) for x, y in others]
    return any(abs(ax * by - ay * bx) > 1e-9 for ax, ay in spokes for bx, by in spokes)
