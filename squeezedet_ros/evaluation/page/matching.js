'use strict';
// KITTI's matching at any threshold, from the candidates that drive_matches.py found.

const SMALL = 1, IGNORED = 2;

/** Make the embedded data ready: typed columns, and where each frame's detections start. */
function openDrive(data) {
  const column = (text, Type) => new Type(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const starts = [0];
  for (const count of data.found) starts.push(starts.at(-1) + (count ?? 0));
  return {
    ...data,
    starts,
    scores: column(data.scores, Float32Array),
    labels: column(data.labels, Uint16Array),
    flags: column(data.flags, Uint8Array),
  };
}

/** Return a copy that has no names but its own: a class may be called as a method is. */
const bare = values => Object.assign(Object.create(null), values);

/**
 * Return the least score by label, the last for labels beyond the classes; single precision, as
 * the scores are, so that a score equal to the threshold is published.
 */
function thresholdsOf(common, own, leftOut, classes) {
  const each = classes.map((name, label) => leftOut.has(label) ? Infinity : own[name] ?? common);
  return Float32Array.from([...each, common]);
}

function isPublished(drive, thresholds, place) {
  const label = Math.min(drive.labels[place], thresholds.length - 1);
  return drive.scores[place] >= thresholds[label];
}

/** Count what is published of a frame and add up its scores, by label. */
function sumPublished(drive, frame, thresholds) {
  const counts = drive.classes.map(() => 0), scores = drive.classes.map(() => 0);
  for (let place = drive.starts[frame]; place < drive.starts[frame + 1]; place++) {
    const label = drive.labels[place];
    if (label >= counts.length || !isPublished(drive, thresholds, place)) continue;
    counts[label]++;
    scores[label] += drive.scores[place];
  }
  return {counts, scores};
}

/**
 * Match one class in one frame that has truth. `objects` tells by row of the truth what became of
 * each that must be found, `taken` what the detections, by place in the frame, were taken for.
 */
function matchClass(drive, frame, label, thresholds) {
  const first = drive.starts[frame];
  const shown = place => isPublished(drive, thresholds, first + place);
  const result = {truth: 0, right: 0, wrong: 0, missed: 0, misplaced: 0};
  const objects = new Map(), taken = new Map(), alarms = new Set();
  for (const [row, counted, near, small, beside] of drive.truth[frame][label]) {
    const free = place => shown(place) && !taken.has(place);
    const hit = near.find(free), found = hit ?? small.find(free);
    if (found !== undefined) taken.set(found, counted && hit !== undefined ? 'right' : 'neutral');
    if (!counted) continue;
    result.truth++;
    if (hit !== undefined) result.right++;
    if (found === undefined) result.missed++;
    const own = place => drive.labels[first + place] === label && shown(place);
    if (beside.some(shown) && !near.some(own) && !small.some(own)) result.misplaced++;
    objects.set(row, found === undefined ? 'missed' : hit === undefined ? 'neutral' : 'right');
  }
  for (let place = first; place < drive.starts[frame + 1]; place++) {
    if (drive.labels[place] !== label || drive.flags[place] || taken.has(place - first)) continue;
    if (!isPublished(drive, thresholds, place)) continue;
    result.wrong++;
    alarms.add(place - first);
  }
  return {...result, objects, taken, alarms};
}

/** Sum over the frames with truth; a frame that nobody looked at counts only on demand. */
function countMatches(drive, thresholds, withDropped) {
  const names = ['truth', 'right', 'wrong', 'missed', 'misplaced'];
  const rows = drive.classes.map(() => Object.fromEntries(names.map(name => [name, 0])));
  drive.truth.forEach((truth, frame) => {
    if (!truth || (drive.found[frame] === null && !withDropped)) return;
    rows.forEach((row, label) => {
      const found = matchClass(drive, frame, label, thresholds);
      for (const name of names) row[name] += found[name];
    });
  });
  return rows;
}
