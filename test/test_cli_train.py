import json

import pytest
from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.network import SqueezeDet

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
    assert '2 images to train on, 1 to evaluate on, steps 0 to 2' in capsys.readouterr().out
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
