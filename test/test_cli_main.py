from __future__ import annotations

from importlib.util import find_spec
import subprocess
import sys

import pytest
from squeezedet_ros.cli.main import COMMANDS, main


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_its_module_and_help(command, capsys):
    assert find_spec(f'squeezedet_ros.cli.{COMMANDS[command][0]}')
    with pytest.raises(SystemExit) as stop:
        main([command, '--help'])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f'usage: squeezedet {command}')
    assert COMMANDS[command][1] in text


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f'\n    {command}' in text for command in COMMANDS)


@pytest.mark.parametrize('argv', [[], ['fly'], ['evaluate', '--wings']])
def test_what_is_no_command_is_refused(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert 'usage: squeezedet' in capsys.readouterr().err


def test_an_error_of_ours_is_one_line_and_status_2(tmp_path, capsys):
    missing = tmp_path / 'none.safetensors'
    assert main(['info', '--weights', str(missing)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.startswith('squeezedet info: ')
    assert str(missing) in captured.err
    assert captured.err.count('\n') == 1


def test_help_does_not_wait_for_torch():
    script = (
        'import sys\n'
        'from squeezedet_ros.cli.main import main\n'
        'try:\n'
        "    main(['--help'])\n"
        'except SystemExit:\n'
        "    print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == 'False'


def test_arguments_default_to_those_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['squeezedet', 'info', '--weights', 'none.safetensors'])
    assert main() == 2
    assert 'none.safetensors' in capsys.readouterr().err


@pytest.mark.parametrize('module', ['apsw', 'rosbags.highlevel'])
def test_a_package_that_is_missing_is_named_in_one_line(module, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith('squeezedet_ros.')]:
        if name.startswith(('squeezedet_ros.cli.make_bag', 'squeezedet_ros.data.')):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(['make-bag', '--help']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    package = module.partition('.')[0]
    assert line.startswith(f'squeezedet make-bag: this command needs {package}, which is not')


@pytest.mark.parametrize('command', ['demo', 'soak'])
def test_without_ros_the_node_is_not_started(command, monkeypatch, capsys, tmp_path):
    # find_spec finds nothing for a module that is None.
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'squeezedet {command}: this command runs the node, which needs ROS 2')
