"""When each message of a bag is due."""

import pytest
from squeezedet_ros.data.bag import RawMessage
from squeezedet_ros.data.playback import (
    excerpt,
    Pace,
    parse_remaps,
    PlaybackConfig,
    read_sendings,
)
from squeezedet_ros.errors import ConfigError, DatasetError

SECOND = 1_000_000_000


def test_the_first_message_is_due_at_once_and_the_others_as_recorded():
    pace = Pace(1.0)
    assert pace.due(50 * SECOND, now=7.0) == pytest.approx(7.0)
    assert pace.due(50 * SECOND + SECOND // 10, now=7.01) == pytest.approx(7.1)
    assert pace.due(52 * SECOND, now=7.2) == pytest.approx(9.0)


def test_the_rate_divides_the_time_between_messages():
    pace = Pace(4.0)
    pace.due(0, now=1.0)
    assert pace.due(2 * SECOND, now=1.0) == pytest.approx(1.5)


def test_after_a_wait_the_rest_keeps_its_distances():
    pace = Pace(1.0)
    pace.due(0, now=0.0)
    pace.postpone(0.5)
    assert pace.due(SECOND, now=0.5) == pytest.approx(1.5)
    assert pace.due(2 * SECOND, now=0.5) == pytest.approx(2.5)


def test_waiting_before_the_first_message_changes_nothing():
    pace = Pace(1.0)
    pace.postpone(5.0)
    assert pace.due(0, now=3.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ('settings', 'played'),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({'start': 0.5}, [1, 2, 3, 4]),
        ({'start': 1.0, 'duration': 1.0}, [2, 3]),
        ({'duration': 0.5}, [0]),
        ({'start': 3.0}, []),
    ],
)
def test_an_excerpt_begins_and_ends_where_it_is_set(settings, played):
    # Half a second apart, on a clock that did not begin at 0.
    messages = [RawMessage('a', 'b', 7 * SECOND + n * SECOND // 2, b'') for n in range(5)]
    found = excerpt(messages, PlaybackConfig(**settings))
    assert [messages.index(message) for message in found] == played


def test_remaps_lose_their_leading_slashes():
    assert parse_remaps(['/kitti/left:=/camera/image_raw', 'a:=b']) == {
        'kitti/left': 'camera/image_raw',
        'a': 'b',
    }


@pytest.mark.parametrize('remap', ['a', 'a=b', ':=b', 'a:='])
def test_a_malformed_remap_is_told(remap):
    with pytest.raises(ConfigError, match='a remap must be OLD:=NEW'):
        parse_remaps([remap])


@pytest.mark.parametrize('setting', [{'rate': 0.0}, {'in_flight': -1}, {'timeout': 0.0}])
def test_settings_have_bounds(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        PlaybackConfig(**setting)


def test_sendings_are_read_up_to_the_last_whole_line(tmp_path):
    path = tmp_path / 'times'
    path.write_text('{"topic": "a", "recorded_ns": 5, "sent_ns": 70}\n{"topic": "a", "rec')
    assert read_sendings(path) == [('a', 5, 70)]


def test_something_else_than_sendings_is_told(tmp_path):
    path = tmp_path / 'times'
    for text in ('sent!\n', '{"topic": "a"}\n'):
        path.write_text(text)
        with pytest.raises(DatasetError, match='times does not tell when messages were sent'):
            read_sendings(path)
    with pytest.raises(DatasetError, match='none does not tell'):
        read_sendings(tmp_path / 'none')
