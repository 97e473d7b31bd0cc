"""What the documentation says that can be held against the package."""

import argparse
from dataclasses import fields
from importlib import import_module
from pathlib import Path
import re
import shlex

import pytest
from squeezedet_ros.cli.main import COMMANDS
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = [ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'SECURITY.md')]
PAGES = [*OUTSIDE, *sorted((ROOT / 'doc').glob('*.md'))]
LIVE = {item.name for config in LIVE_CONFIGS for item in fields(config)}
PARAMETERS = LIVE | {item.name for config in FIXED_CONFIGS for item in fields(config)}
LINK = re.compile(r'\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)')
IN_A_SENTENCE = re.compile(r'`squeezedet ([a-z-]+)((?: [^`]*)?)`')


def commands(text):
    """Return the command lines of the blocks of shell code, without comments."""
    for block in re.findall(r'^```sh\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            if words := shlex.split(line, comments=True):
                yield words


ALL = [(page.name, words) for page in PAGES for words in commands(page.read_text())]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and MkDocs make them of plain words."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    return {
        re.sub(r'[^\w\- ]', '', heading).strip().lower().replace(' ', '-') for heading in headings
    }


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target, anchor in LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), f'{target}#{anchor}'


def test_commands_are_understood():
    found = [words for _, words in ALL if Path(words[0]).name == 'squeezedet']
    assert found
    for words in found:
        module = import_module(f'squeezedet_ros.cli.{COMMANDS[words[1]][0]}')
        parser = argparse.ArgumentParser(prog=' '.join(words), exit_on_error=False)
        module.add_arguments(parser)
        parser.parse_args(words[2:])


def test_commands_in_a_sentence_are_understood():
    found = [item for page in PAGES for item in IN_A_SENTENCE.findall(page.read_text())]
    assert found
    for command, rest in found:
        module = import_module(f'squeezedet_ros.cli.{COMMANDS[command][0]}')
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        options = {name for action in parser._actions for name in action.option_strings}
        words = rest.split()
        assert {word for word in words if word.startswith('--')} <= options, f'{command} {rest}'
        positional = any(not action.option_strings for action in parser._actions)
        assert positional or not words or words[0].startswith('--'), f'{command} {rest}'


def test_what_is_launched_exists_and_takes_what_it_is_given():
    found = [words for _, words in ALL if words[:3] == ['ros2', 'launch', 'squeezedet_ros']]
    assert found
    for words in found:
        launch = ROOT / 'launch' / words[3]
        text = launch.read_text() + (ROOT / 'launch' / 'detector.launch.py').read_text()
        for argument in words[4:]:
            name = argument.partition(':=')[0]
            assert argument == '--show-args' or name in PARAMETERS or f"'{name}'" in text


def test_parameters_that_are_set_may_change():
    found = [words for _, words in ALL if words[:3] == ['ros2', 'param', 'set']]
    assert found
    assert {words[4] for words in found} <= LIVE


def test_scripts_that_are_named_exist():
    for page, words in ALL:
        if words[0].startswith('script/'):
            assert (ROOT / words[0]).is_file(), page


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / 'mkdocs.yml').read_text().partition('\nnav:\n')[2]
    for page in (ROOT / 'doc').glob('*.md'):
        assert f': {page.name}\n' in navigation


def test_extras_that_can_be_installed_are_told():
    listed = (ROOT / 'setup.py').read_text().partition('extras_require={')[2].partition('},')[0]
    extras = set(re.findall(r"^\s+'(\w+)': \[", listed, re.MULTILINE))
    table = (ROOT / 'doc/install.md').read_text().partition('| extra | for |\n')[2]
    rows = table.partition('\n\n')[0].splitlines()[1:]
    told = {name for row in rows for name in re.findall(r'`(\w+)`', row.split('|')[1])}
    # That of the tests is for colcon.
    assert told == extras - {'test'}
