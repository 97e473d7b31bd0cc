'use strict';
// What is chosen: thresholds and classes, in the address too, so that a view can be sent.

const drive = openDrive(JSON.parse(document.getElementById('data').textContent));
const hasTruth = drive.truth.some(Boolean);
let chosen;

const $ = id => document.getElementById(id);
const shorter = value => value.toFixed(3).replace(/0$/, '');

/** Three digits, as Python prints them: ties go to the even one, and only sixteenths are ties. */
function share(value) {
  if (!Number.isFinite(value)) return '–';
  const down = value * 16 % 2 === 1 && Math.floor(value * 1000) % 2 === 0;
  return (down ? value - 1e-4 : value).toFixed(3);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const number = key => {
    const value = wanted.has(key) ? Number(wanted.get(key)) : NaN;
    return value >= 0 && value <= 1 ? value : undefined;
  };
  const common = number('thresh');
  chosen = {
    common: common ?? drive.thresholds.common,
    own: bare(common === undefined ? drive.thresholds.own : {}),
    leftOut: new Set(drive.thresholds.left_out),
    withDropped: wanted.get('dropped') === 'missed',
  };
  for (const name of drive.classes) {
    const own = number(`thresh.${name}`);
    if (own !== undefined) chosen.own[name] = own;
  }
  if (wanted.has('class')) {
    const kept = wanted.getAll('class');
    chosen.leftOut = new Set([...drive.classes.keys()].filter(i => !kept.includes(drive.classes[i])));
  }
}

function writeAddress() {
  const parts = new URLSearchParams({thresh: chosen.common});
  for (const [name, value] of Object.entries(chosen.own)) parts.set(`thresh.${name}`, value);
  const kept = drive.classes.filter((_, label) => !chosen.leftOut.has(label));
  if (chosen.leftOut.size) for (const name of kept.length ? kept : ['']) parts.append('class', name);
  if (chosen.withDropped) parts.set('dropped', 'missed');
  history.replaceState(null, '', `#${parts}`);
}

const thresholds = () => thresholdsOf(chosen.common, chosen.own, chosen.leftOut, drive.classes);

function makeControls(changed) {
  const listen = (input, action) => input.addEventListener('input', () => {
    action(input);
    writeAddress();
    showControls();
    changed();
  });
  listen($('common'), input => Object.assign(chosen, {common: Number(input.value), own: bare({})}));
  if ($('dropped')) listen($('dropped'), input => { chosen.withDropped = input.checked; });
  drive.classes.forEach((name, label) => {
    const box = element('input', {type: 'checkbox', id: `shown-${label}`});
    const range = element('input', {
      type: 'range', id: `own-${label}`, min: 0, max: 1, step: 0.01,
      'aria-label': `least probability of ${name}`,
    });
    $('classes').append(element('div', {class: 'class'},
      element('span', {}, box, ' ', element('label', {for: `shown-${label}`}, swatch(label), name)),
      range, element('output', {for: `own-${label}`, id: `own-value-${label}`})));
    listen(box, () => chosen.leftOut[box.checked ? 'delete' : 'add'](label));
    listen(range, () => { chosen.own[name] = Number(range.value); });
  });
  $('reset').addEventListener('click', () => {
    history.replaceState(null, '', '#');
    readAddress();
    showControls();
    changed();
  });
  addEventListener('hashchange', () => {
    // A link to a section changes nothing.
    if (!location.hash.includes('=')) return;
    readAddress();
    showControls();
    changed();
  });
}

const swatch = index => element('span', {class: 'swatch', style: `background: var(--c${index % 7})`});

function showControls() {
  $('common').value = chosen.common;
  $('common-value').value = shorter(chosen.common);
  if ($('dropped')) $('dropped').checked = chosen.withDropped;
  drive.classes.forEach((name, label) => {
    const value = chosen.own[name] ?? chosen.common;
    $(`shown-${label}`).checked = !chosen.leftOut.has(label);
    $(`own-${label}`).value = value;
    $(`own-${label}`).disabled = chosen.leftOut.has(label);
    $(`own-value-${label}`).value = shorter(value);
  });
}

/** Fill the table of counts and the line beside the slider; return the counts by label. */
function showCounts() {
  const rows = hasTruth ? scoredRows() : seenRows();
  const kept = rows.filter((_, label) => !chosen.leftOut.has(label));
  const keys = Object.keys(rows[0]);
  const total = Object.fromEntries(keys.map(key => [key, kept.reduce((sum, row) => sum + row[key], 0)]));
  const line = (name, row, label) => element('tr', {'data-class': name, class: row ? '' : 'off'},
    element('th', {scope: 'row'}, ...(label === undefined ? [] : [swatch(label)]), name),
    ...cells(row, keys));
  $('counts').replaceChildren(
    ...drive.classes.map((name, label) => line(name, chosen.leftOut.has(label) ? null : rows[label], label)),
    line('all', total));
  $('totals').textContent = hasTruth
    ? `precision ${share(precision(total))}, recall ${share(recall(total))}`
    : `${total.seen} detections`;
  return rows;
}

const precision = row => row.right / (row.right + row.wrong);
const recall = row => row.right / (row.right + row.missed);

function cells(row, keys) {
  const cell = (key, text) => element('td', {'data-count': key}, row ? String(text) : '–');
  const counts = keys.map(key => cell(key, row?.[key]));
  if (!hasTruth) return counts;
  const rates = {precision: row && share(precision(row)), recall: row && share(recall(row))};
  counts.splice(-1, 0, ...Object.entries(rates).map(([key, text]) => cell(key, text)));
  return counts;
}

const scoredRows = () => countMatches(drive, thresholds(), chosen.withDropped);

function seenRows() {
  const rows = drive.classes.map(() => ({seen: 0, frames: 0}));
  const now = thresholds();
  drive.found.forEach((_, frame) => sumPublished(drive, frame, now).counts.forEach((count, label) => {
    rows[label].seen += count;
    rows[label].frames += count > 0;
  }));
  return rows;
}
