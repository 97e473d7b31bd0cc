from dataclasses import replace
import json

from gpu import needs_cuda
import numpy as np
import pytest
from safetensors import safe_open
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.kitti import list_frames
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.errors import CheckpointError, ConfigError, TrainingError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.journal import Evaluation, read_log
from squeezedet_ros.training.loss import LossTerms
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.trainer import Trainer
import torch

MODEL = ModelConfig(fit='adaptive', anchor_placement='stride', input_size=(64, 128))
TRAINING = TrainingConfig(
    window=(64, 96), batch_size=2, epochs=6, evaluate_every=2, workers=0, learning_rate=1e-3
)


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Images this small gain nothing from a second thread, but wait for it on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    directory = tmp_path_factory.mktemp('drawn')
    write_kitti(directory, [render_scene(seed, (96, 192)) for seed in range(4)])
    return list_frames(directory, 'train')


def network(fit='adaptive'):
    torch.manual_seed(3)
    return SqueezeDet(replace(MODEL, fit=fit))


def trainer(frames, out, training=TRAINING, evaluate=None, device=None):
    started = network('stretch' if training.recipe == 'paper' else 'adaptive')
    return Trainer(started, frames, training, out, evaluate, device)


def stop_after(steps):
    """Return an evaluation that breaks a training off, as a killed one is."""

    def evaluate(_):
        stop_after.calls += 1
        if stop_after.calls == steps:
            raise KeyboardInterrupt
        return Evaluation(0.0, {'car': None})

    stop_after.calls = 0
    return evaluate


@pytest.mark.parametrize('recipe', ['modern', 'paper'])
def test_resumed_training_ends_as_the_unbroken_one(frames, tmp_path, recipe):
    training = TrainingConfig(
        recipe=recipe,
        window=(64, 96),
        batch_size=2,
        epochs=6,
        evaluate_every=1,
        save_every=0,
        workers=0,
    )
    whole = trainer(frames, tmp_path / 'whole', training).fit()
    broken = trainer(frames, tmp_path / 'broken', training, stop_after(3))
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    resumed = trainer(frames, tmp_path / 'broken', training)
    assert 0 < resumed.step < resumed.steps == 12
    found = resumed.fit().state_dict()
    for key, value in whole.state_dict().items():
        assert torch.equal(found[key], value), key
    logs = [
        [json.loads(line) for line in (tmp_path / name / 'log.jsonl').read_text().splitlines()]
        for name in ('whole', 'broken')
    ]
    steps = [[entry['step'] for entry in log if 'lr' in entry] for log in logs]
    assert steps[0] == steps[1] == list(range(12))


@needs_cuda
def test_a_training_goes_on_on_a_gpu(frames, tmp_path):
    device = torch.device('cuda')
    training = replace(TRAINING, evaluate_every=1, save_every=0)
    broken = trainer(frames, tmp_path, training, stop_after(3), device)
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    resumed = trainer(frames, tmp_path, training, device=device)
    assert 0 < resumed.step < resumed.steps
    assert all(value.isfinite().all() for value in resumed.fit().state_dict().values())


def test_another_training_is_not_gone_on_with(frames, tmp_path):
    """Other frames, other labels, or another beginning: each as many and of the same settings."""
    training = replace(TRAINING, epochs=1)
    trainer(frames[:2], tmp_path, training).fit()
    assert trainer(frames[:2], tmp_path, training).step == 1
    with pytest.raises(CheckpointError, match=r'labels was "[0-9a-f]{16}", is "'):
        trainer(frames[2:], tmp_path, training)
    torch.manual_seed(4)
    with pytest.raises(CheckpointError, match='first weights was'):
        Trainer(SqueezeDet(MODEL), frames[:2], training, tmp_path)


@pytest.mark.parametrize('recipe', ['modern', 'paper'])
def test_a_loss_that_is_not_finite_ends_it(frames, tmp_path, recipe):
    started = network('stretch' if recipe == 'paper' else 'adaptive')
    with torch.no_grad():
        started.convdet.bias[0] = float('inf')
    training = replace(TRAINING, recipe=recipe)
    with pytest.raises(TrainingError, match=r'step 0: expected a finite loss, got .*nan'):
        Trainer(started, frames, training, tmp_path).fit()
    assert not (tmp_path / 'state.safetensors').exists()


def test_an_evaluation_without_truth_is_not_the_best(frames, tmp_path, capsys):
    training = replace(TRAINING, epochs=2, evaluate_every=1)
    scores = iter([None, 0.0])
    trainer(frames, tmp_path, training, lambda _: Evaluation(next(scores), {'car': None})).fit()
    written = [entry['score'] for entry in read_log(tmp_path) if 'score' in entry]
    assert written == [None, 0.0]
    assert 'no object of the validation counts' in capsys.readouterr().out
    best, last = (load_checkpoint(tmp_path / f'{name}.safetensors') for name in ('best', 'last'))
    assert torch.equal(best.convdet.weight, last.convdet.weight)


def test_the_paper_recipe_needs_a_model_that_stretches(frames, tmp_path):
    with pytest.raises(ConfigError, match=r'recipe paper .* needs fit stretch, got adaptive'):
        Trainer(network(), frames, TrainingConfig(recipe='paper'), tmp_path)


def test_half_a_log_line_is_dropped(frames, tmp_path):
    trainer(frames, tmp_path).fit()
    with (tmp_path / 'log.jsonl').open('a') as log:
        log.write('{"step": 1')
    assert trainer(frames, tmp_path).step == 12


def test_other_settings_are_refused(frames, tmp_path):
    trainer(frames, tmp_path).fit()
    said = r'other settings: learning_rate was 0\.001, is 0\.002$'
    with pytest.raises(CheckpointError, match=said):
        trainer(frames, tmp_path, replace(TRAINING, learning_rate=2e-3))
    assert trainer(frames, tmp_path, replace(TRAINING, workers=2, save_every=5)).step == 12


def test_damaged_state_is_refused(frames, tmp_path):
    (tmp_path / 'state.safetensors').write_bytes(b'half')
    with pytest.raises(CheckpointError, match='cannot be resumed'):
        trainer(frames, tmp_path)


def test_unknown_layer_is_refused(frames, tmp_path):
    with pytest.raises(ConfigError, match="got 'fire99'"):
        trainer(frames, tmp_path, TrainingConfig(frozen=('fire99',)))


def test_best_and_last_are_kept(frames, tmp_path):
    scores = iter([0.2, 0.5, 0.3])
    seen = []

    def evaluate(found):
        seen.append(found.convdet.bias.clone())
        return Evaluation(next(scores), {'car': 0.5}, np.zeros((8, 8, 3), np.uint8))

    trainer(frames, tmp_path, evaluate=evaluate).fit()
    assert torch.equal(load_checkpoint(tmp_path / 'best.safetensors').convdet.bias, seen[1])
    assert torch.equal(load_checkpoint(tmp_path / 'last.safetensors').convdet.bias, seen[2])
    with safe_open(tmp_path / 'state.safetensors', framework='pt') as state:
        assert int(state.get_tensor('step')) == 12


def test_frozen_layers_keep_their_weights(frames, tmp_path):
    start = network().state_dict()
    found = (
        trainer(
            frames,
            tmp_path,
            TrainingConfig(
                window=(64, 96), batch_size=2, epochs=1, workers=0, frozen=('conv1', 'fire2')
            ),
        )
        .fit()
        .state_dict()
    )
    same = {key.rsplit('.', 1)[0] for key in start if torch.equal(start[key], found[key])}
    assert {'conv1', 'fires.fire2.squeeze', 'fires.fire2.expand3x3'} <= same
    assert 'convdet' not in same


def test_loss_falls_on_few_images(frames, tmp_path):
    training = TrainingConfig(
        window=(64, 96), batch_size=4, epochs=40, workers=0, scale_jitter=1.0, learning_rate=2e-3
    )
    trainer(frames, tmp_path, training).fit()
    lines = [json.loads(line) for line in (tmp_path / 'log.jsonl').read_text().splitlines()]
    losses = [sum(entry[part] for part in LossTerms._fields) for entry in lines if 'lr' in entry]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_mixed_precision_stays_near(frames, tmp_path):
    found, losses = [], []
    for precision in ('float32', 'bfloat16'):
        training = TrainingConfig(
            window=(64, 96), batch_size=4, epochs=8, workers=0, precision=precision
        )
        found.append(trainer(frames, tmp_path / precision, training).fit().state_dict())
        entries = [entry for entry in read_log(tmp_path / precision) if 'lr' in entry]
        losses.append([[entry[part] for part in LossTerms._fields] for entry in entries])
    weights, mixed = (state['convdet.weight'] for state in found)
    assert mixed.dtype == torch.float32
    assert not torch.equal(mixed, weights)
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1, atol=0.01)
