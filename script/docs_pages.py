"""What MkDocs does beyond its own: pages from outside doc/, and links that lead to files there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Path in the repository: page of the site.
BROUGHT_IN = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'SECURITY.md': 'security.md',
    'squeezedet_ros/weights/MODEL_CARD.md': 'model-card.md',
}
_LINK = re.compile(r'(?<=\]\()(?!https?://|#)([^)#\s]+)')


def on_config(config: MkDocsConfig) -> None:
    """Leave pages that are not written yet out of the navigation."""
    known = {*BROUGHT_IN.values(), *(path.name for path in Path(config.docs_dir).glob('*.md'))}
    config.nav = [item for item in config.nav or [] if set(item.values()) <= known]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages from outside doc/, and all files that any page links to there."""
    for source, page in BROUGHT_IN.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    linked = set()
    for file in files.documentation_pages():
        linked |= {_target(file, link[1]) for link in _LINK.finditer(file.content_string)}
    for target in sorted(linked - BROUGHT_IN.keys()):
        if not target.startswith('doc/'):
            if not (ROOT / target).is_file():
                raise PluginError(f'a page links to {target}, which is no file')
            kept = File.generated(config, _site_path(target), abs_src_path=str(ROOT / target))
            files.append(kept)


def on_page_markdown(markdown: str, /, *, page: Page, **_: object) -> str:
    """Turn links between files of the repository into links between those of the site."""
    here = posixpath.dirname(page.file.src_uri) or '.'

    def relative(link: re.Match[str]) -> str:
        return posixpath.relpath(_site_path(_target(page.file, link[1])), here)

    return _LINK.sub(relative, markdown)


def _target(file: File, link: str) -> str:
    """Return the path in the repository that a link of a page leads to."""
    sources = {page: source for source, page in BROUGHT_IN.items()}
    source = PurePosixPath(sources.get(file.src_uri, f'doc/{file.src_uri}'))
    return posixpath.normpath(str(source.parent / link))


def _site_path(target: str) -> str:
    """Return where a file of the repository is in the site, a text as one that browsers show."""
    if target.startswith('doc/'):
        return target.removeprefix('doc/')
    return BROUGHT_IN.get(target, f'files/{target.removeprefix(".")}.txt')
