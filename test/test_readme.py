from dataclasses import fields
from pathlib import Path
import runpy

from squeezedet_ros.cli.main import COMMANDS
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
CONFIGS = (*LIVE_CONFIGS, *FIXED_CONFIGS)
SCRIPT = runpy.run_path(str(ROOT / 'script' / 'parameter-table'))


def test_parameter_table_is_that_of_the_configs():
    assert SCRIPT['with_table'](README) == README, 'run script/parameter-table'


def test_table_has_a_row_for_each_setting():
    table = SCRIPT['parameter_table']()
    for item in (item for config in CONFIGS for item in fields(config)):
        assert f'| `{item.name}` | `' in table


def test_every_command_is_told():
    assert all(f'`{name}`' in README for name in COMMANDS)


def test_every_file_that_is_named_exists():
    for link in README.split('](')[1:]:
        target = link.split(')')[0].split('#')[0]
        assert target.startswith('https://') or (ROOT / target).exists(), target
