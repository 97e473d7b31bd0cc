from dataclasses import replace
import json
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.coco_writer import write_coco
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import DriveFrame, render_scene
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.anchor_clustering import read_anchor_set
from squeezedet_ros.training.journal import read_log
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network
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
        (('--features', 'none.npz'), 'none.npz is no file'),
        (('--device', 'cuda:99'), 'cuda:99 was asked for'),
        (('--epochs', '-1'), 'epochs must be in'),
        (('--frozen', 'fire99'), "got 'fire99'"),
        (('--validation-split', 'vall'), "no folder of --data has the split 'vall'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(data, tmp_path, capsys, more, reason):
    assert train(data, tmp_path / 'out', *more) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count('\n') == 1


@pytest.fixture
def coco(tmp_path):
    """Write a COCO set of two sound images, one with a damaged box, one damaged itself."""
    scenes = [render_scene(seed, (96, 192)) for seed in range(4)]
    write_coco(tmp_path / 'coco', 'train', scenes)
    # High enough to count: the drawn cars of so small an image are not.
    car = GroundTruth(
        np.float32([[20, 20, 90, 70]]), ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64)
    )
    write_coco(tmp_path / 'coco', 'val', [DriveFrame(scenes[0].image, car, 0)])
    path = tmp_path / 'coco' / 'annotations' / 'instances_train.json'
    content = json.loads(path.read_text())
    next(item for item in content['annotations'] if item['image_id'] == 2)['bbox'] = [1, 2]
    path.write_text(json.dumps(content))
    image = tmp_path / 'coco' / 'train' / '000003.png'
    image.write_bytes(image.read_bytes()[:-3000])
    return tmp_path / 'coco'


@pytest.fixture
def anchors(tmp_path):
    path = tmp_path / 'anchors.json'
    content = {'anchor_shapes': [[20, 20], [12, 30]], 'input_size': [64, 128], 'fit': 'adaptive'}
    path.write_text(json.dumps(content))
    return str(path)


OWN = ('--classes', 'vehicle', 'Pedestrian', '--aliases', 'Car=vehicle', 'Van=vehicle')


def test_own_classes_anchors_and_damaged_frames(coco, anchors, tmp_path, capfd):
    out = tmp_path / 'out'
    arguments = ('--anchors', anchors, *OWN, '--epochs', '1.4')
    assert train(coco, out, *arguments) == 0
    captured = capfd.readouterr()
    assert '3 images to train on, 1 to evaluate on' in captured.out
    assert 'vehicle: Car' in captured.out
    assert captured.err.count('expected bbox') == 1
    assert '1 of 4 frames left out' in captured.err
    assert captured.err.count('000003.png is not an image') == 1
    config = load_checkpoint(out / 'final.safetensors').config
    assert config.classes == ('vehicle', 'Pedestrian')
    assert config.anchor_shapes == ((20, 20), (12, 30))
    entries = [json.loads(line) for line in (out / 'log.jsonl').read_text().splitlines()]
    assert entries[-1]['ap']['vehicle'] is not None
    assert not torch.equal(trained_conv1(out), initial_conv1(anchors))


def trained_conv1(out):
    return load_checkpoint(out / 'final.safetensors').conv1.weight


def initial_conv1(anchors):
    network = initial_network(
        'squeezedet', TrainingConfig(), ('vehicle', 'Pedestrian'), read_anchor_set(Path(anchors))
    )
    return network.conv1.weight


@pytest.mark.parametrize(
    ('more', 'is_kept'), [(('--frozen', 'conv1'), True), (('--frozen',), False)]
)
def test_frozen_layers_are_those_that_are_named(coco, anchors, tmp_path, more, is_kept):
    out = tmp_path / 'out'
    assert train(coco, out, '--anchors', anchors, *OWN, '--epochs', '1', *more) == 0
    assert torch.equal(trained_conv1(out), initial_conv1(anchors)) == is_kept


@pytest.mark.parametrize('workers', ['0', '1'])
def test_strict_stops_in_one_line(coco, anchors, tmp_path, capsys, workers):
    arguments = ('--anchors', anchors, '--strict', '--workers', workers)
    assert train(coco, tmp_path / 'out', *arguments) == 2
    assert 'expected bbox' in capsys.readouterr().err
    shutil.copy(coco / 'annotations/instances_val.json', coco / 'annotations/instances_train.json')
    first = coco / 'train' / '000000.png'
    first.write_bytes(first.read_bytes()[:-3000])
    assert train(coco, tmp_path / 'out', *arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'squeezedet train: {first} is not an image')


def test_other_classes_on_trained_weights(coco, small, tmp_path, capsys):
    classes = ('--classes', 'Cyclist', 'car', '--epochs', '0.5')
    assert train(coco, tmp_path / 'out', '--weights', small, *classes) == 0
    assert 'of these, kept: car, untrained: Cyclist' in capsys.readouterr().out
    config = load_checkpoint(tmp_path / 'out' / 'final.safetensors').config
    assert config.classes == ('Cyclist', 'car')


def test_another_architecture_on_trained_weights(coco, small, tmp_path, capsys):
    settings = ('--architecture', 'squeezedet_plus', '--classes', 'car', '--epochs', '0.5')
    assert train(coco, tmp_path / 'out', '--weights', small, *settings) == 0
    assert 'plus begins with what squeezedet computes up to fire8' in capsys.readouterr().out
    before = load_checkpoint(small).config
    found = load_checkpoint(tmp_path / 'out' / 'final.safetensors').config
    assert found == replace(before, architecture='squeezedet_plus', classes=('car',))


def test_loading_is_measured(data, small, tmp_path, capsys):
    assert train(data, tmp_path / 'out', '--weights', small, '--measure-loading') == 0
    out = capsys.readouterr().out
    assert 'images a second, 0 workers' in out
    assert '\nratio' in out
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('more', 'reason'),
    [
        (('--classes', 'boat'), 'no label is of a class (boat); labels present: '),
        (('--anchors', 'none.json'), 'no anchor file none.json'),
        (('--weights', 'SMALL', '--anchors', 'none.json'), '--anchors is for a new network'),
        (('--weights', 'SMALL', '--features', 'none.npz'), '--features is for a new network'),
        (('--weights', 'SMALL', '--recipe', 'paper'), 'needs fit stretch, got adaptive'),
    ],
)
def test_wrong_classes_and_anchors_are_refused(data, small, tmp_path, capsys, more, reason):
    more = [small if item == 'SMALL' else item for item in more]
    assert train(data, tmp_path / 'out', *more) == 2
    assert reason in capsys.readouterr().err


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


@pytest.mark.parametrize(('recipe', 'fit'), [('modern', 'adaptive'), ('paper', 'stretch')])
def test_two_processes_train_as_one(data, tmp_path, recipe, fit):
    small = str(tmp_path / 'small.safetensors')
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(64, 128), fit=fit)), Path(small))
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


def test_without_a_validation_split_nothing_is_evaluated(data, small, tmp_path, capsys):
    arguments = ('--weights', small, '--epochs', '1', '--validation-split', 'none')
    assert train(data, tmp_path / 'out', *arguments) == 0
    assert '2 images to train on, 0 to evaluate on' in capsys.readouterr().out
    assert not [entry for entry in read_log(tmp_path / 'out') if 'score' in entry]


def test_a_layer_that_features_do_not_fill_is_trained(data, tmp_path):
    kernel = np.random.default_rng(0).normal(size=(16, 64, 1, 1)).astype(np.float32)
    np.savez(tmp_path / 'features.npz', **{'fire2.squeeze1x1.weight': kernel})
    out = tmp_path / 'out'
    options = ('--features', str(tmp_path / 'features.npz'), '--epochs', '1')
    assert train(data, out, *options, '--validation-split', 'none') == 0
    trained = load_checkpoint(out / 'final.safetensors').conv1.weight
    begun = initial_network('squeezedet', TrainingConfig(window=(64, 96))).conv1.weight
    assert not torch.equal(trained, begun)
