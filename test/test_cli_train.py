import json
import signal
import subprocess
import sys
import time

import pytest
from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.journal import read_log
import torch

OPTIONS = ['--batch-size', '2', '--window', '64', '96', '--workers', '0', '--device', 'cpu']


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp('drawn')
    write_kitti(directory, [render_scene(seed, (96, 192)) for seed in range(3)])
    (directory / 'ImageSets/train.txt').write_text('000000\n000001\n')
    (directory / 'ImageSets/val.txt').write_text('000002\n')
    return directory


@pytest.fixture
def small(tmp_path):
    path = tmp_path / 'small.safetensors'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(64, 128), fit='adaptive')), path)
    return str(path)


def train(data, out, *more):
    return main(['train', '--data', str(data), '--out', str(out), *OPTIONS, *more])


def test_train_evaluate_and_go_on(data, small, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ('--weights', small, '--epochs', '2', '--evaluate-every', '1')
    assert train(data, out, *arguments) == 0
    assert (
        '2 images to train on, 1 to evaluate on, steps 0 to 2, 1 x cpu' in capsys.readouterr().out
    )
    assert load_checkpoint(out / 'final.safetensors').config.input_size == (64, 128)
    entries = [json.loads(line) for line in (out / 'log.jsonl').read_text().splitlines()]
    assert [entry['step'] for entry in entries if 'score' in entry] == [1, 2]
    assert train(data, out, *arguments) == 0
    assert 'steps 2 to 2' in capsys.readouterr().out
    assert train(data, out, *arguments, '--seed', '5') == 2
    assert 'other settings' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('more', 'reason'),
    [
        (('--split', 'none'), "no split 'none'"),
        (('--features', 'none.npz'), 'cannot be read'),
        (('--device', 'cuda:99'), 'cuda:99 was asked for'),
        (('--epochs', '-1'), 'epochs must be in'),
        (('--frozen', 'fire99'), "got 'fire99'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data, tmp_path, capsys, more, reason):
    assert train(data, tmp_path / 'out', *more) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count('\n') == 1


def start(*command):
    return subprocess.Popen(
        [sys.executable, '-m', *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def weights(out):
    return load_checkpoint(out / 'final.safetensors').state_dict()


def test_killed_in_the_middle_it_ends_as_if_unbroken(data, small, tmp_path):
    """Killed by SIGKILL after half of the steps, wherever it is in the next one."""
    options = ['--weights', small, '--epochs', '14', '--evaluate-every', '100', *OPTIONS]
    command = ['squeezedet_ros', 'train', '--data', str(data), *options, '--save-every', '0.001']
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    assert main([*command[1:], '--out', str(whole)]) == 0
    process = start(*command, '--out', str(broken))
    log = broken / 'log.jsonl'
    while process.poll() is None and (not log.is_file() or log.read_text().count('\n') < 7):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (broken / 'final.safetensors').exists()
    assert main([*command[1:], '--out', str(broken)]) == 0
    expected = weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in weights(broken).items())
    steps = [entry['step'] for entry in read_log(broken) if 'lr' in entry]
    assert steps == list(range(14))


@pytest.mark.parametrize('recipe', ['modern', 'paper'])
def test_two_processes_train_as_one(data, small, tmp_path, recipe):
    options = ['--weights', small, '--epochs', '6', '--recipe', recipe, *OPTIONS]
    options += ['--learning-rate', '1e-4']
    command = ['squeezedet_ros', 'train', '--data', str(data), *options]
    assert main([*command[1:], '--out', str(tmp_path / 'one')]) == 0
    torchrun = ['torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m']
    process = start(*torchrun, *command, '--out', str(tmp_path / 'two'))
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    expected = weights(tmp_path / 'one')
    for key, value in weights(tmp_path / 'two').items():
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-5)


def test_a_batch_that_cannot_be_divided(data, small, tmp_path):
    options = ['--weights', small, *OPTIONS, '--batch-size', '3', '--out', str(tmp_path / 'out')]
    torchrun = ['torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m']
    process = start(*torchrun, 'squeezedet_ros', 'train', '--data', str(data), *options)
    _, errors = process.communicate(timeout=200)
    assert process.returncode != 0
    assert 'batch_size must be a multiple of the 2 processes, got 3' in errors.decode()
