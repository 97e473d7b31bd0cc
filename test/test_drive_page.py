"""The page of a drive, as text and in a browser."""

from html.parser import HTMLParser
import json
import re
import shutil
import subprocess

from drives import drive, frame, grey, random_drive, scored
from kitti_scenes import CLASSES, found, truth
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.average_precision import count_matches
from squeezedet_ros.evaluation.drive_page import write_drive_page
from squeezedet_ros.evaluation.drive_page_data import seen_with_truth
from squeezedet_ros.evaluation.evaluator import published

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
HEADLESS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--virtual-time-budget=3000',
    '--window-size=900,900',
)
CAR = (100, 100, 200, 200)
AWAY = (400, 100, 500, 200)


class Page(HTMLParser):
    """The elements of a page that have an id, a reference or data, and its table of counts."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.tags = [], [], []
        self.counts = {}
        self._row, self._cell = None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.ids += [attributes['id']] if 'id' in attributes else []
        for name in ('for', 'aria-labelledby'):
            self.references += attributes.get(name, '').split()
        if tag == 'tr':
            self._row = attributes.get('data-class')
        self._cell = attributes.get('data-count')

    def handle_data(self, text):
        if self._row and self._cell:
            self.counts[self._row, self._cell] = text
            self._cell = None


@pytest.fixture(scope='module')
def record():
    return random_drive(5, 60)


@pytest.fixture(scope='module')
def page(record, tmp_path_factory):
    return write_drive_page(tmp_path_factory.mktemp('page'), record, scored(record), grey)


def embedded(path):
    text = path.read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</', text)[1])


def load(path, address, folder):
    """Return the page as it is after its script ran, and what the script complained of."""
    done = subprocess.run(
        [
            BROWSER,
            *HEADLESS,
            f'--user-data-dir={folder}',
            '--enable-logging=stderr',
            '--dump-dom',
            path.as_uri() + address,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return Page(done.stdout), re.findall(r'CONSOLE.*', done.stderr)


@pytest.mark.skipif(BROWSER is None, reason='no Chromium to open the page in')
@pytest.mark.parametrize(
    ('address', 'selection'),
    [
        ('', SelectionConfig(plot_prob_thresh=0.4)),
        ('#thresh=0.75', SelectionConfig(plot_prob_thresh=0.75)),
        (
            '#thresh=0.2&thresh.car=0.55&class=car&class=cyclist',
            SelectionConfig(
                plot_prob_thresh=0.2,
                class_thresh=('car=0.55',),
                class_filter=('car', 'cyclist'),
            ),
        ),
    ],
)
def test_counts_in_a_browser_equal_the_evaluation(record, page, address, selection, tmp_path):
    shown, complaints = load(page, address, tmp_path)
    assert complaints == []
    truths, detections = seen_with_truth(record)
    seen = published(detections, selection, CLASSES)
    for name, counts in count_matches(truths, seen, CLASSES, 0.5, -1.0).items():
        cells = {key: text for (row, key), text in shown.counts.items() if row == name}
        if selection.class_filter and name not in selection.class_filter:
            assert set(cells.values()) == {'–'}  # noqa: RUF001
            continue
        _, hits, false_alarms, misses = counts
        assert [int(cells[key]) for key in ('truth', 'right', 'wrong', 'missed')] == list(counts)
        assert cells['precision'] == f'{hits / (hits + false_alarms):.3f}'
        assert cells['recall'] == f'{hits / (hits + misses):.3f}'


@pytest.mark.skipif(BROWSER is None, reason='no Chromium to open the page in')
def test_frames_that_nobody_looked_at_can_count_as_missed(tmp_path):
    record = drive(
        frame(0, found((0, 0.9, *CAR), (0, 0.5, *AWAY)), truth=truth(('Car', *CAR))),
        frame(1, truth=truth(('Car', *CAR), ('Car', *AWAY))),
    )
    page = write_drive_page(tmp_path, record, scored(record), grey)
    counts = load(page, '#thresh=0.4&dropped=missed', tmp_path / 'profile')[0].counts
    keys = ('truth', 'right', 'wrong', 'missed', 'recall')
    assert [counts['car', key] for key in keys] == ['3', '1', '1', '2', '0.333']
    shown, _ = load(page, '', tmp_path / 'profile')
    assert [shown.counts['car', key] for key in keys] == ['1', '1', '1', '0', '1.000']
    kinds = [item['class'] for tag, item in shown.tags if item.get('class', '').startswith('box ')]
    assert kinds.count('box right') == kinds.count('box wrong') == 2  # once in the key


@pytest.mark.skipif(BROWSER is None, reason='no Chromium to open the page in')
def test_without_truth_what_was_seen_is_counted(tmp_path):
    record = drive(frame(0, found((0, 0.9, *CAR), (0, 0.5, *AWAY))), frame(1, found()), frame(2))
    picked = [{'frame': 0, 'stamp_ns': record.frames[0].stamp_ns, 'reason': 'two & more'}]
    page = write_drive_page(tmp_path, record, {'drive': {'picked': picked}}, grey)
    shown, complaints = load(page, '#thresh=0.6', tmp_path / 'profile')
    assert complaints == []
    assert shown.counts['car', 'seen'] == shown.counts['car', 'frames'] == '1'
    assert shown.counts['all', 'seen'] == '1'
    assert len([tag for tag, item in shown.tags if item.get('class') == 'box seen']) == 1
    assert 'curves' not in shown.ids
    assert 'two &amp; more' in page.read_text()


def test_the_report_says_which_thresholds_and_how_many_frames_are_shown(tmp_path):
    frames = (frame(number, found(), truth=truth(('Car', *CAR))) for number in range(3))
    kept = {'class_thresh': ['car=0.005'], 'class_filter': ['car']}
    record = drive(*frames, selection=kept, evaluation={'gallery_frames': 2})
    report = scored(record)
    report['counts']['class_thresh'] = {'car': 0.55}
    data = embedded(write_drive_page(tmp_path, record, report, grey))
    assert data['thresholds'] == {'common': 0.4, 'own': {'car': 0.55}, 'left_out': [1, 2]}
    assert [picture['frame'] for picture in data['pictures']] == [0, 1]


def test_the_page_needs_nothing_else(page):
    text = page.read_text()
    for tag, attributes in Page(text).tags:
        for name in ('src', 'href'):
            assert attributes.get(name, '#').startswith(('#', 'data:')), (tag, attributes)
    assert not re.search(r'@import|url\(', text)
    assert "default-src 'none'" in text
    assert 'Permission is hereby granted' in text


def test_references_are_to_what_is_there(page):
    shown = Page(page.read_text())
    assert len(set(shown.ids)) == len(shown.ids)
    anchors = [item['href'][1:] for tag, item in shown.tags if tag == 'a']
    assert {*shown.references, *anchors} <= set(shown.ids)
    assert all(item['alt'] for tag, item in shown.tags if tag == 'img')


def test_texts_of_the_drive_cannot_become_elements(tmp_path):
    evil = '</script><script>alert(1)</script>'
    record = drive(frame(0, found((0, 0.9, *CAR)), outcome=evil), name=evil, bag=evil)
    path = write_drive_page(tmp_path, record, {'drive': {'warnings': [evil]}}, grey)
    assert evil not in path.read_text()
    assert embedded(path)['outcomes'] == [evil]
