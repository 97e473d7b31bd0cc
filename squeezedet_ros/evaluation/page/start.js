'use strict';
function update() {
  const rows = showCounts();
  updateCurves(rows);
  updateTimelines();
  updateGallery();
}

function draw() {
  makeCurves();
  makeTimelines();
}

function fit() {
  fitCharts();
  document.querySelectorAll('.scroll').forEach(box => {
    // Only what scrolls needs to be reached by the tab key.
    box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  });
}

readAddress();
makeControls(update);
showControls();
makeGallery();
draw();
$('frame').addEventListener('input', pointAtFrame);
document.querySelectorAll('[data-zoom]').forEach(button => {
  button.addEventListener('click', () => zoom(Number(button.dataset.zoom)));
});
update();
fit();
addEventListener('resize', fit);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
