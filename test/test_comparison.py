"""Two evaluations side by side, by hand."""

from dataclasses import replace
import json
from pathlib import Path

from kitti_scenes import CLASSES, truth
import pytest
from records import AWAY, BOX, car, drive_of, frame, record
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.ap_change import ComparisonConfig
from squeezedet_ros.evaluation.comparison import compare
from squeezedet_ros.evaluation.comparison_input import Evaluated
from squeezedet_ros.evaluation.comparison_report import format_comparison
from squeezedet_ros.evaluation.report import make_report

TRUTH = truth(('Car', *BOX, -1, -1))
NONE = Detections.empty()
FAST = ComparisonConfig(resamples=20)


def evaluated(truths, seen, name, *, with_report=True, with_record=True, **rest):
    report = make_report(truths, seen, CLASSES, 0.5, SelectionConfig()) if with_report else None
    drive = drive_of(truths, seen, name=name, **rest) if with_record else None
    return Evaluated(Path(f'{name}.json'), report, drive)


def forty(found_cars):
    """Return truth and detections of 40 frames with a car, so many of them found."""
    seen = [car(0.9 - place / 100) for place in range(found_cars)]
    return [TRUTH] * 40, seen + [NONE] * (40 - found_cars)


def test_a_regression_by_hand():
    """
    Of 40 cars A finds 40 and B 20, nothing is wrong: samples k / 40 for k = 0, ... are reached.

    The first true positive is at recall 1/40 and is the sample of 0, so that n cars fill the
    samples 0 to n - 1: 39/40 and 19/40 of those that AP40 has.
    """
    found = compare(evaluated(*forty(40), 'a'), evaluated(*forty(20), 'b'), FAST)
    change = found.report['ap']['kitti']['ap40']['car']['all']
    assert (change['a'], change['b']) == (pytest.approx(39 / 40), pytest.approx(19 / 40))
    assert change['low'] <= change['difference'] <= change['high'] < 0
    assert found.is_regression
    assert [item['section'] for item in found.report['regressions']] == ['kitti', 'kitti_iou50']
    agreement = found.report['agreement']['classes']['car']
    assert (agreement['a'], agreement['b'], agreement['matched']) == (40, 20, 20)
    assert found.report['frames_that_changed'] == 20
    assert len(found.report['changed_frames']) == 12
    assert found.report['notes'] == []
    text = format_comparison(found.report)
    assert '40 frames compared, 40 with truth' in text
    assert text.count('FALLS') == 2
    assert 'worse by 1: 0 missed 0 false -> 1 missed 0 false; only A 1, only B 0' in text
    assert '2 of the average precisions (AP40) fall by more than 0.01' in text
    json.dumps(found.report, allow_nan=False)


def test_an_improvement_is_no_regression():
    found = compare(evaluated(*forty(20), 'a'), evaluated(*forty(40), 'b'), FAST)
    assert not found.is_regression
    assert 'better by 1' in format_comparison(found.report)


def test_reports_alone_have_no_intervals():
    sides = (
        evaluated(*forty(40), 'a', with_record=False),
        evaluated(*forty(20), 'b'),
    )
    found = compare(*sides, FAST)
    change = found.report['ap']['kitti']['ap40']['car']['all']
    assert (change['difference'], change['low']) == (pytest.approx(-0.5), None)
    assert found.is_regression
    assert found.report['agreement'] is None
    text = format_comparison(found.report)
    assert 'note: no record beside both: no intervals and no frames' in text
    assert 'interval,' not in text


def test_reports_of_other_sets_are_told():
    a = evaluated(*forty(40), 'a', with_record=False)
    b = evaluated([TRUTH], [car(0.9)], 'b', with_record=False)
    for tables in b.report.values():
        for points in ('ap11', 'ap40'):
            if isinstance(tables, dict) and points in tables:
                del tables[points]['cyclist']
    notes = compare(a, b, FAST).report['notes']
    assert notes[1:] == [
        'a.json is of 40 images, b.json of 1: differences may be those of the sets',
        'classes of one side only, left out: cyclist',
    ]


def test_only_what_is_shared_is_compared():
    truths, seen = forty(40)
    a = evaluated(truths, seen, 'a')
    b = Evaluated(
        Path('b.json'),
        None,
        record(*a.record.frames[10:], frame(7, car(0.9)), classes=('car', 'dog'), name='b'),
    )
    found = compare(a, b, FAST)
    assert found.report['frames']['shared'] == 30
    assert found.report['notes'] == [
        'frames of A only, left out: 10',
        'frames of B only, left out: 1',
        'classes of one side only, left out: pedestrian, cyclist, dog',
    ]
    change = found.report['ap']['kitti']['ap40']['car']['all']
    assert change['a'] == change['b']


def test_without_truth_agreement_is_what_there_is():
    a = Evaluated(Path('a'), None, record(frame(1, car(0.9)), frame(2, car(0.8))))
    b = Evaluated(Path('b'), None, record(frame(1, car(0.7)), frame(2, car(0.8, AWAY))))
    found = compare(a, b, FAST)
    assert found.report['ap'] == {}
    assert found.report['coco'] is None
    assert found.report['agreement']['all']['agreement'] == pytest.approx(2 / 4)
    assert not found.is_regression
    assert found.report['notes'] == ['compared frames without truth, not scored: 2']
    assert '\n\n\n' not in format_comparison(found.report)
    strict = compare(a, b, ComparisonConfig(min_agreement=0.6))
    assert strict.is_regression
    assert 'agreement 0.500 is below 0.6' in format_comparison(strict.report)


def test_of_frames_without_truth_no_precision_is_told():
    """Each side has truth in frames that the other did not look at; its table is of those."""
    a, b = forty(4), forty(2)
    sides = []
    for name, (told, seen), first in (('a', a, 0), ('b', b, 100)):
        made = evaluated(told[:4], seen[:4], name)
        frames = [frame(first + place, seen[place], told[place]) for place in range(4)]
        frames += [frame(1000 + place, car(0.8)) for place in range(4)]
        sides.append(made._replace(record=record(*frames, name=name)))
    found = compare(*sides, FAST)
    assert found.report['frames']['with_truth'] == 0
    assert found.report['ap'] == {}
    assert not found.is_regression
    format_comparison(found.report)


def test_one_block_of_frames_has_no_interval():
    sides = evaluated(*forty(40), 'a'), evaluated(*forty(20), 'b')
    config = replace(FAST, block_frames=40)
    found = compare(*sides, config)
    change = found.report['ap']['kitti']['ap40']['car']['all']
    assert (change['low'], change['high'], change['resamples']) == (None, None, 0)
    assert found.is_regression
    assert found.report['notes'] == [
        'no intervals: the 40 frames with truth are one block of 40 (block_frames)'
    ]
    with pytest.raises(ConfigError, match=r'more frames than block_frames \(40\), got 40'):
        compare(*sides, replace(config, only_certain=True))
    config = replace(FAST, block_frames=39)
    change = compare(*sides, config).report['ap']['kitti']['ap40']['car']['all']
    assert change['low'] is not None


def test_a_report_of_less_truth_is_not_of_another_run():
    """A has truth of half the frames; of the others B's counts for both."""
    truths, seen = forty(30)
    half = [told if place % 2 else None for place, told in enumerate(truths)]
    scored = [pair for pair in zip(half, seen, strict=True) if pair[0] is not None]
    report = make_report(*map(list, zip(*scored, strict=True)), CLASSES, 0.5, SelectionConfig())
    first = evaluated(half, seen, 'a', with_report=False)._replace(report=report)
    found = compare(first, evaluated(truths, seen, 'b'), FAST)
    assert not [note for note in found.report['notes'] if 'one run' in note]
    repeated = evaluated(truths, seen, 'b')
    twice = [*repeated.record.frames, repeated.record.frames[0]]
    repeated = repeated._replace(record=replace(repeated.record, frames=twice))
    notes = compare(repeated, repeated, FAST).report['notes']
    assert not [note for note in notes if 'one run' in note]


def test_dropped_frames_are_missed_where_all_count():
    """B did not look at 20 of 40 cars; 19/40 of AP40 are left as in the regression above."""
    truths, seen = forty(40)
    a = evaluated(truths, seen, 'a')
    frames = [
        replace(item, detections=item.detections if place < 20 else None)
        for place, item in enumerate(a.record.frames)
    ]
    b = a._replace(report=None, record=replace(a.record, frames=frames))
    scores = {}
    for scoring in ('looked_at', 'all'):
        found = compare(a, b, ComparisonConfig(resamples=5, scoring=scoring))
        change = found.report['ap']['kitti']['ap40']['car']['all']
        scores[scoring] = [change['a'], change['b']]
        assert 'shared frames that B did not look at' in found.report['notes'][0]
    assert scores['looked_at'] == pytest.approx([19 / 40] * 2)
    assert scores['all'] == pytest.approx([39 / 40, 19 / 40])


def test_a_record_of_another_run_is_told():
    a, b = evaluated(*forty(40), 'a'), evaluated(*forty(40), 'b')
    assert compare(a, b, FAST).report['notes'] == []
    stale = a._replace(record=evaluated(*forty(20), 'a').record)
    (note,) = compare(stale, b, FAST).report['notes']
    assert note.startswith('a.json says other than the record beside it, which is used here (car')


def test_certain_falls_need_frames():
    bare = evaluated(*forty(40), 'a', with_record=False)
    with pytest.raises(ConfigError, match=r'other scoring than looked_at need .* no record of a'):
        compare(bare, bare, ComparisonConfig(only_certain=True))
    # Records whose frames have no truth, beside reports that have average precision.
    blind = evaluated(*forty(40), 'a')
    frames = [replace(frame, truth=None) for frame in blind.record.frames]
    blind = blind._replace(record=replace(blind.record, frames=frames))
    with pytest.raises(ConfigError, match='they truth in frames that both looked at, got none'):
        compare(blind, blind, ComparisonConfig(only_certain=True))


def test_what_has_nothing_in_common_is_told():
    bare = evaluated(*forty(40), 'a', with_record=False)
    seen = Evaluated(Path('b'), None, record(frame(1, car(0.9))))
    with pytest.raises(DatasetError, match='got b without average precision'):
        compare(bare, seen, FAST)
    other = evaluated([truth()], [NONE], 'c', with_record=False)
    with pytest.raises(DatasetError, match=r'a.json and c.json have no average precision in comm'):
        compare(bare, other, FAST)
