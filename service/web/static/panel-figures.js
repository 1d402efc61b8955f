/**
 * The charts of the page of figures, drawn from the JSON in #figures by Chart.js, which a classic script
 * before this module has loaded. Beside each chart the page has a table with the same numbers: where this
 * module or the library does not run, nothing is lost.
 */

/** At least 3:1 to the page, and apart from each other for every kind of colour vision; patterns do the rest. */
const COLOURS = { understood: '#0072b2', asked: '#c25e00', missed: '#5c1033', talks: '#1a1a1a' };
const INK = '#2b1a0d';
const GRID = '#ddd3c3';
const MOST_NODES = 12;
/** A bar of more days than this is too thin for a border and a pattern. */
const MOST_PATTERNED_DAYS = 45;
const HEIGHT_PX = 320;
const ROW_PX = 46;
/** What legend and axis take of a chart with horizontal bars. */
const FRAME_PX = 90;
const LONGEST_TITLE = 12;

// --- patterns --------------------------------------------------------------------------------

/** Lines in a tile of 8 by 8; they go on in the next tile. */
const STRIPES = [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]];
const CROSSES = [...STRIPES, [-2, -2, 10, 10], [6, -2, 10, 2], [-2, 6, 2, 10]];

/** A colour with light lines on it: mostly colour, so that it keeps its contrast to the page. */
function pattern(colour, lines) {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const pen = tile.getContext('2d');
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = '#ffffff';
  pen.lineWidth = 1.5;
  for (const [fromX, fromY, toX, toY] of lines) {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }
  return pen.createPattern(tile, 'repeat');
}

/** How bars of a kind look. */
function bars(kind, patterned = true) {
  const colour = COLOURS[kind];
  // Without gaps: a page of thin bars and gaps would be a pale grey.
  if (!patterned) return { backgroundColor: colour, borderWidth: 0, barPercentage: 1, categoryPercentage: 1 };
  const lines = { asked: STRIPES, missed: CROSSES }[kind];
  return { backgroundColor: lines ? pattern(colour, lines) : colour, borderColor: colour, borderWidth: 2 };
}

// --- charts ----------------------------------------------------------------------------------

const pick = (list, key) => list.map((item) => item[key]);
const shortened = (title) => {
  const letters = [...title];
  return letters.length > LONGEST_TITLE ? `${letters.slice(0, LONGEST_TITLE - 1).join('')}…` : title;
};
/** Counts are whole numbers from nought on, and an axis without any still has one. */
const counts = () => ({ beginAtZero: true, suggestedMax: 4, ticks: { precision: 0 }, grid: { color: GRID } });
const named = (text) => ({ display: Boolean(text), text });

/** Bars that lie: there is room for a title beside each. */
function lying(titles, datasets) {
  return {
    type: 'bar',
    data: { labels: titles, datasets },
    options: {
      indexAxis: 'y',
      scales: {
        x: counts(),
        y: {
          grid: { display: false },
          ticks: { autoSkip: false, callback: (index) => shortened(titles[index]) },
        },
      },
    },
  };
}

function daysChart({ days, labels }) {
  const patterned = days.length <= MOST_PATTERNED_DAYS;
  const stacked = ['understood', 'asked', 'missed'].map((kind) => (
    { label: labels[kind], data: pick(days, kind), stack: 'turns', order: 1, ...bars(kind, patterned) }));
  const talks = {
    type: 'line', label: labels.talks, data: pick(days, 'talks'), stack: 'talks', order: 0,
    borderColor: COLOURS.talks, borderWidth: patterned ? 2 : 1, borderDash: patterned ? [6, 3] : [],
    backgroundColor: '#ffffff', pointStyle: 'rectRot', pointRadius: patterned ? 5 : 0, pointBorderWidth: 2,
  };
  return {
    type: 'bar',
    data: { labels: pick(days, 'day'), datasets: [talks, ...stacked] },
    options: {
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
        y: { ...counts(), stacked: true },
      },
    },
  };
}

function nodesChart({ nodes, labels }) {
  const most = nodes.slice(0, MOST_NODES);
  return lying(pick(most, 'title'), [
    { label: labels.visits, data: pick(most, 'visits'), ...bars('understood') },
    { label: labels.missed, data: pick(most, 'missed'), ...bars('missed') },
  ]);
}

function hoursChart({ hours, labels }) {
  return {
    type: 'bar',
    data: {
      labels: hours.map((_, hour) => hour),
      datasets: [{ label: `${labels.talks} + ${labels.visits}`, data: hours, ...bars('understood') }],
    },
    options: {
      scales: {
        x: { title: named(labels.hour), grid: { display: false }, ticks: { maxRotation: 0 } },
        y: counts(),
      },
    },
  };
}

function completionChart({ completion, labels }) {
  return lying(pick(completion, 'title'), [
    { label: labels.begun, data: pick(completion, 'begun'), ...bars('asked') },
    { label: labels.finished, data: pick(completion, 'finished'), ...bars('understood') },
  ]);
}

// --- the page --------------------------------------------------------------------------------

function draw(id, chart, rows = null) {
  const canvas = document.getElementById(id);
  if (!canvas) return;
  canvas.setAttribute('role', 'img');
  if (canvas.dataset.label) canvas.setAttribute('aria-label', canvas.dataset.label);
  canvas.hidden = rows === 0;
  if (rows === 0) return;
  // The library takes its size from the parent, which has to hold nothing else. Set from here, not by an
  // attribute, so that the policy of the page allows it.
  const frame = document.createElement('div');
  frame.style.position = 'relative';
  frame.style.height = `${rows === null ? HEIGHT_PX : rows * ROW_PX + FRAME_PX}px`;
  canvas.replaceWith(frame);
  frame.append(canvas);
  new window.Chart(canvas, chart);
}

function start() {
  const source = document.getElementById('figures');
  if (!source || !window.Chart) return;
  const { defaults } = window.Chart;
  defaults.font.family = 'system-ui';
  defaults.font.size = 14;
  defaults.color = INK;
  defaults.borderColor = GRID;
  defaults.maintainAspectRatio = false;
  defaults.plugins.legend.labels.boxWidth = 28;
  defaults.plugins.tooltip.mode = 'index';
  defaults.plugins.tooltip.intersect = false;
  if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) defaults.animation = false;

  const figures = JSON.parse(source.textContent);
  draw('chart-days', daysChart(figures));
  draw('chart-nodes', nodesChart(figures), Math.min(figures.nodes.length, MOST_NODES));
  draw('chart-hours', hoursChart(figures));
  draw('chart-completion', completionChart(figures), figures.completion.length);
}

start();
