'use strict';
// Charts by uPlot; each is an image to a screen reader, what it says stands in tables and texts.

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = index => css(`--c${index % 7}`);
const charts = new Map();

/** Draw, or draw anew, a chart in the element of that id. */
function chart(id, {x, y, data, series, range, hooks = {}, sync}) {
  const place = $(id);
  charts.get(id)?.destroy();
  const axis = (label, size) => ({
    label, size, stroke: () => css('--text'), labelSize: 22, labelFont: '13px system-ui',
    font: '12px system-ui', grid: {stroke: () => css('--line'), width: 1},
    ticks: {stroke: () => css('--line')},
  });
  const made = new uPlot({
    width: place.clientWidth, height: 260, hooks,
    cursor: {points: {size: 6}, y: false, ...(sync ? {sync: {key: sync}} : {drag: {x: false}})},
    legend: {
      live: !sync && matchMedia('(hover: hover)').matches,
      markers: {dash: (u, index) => u.series[index].dash?.length ? 'dashed' : 'solid'},
    },
    scales: {x: {time: false, range: range?.x}, y: {range: range?.y ?? ((u, low, high) => [0, (high || 1) * 1.05])}},
    axes: [axis(x, 34), axis(y, 56)],
    series: [{label: x}, ...series.map(line => ({width: 2, points: {filter: loneIn, size: 6, fill: (u, i) => u.series[i].stroke(u, i)}, ...line}))],
  }, data, place);
  charts.set(id, made);
  return made;
}

function fitCharts() {
  charts.forEach((made, id) => made.setSize({width: $(id).clientWidth, height: made.height}));
}

/** Name the points that no line reaches, since there is nothing on either side. */
function loneIn(u, index) {
  const values = u.data[index], empty = i => (values[i] ?? null) === null;
  return [...values.keys()].filter(i => !empty(i) && empty(i - 1) && empty(i + 1));
}

const UNIT = {x: [0, 1.02], y: [0, 1.02]};
const DASHES = [[], [6, 4]];
const DIFFICULTIES = ['easy', 'moderate', 'hard', 'all'];
let operating = [];

function makeCurves() {
  if (!drive.curves) return;
  drive.curves.forEach((curves, label) => {
    if (!curves.length) return;
    const overlaps = [...new Set(curves.map(curve => curve.overlap))];
    chart(`curve-${label}`, {
      x: 'recall', y: 'precision', range: UNIT,
      data: [drive.sweep.recalls, ...curves.map(curve => curve.precision)],
      series: curves.map(curve => ({
        label: `${curve.difficulty} ${curve.overlap}`,
        stroke: () => colour([2, 0, 1, 6][DIFFICULTIES.indexOf(curve.difficulty)]),
        dash: DASHES[overlaps.indexOf(curve.overlap)],
      })),
      hooks: {draw: [u => dot(u, operating[label])]},
    });
    const [right, wrong, missed] = drive.sweep.counts[label];
    const rates = other => right.map((hits, i) => hits + other[i] ? hits / (hits + other[i]) : null);
    chart(`sweep-${label}`, {
      x: 'threshold', y: 'share', range: UNIT,
      data: [drive.sweep.thresholds, rates(wrong), rates(missed)],
      series: ['precision', 'recall'].map((name, i) => ({label: name, stroke: () => colour(i), dash: DASHES[i]})),
      hooks: {draw: [u => upright(u, chosen.own[drive.classes[label]] ?? chosen.common)]},
    });
  });
}

function dot(u, row) {
  const at = [row && recall(row), row && precision(row)];
  if (!at.every(Number.isFinite)) return;
  u.ctx.beginPath();
  u.ctx.arc(u.valToPos(at[0], 'x', true), u.valToPos(at[1], 'y', true), 5 * devicePixelRatio, 0, 7);
  u.ctx.fillStyle = css('--text');
  u.ctx.fill();
}

function upright(u, value) {
  u.ctx.fillStyle = css('--text');
  u.ctx.fillRect(u.valToPos(value, 'x', true), u.bbox.top, devicePixelRatio, u.bbox.height);
}

function updateCurves(rows) {
  operating = rows.map((row, label) => chosen.leftOut.has(label) ? null : row);
  charts.forEach((made, id) => { if (/^(curve|sweep)/.test(id)) made.redraw(false); });
}

// ---- time: frames in the order of their stamps, with an empty row where the bag has none ----
const HOLE = 'no frame';
const moments = [
  ...drive.times.map((time, frame) => ({time, frame})),
  ...drive.gaps.filter(gap => gap[2] === HOLE).map(([start, end]) => ({time: (start + end) / 2})),
].sort((one, other) => one.time - other.time);
const overTime = value => moments.map(({frame}) => frame === undefined ? null : value(frame));
const outcomes = [...new Set(drive.gaps.map(gap => gap[2]))];
const gapColour = outcome => colour([1, 3, 4, 5, 6][outcomes.indexOf(outcome) % 5]);

function shade(u) {
  for (const [start, end, outcome] of drive.gaps) {
    const left = u.valToPos(start, 'x', true), right = u.valToPos(end, 'x', true);
    const from = Math.max(left, u.bbox.left), to = Math.min(right, u.bbox.left + u.bbox.width);
    if (to < u.bbox.left || from > u.bbox.left + u.bbox.width) continue;
    const width = Math.max(to - from, devicePixelRatio);
    u.ctx.fillStyle = gapColour(outcome);
    u.ctx.globalAlpha = 0.18;
    u.ctx.fillRect(from, u.bbox.top, width, u.bbox.height);
    u.ctx.globalAlpha = 1;
    u.ctx.fillRect(from, u.bbox.top, width, 5 * devicePixelRatio);
  }
}

function timeline(id, y, data, series) {
  chart(id, {
    x: 'seconds', y, sync: 'time', hooks: {drawClear: [shade], setCursor: [followCursor]},
    data: [moments.map(moment => moment.time), ...data], series,
  });
}

function makeTimelines() {
  document.querySelectorAll('[data-outcome]').forEach(swatch => {
    swatch.style.background = gapColour(swatch.dataset.outcome);
  });
  const stages = Object.entries(drive.stages);
  if (stages.length) {
    const spent = values => overTime(frame => drive.found[frame] === null ? null : values[frame]);
    timeline('latency', 'milliseconds', stages.map(([, values]) => spent(values)),
      stages.map(([label], i) => ({label, stroke: () => colour(i), dash: DASHES[Math.floor(i / 7) % 2]})));
  }
  const lines = drive.classes.map((label, i) => (
    {label, stroke: () => colour(i), dash: DASHES[Math.floor(i / 7) % 2]}));
  const {counts, means} = seenOverTime();
  timeline('seen', 'detections', counts, lines);
  timeline('scores', 'mean probability', means, lines);
}

/** Return by class how many detections are published and their mean score, frame by frame. */
function seenOverTime() {
  const now = thresholds();
  const sums = drive.found.map((found, frame) => found === null ? null : sumPublished(drive, frame, now));
  const rows = value => drive.classes.map((_, label) => chosen.leftOut.has(label)
    ? moments.map(() => null) : overTime(frame => sums[frame] && value(sums[frame], label)));
  return {
    counts: rows((sum, label) => sum.counts[label]),
    means: rows((sum, label) => sum.counts[label] ? sum.scores[label] / sum.counts[label] : null),
  };
}

function updateTimelines() {
  const {counts, means} = seenOverTime();
  for (const [id, columns] of [['seen', counts], ['scores', means]]) {
    const made = charts.get(id), {min, max} = made.scales.x;
    made.setData([made.data[0], ...columns]);
    // New data shows all of the drive; what was zoomed to is kept.
    if (min !== null) made.setScale('x', {min, max});
  }
  showFrame();
}

/** Say what happened in the frame that the slider names, and point at it in both charts. */
function showFrame() {
  const frame = Number($('frame').value), time = drive.times[frame];
  const {counts} = sumPublished(drive, frame, thresholds());
  const seen = drive.classes.map((name, label) => `${name} ${counts[label]}`).join(', ');
  const spent = Object.entries(drive.stages).filter(([, values]) => values[frame] !== null)
    .map(([name, values]) => `${name} ${values[frame]} ms`).join(', ');
  $('frame-text').value = `Frame ${frame + 1} of ${drive.times.length} at ${time.toFixed(3)} s: ` +
    `${drive.outcomes[frame]}; ${drive.found[frame] === null ? 'not looked at' : seen}${spent && `; ${spent}`}`;
}

function followCursor(u) {
  const frame = u.cursor.event && moments[u.cursor.idx]?.frame;
  if (frame === undefined || frame === null) return;
  $('frame').value = frame;
  showFrame();
}

const timelines = () => ['latency', 'seen', 'scores'].flatMap(id => charts.get(id) ?? []);

/** Show a stretch of the drive, so many times as long as the one that is seen, about the frame. */
function zoom(factor) {
  const last = moments.at(-1).time, time = drive.times[$('frame').value];
  for (const made of timelines()) {
    const half = factor * (made.scales.x.max - made.scales.x.min) / 2;
    made.setScale('x', {min: Math.max(0, time - half), max: Math.min(last, time + half)});
  }
  pointAtFrame();
}

function pointAtFrame() {
  showFrame();
  for (const made of timelines()) {
    const x = drive.times[$('frame').value];
    made.setCursor({left: made.valToPos(x, 'x'), top: made.over.clientHeight / 2});
  }
}
