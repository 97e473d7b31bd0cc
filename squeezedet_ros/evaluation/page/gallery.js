'use strict';
// Boxes on the pictures: what was seen and what is there, at the thresholds that are chosen.

function judge(picture, now) {
  const {frame} = picture;
  const states = {found: new Map(), truth: new Map(), sums: {missed: 0, misplaced: 0, wrong: 0}};
  drive.truth[frame]?.forEach((_, label) => {
    if (chosen.leftOut.has(label)) return;
    const match = matchClass(drive, frame, label, now);
    for (const key of Object.keys(states.sums)) states.sums[key] += match[key];
    match.objects.forEach((state, row) => states.truth.set(row, state));
    match.taken.forEach((state, place) => {
      if (drive.labels[drive.starts[frame] + place] === label) states.found.set(place, state);
    });
    match.alarms.forEach(place => states.found.set(place, 'wrong'));
  });
  return states;
}

function drawPicture(picture, index, now) {
  const figure = document.querySelector(`[data-picture="${index}"]`);
  const shot = figure.querySelector('.shot'), first = drive.starts[picture.frame];
  const states = judge(picture, now);
  shot.querySelectorAll('.box').forEach(old => old.remove());
  picture.truth?.forEach(([x0, y0, x1, y1, name], row) => {
    const state = states.truth.get(row) ?? 'neutral';
    const missed = state === 'missed';
    addBox(shot, picture.size, [x0, y0, x1, y1], state === 'right' ? 'found' : state, missed ? name : '', 'below');
  });
  // The best last, so that its label is not covered.
  for (let place = picture.boxes.length - 1; place >= 0; place--) {
    if (!isPublished(drive, now, first + place)) continue;
    const label = drive.labels[first + place];
    const text = `${drive.classes[label] ?? label} ${drive.scores[first + place].toFixed(2)}`;
    const state = picture.truth ? states.found.get(place) ?? 'neutral' : 'seen';
    addBox(shot, picture.size, picture.boxes[place], state, text, 'above');
  }
  const {missed, misplaced, wrong} = states.sums;
  figure.querySelector('.now').textContent = picture.truth
    ? `${missed} missed (${misplaced} badly placed), ${wrong} false`
    : `${shot.querySelectorAll('.box').length} detections`;
}

function addBox(shot, [height, width], [x0, y0, x1, y1], state, text, side) {
  const place = (name, value, whole) => `${name}: ${(100 * value / whole).toFixed(2)}%`;
  const style = [
    place('left', x0, width), place('top', y0, height),
    place('width', x1 - x0 + 1, width), place('height', y1 - y0 + 1, height),
  ].join(';');
  const box = element('div', {class: `box ${state}`, style});
  const cut = side === 'above' ? y0 < 0.08 * height : y1 > 0.92 * height;
  const where = cut ? 'inside' : side;
  if (text) box.append(element('span', {class: where}, text));
  shot.append(box);
}

function updateGallery() {
  const now = thresholds();
  drive.pictures.forEach((picture, index) => drawPicture(picture, index, now));
}

function makeGallery() {
  document.querySelectorAll('[data-enlarge]').forEach(button => {
    button.hidden = false;
    button.addEventListener('click', () => {
      const large = button.closest('figure').classList.toggle('large');
      button.setAttribute('aria-pressed', large);
    });
  });
}
