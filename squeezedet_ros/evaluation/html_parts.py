"""Pieces of HTML; every text that is put in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
import json
from typing import Any

Cell = str | float | None


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """
    Return a table whose first column names its rows.

    :param rows: numbers with a fraction get three digits behind the point, None a dash.
    """
    heading = ''.join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ''.join(
        f'<tr><th scope="row">{_text(name)}</th>'
        + ''.join(f'<td>{_text(cell)}</td>' for cell in cells)
        + '</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}"><table>'
        f'<caption>{escape(caption)}</caption><thead><tr>{heading}</tr></thead>'
        f'<tbody>{body}</tbody></table></div>'
    )


def facts(entries: Mapping[str, Cell]) -> str:
    """Return a list of named values."""
    items = (
        f'<div><dt>{escape(name)}</dt><dd>{_text(value)}</dd></div>'
        for name, value in entries.items()
    )
    return f'<dl class="facts">{"".join(items)}</dl>'


def section(name: str, title: str, *parts: str) -> str:
    """
    Return a section, which the page can be taken to.

    :param name: one word, its id.
    """
    body = '\n'.join(part for part in parts if part)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>\n{body}\n</section>'
    )


def folded(title: str, content: str) -> str:
    """Return content that is shown on demand."""
    return f'<details><summary>{escape(title)}</summary>{content}</details>'


def note(text: str, kind: str = 'note') -> str:
    """Return a paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>'


def flat(settings: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested objects of JSON, named by their path."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value if isinstance(value, str) else json.dumps(value)


def _text(value: Cell) -> str:
    if value is None:
        return '-'
    return escape(f'{value:.3f}' if isinstance(value, float) else str(value))
