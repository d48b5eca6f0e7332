// The Gantt chart, first part: its data, its state, and a frame. The parts share one function's scope.

const host = document.getElementById("gantt");
const [plot, map] = host.querySelectorAll("canvas");
const pen = plot.getContext("2d"), mapPen = map.getContext("2d");
const pick = (name) => host.querySelector(`[name=${name}]`);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const AXIS = 24, HEAD = 22, MAP = 46, TALLEST = 640, SHORTEST_US = 1000;
let tools, data, search;
let width, height, gutter, ratio, image, pixels, mapImage;
let lines = [], heads = [], rowHeight = 20, content = 0;
let found = null;      // [values of the searched field] 1 where it matches; null: nothing is searched
let hovered = null;    // { line, bar } under the pointer or the keys
let queued = false;
const view = { from: 0, to: 1, top: 0 };  // µs, µs, px
const color = (name) => tools.color("@" + name);

async function start(given) {
  tools = given;
  const buffer = await tools.unpack(document.getElementById("gantt-gz"));
  const size = new DataView(buffer).getUint32(0, true);
  const kinds = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f8: Float64Array };
  data = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const column = ([kind, at, length]) => new kinds[kind](buffer, 4 + size + at, length);
  for (const field of data.fields) field.codes = column(field.codes);
  for (const chart of data.charts) {
    for (const name of ["run", "switch", "first", "step", "wait", "item"]) {
      if (chart[name]) chart[name] = column(chart[name]);
    }
    if (!chart.bins) addUp(chart);
  }
  search = data.fields.find((field) => field.label === data.search);
  view.to = data.end = Math.max(data.end, SHORTEST_US);
  listen();
  host.gantt = { view, data, move, drawFrame, lineAt };  // for scripts and tests
}

// A start is kept as its distance from the one before in its row.
function addUp(chart) {
  const { first, step } = chart;
  chart.start = new Float64Array(step.length);
  chart.end = new Float64Array(step.length);
  for (let row = 0; row < first.length - 1; row++) {
    for (let i = first[row], at = 0; i < first[row + 1]; i++) {
      at += step[i];
      chart.start[i] = at;
      chart.end[i] = at + chart.switch[i] + chart.run[i];
    }
  }
}

// All anew: the theme, the colours, the choice of charts or the width has changed.
function draw() {
  if (!data) return;
  mixColors();
  arrange();
  survey();
  queued = true;  // drawn at once: what is printed or photographed does not wait for a frame
  move();
  drawFrame();
}

// Where each row stands; the canvas is as high as it needs to be.
function arrange() {
  const charts = [...host.querySelectorAll("[name=chart]:checked")].map((box) => data.charts[box.value]);
  const rows = data.rows.length * charts.length;
  width = plot.clientWidth;
  gutter = width < 560 ? 78 : 132;
  ratio = window.devicePixelRatio || 1;
  rowHeight = clamp(Math.floor((TALLEST - AXIS - (HEAD + 6 + 4 * data.groups.length) * charts.length) / Math.max(1, rows)), 6, 22);
  [lines, heads, content, hovered, tip.hidden] = [[], [], 0, null, true];
  for (const chart of charts) {
    const head = { chart, y: content, groups: [] };
    content += HEAD;
    let row = 0;
    for (const [name, count] of data.groups) {
      head.groups.push({ name, y: content, end: content + count * rowHeight });
      for (let i = 0; i < count; i++, row++, content += rowHeight) lines.push({ chart, row, y: content });
      content += rowHeight < 9 ? 1 : 4;
    }
    head.end = content;
    heads.push(head);
    content += 6;
  }
  height = clamp(content, 60, TALLEST - AXIS) + AXIS;
  for (const [canvas, tall] of [[plot, height], [map, MAP]]) {
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.round(tall * ratio);
  }
  plot.style.height = `${height}px`;
  const across = clamp(Math.round((width - gutter) * ratio), 1, WIDEST);
  image = new ImageData(across, Math.round((height - AXIS) * ratio));
  mapImage = new ImageData(across, Math.round(MAP * ratio));
  pixels = new Uint32Array(image.data.buffer);
}

// Show another time or other rows, as far as there are any.
function move(from = view.from, to = view.to, top = view.top) {
  const span = clamp(to - from, SHORTEST_US, data.end);
  view.from = clamp(from, 0, data.end - span);
  view.to = view.from + span;
  view.top = clamp(top, 0, Math.max(0, content - (height - AXIS)));
  if (queued) return;
  queued = true;
  requestAnimationFrame(drawFrame);
}

const timeOf = (x) => view.from + (x - gutter) / (width - gutter) * (view.to - view.from);
const placeOf = (time) => gutter + (time - view.from) / (view.to - view.from) * (width - gutter);
const lineAt = (y) => lines.find((l) => l.y <= y - AXIS + view.top && y - AXIS + view.top < l.y + rowHeight);

function drawFrame() {
  queued = false;
  const gap = rowHeight < 8 ? 1 : 2;
  const seen = lines.filter((l) => l.y + rowHeight > view.top && l.y < view.top + height - AXIS);
  pixels.fill(blank);
  for (const row of seen) {
    strip(row, view.from, view.to, image.width);
    const y = Math.round((row.y - view.top) * ratio), end = Math.round((row.y + rowHeight - gap - view.top) * ratio);
    lay(pixels, image.width, Math.max(0, y), Math.min(image.height, end), Boolean(row.chart.bins));
  }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, plot.width, plot.height);
  pen.putImageData(image, Math.round(gutter * ratio), Math.round(AXIS * ratio));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.textBaseline = "middle";
  if (rowHeight >= 15) seen.forEach(nameBars);
  drawHovered();
  drawTimes();
  drawNames(seen);
  drawWindow();
}

// Names in the bars that have room for one.
function nameBars({ chart, row, y }) {
  if (chart.bins || !search) return;
  const first = before(chart, row, view.from), last = before(chart, row, view.to);
  if (last - first > (width - gutter) / 30) return;
  pen.font = `11px ${font}`;
  pen.fillStyle = color("surface");
  for (let i = first; i <= last && i < chart.first[row + 1]; i++) {
    const left = Math.max(gutter, placeOf(chart.start[i] + chart.switch[i])), right = Math.min(width, placeOf(chart.end[i]));
    const code = search.codes[chart.item[i]], name = search.names[code];
    if (right - left < name.length * 6.3 + 8 || (found && !found[code])) continue;
    pen.fillText(name, left + 4, AXIS + y - view.top + rowHeight / 2);
  }
}

// The bar under the pointer, the others of its item, and since when it waited.
function drawHovered() {
  if (!hovered || hovered.line.chart.bins) return;
  const { line: { chart }, bar } = hovered;
  pen.strokeStyle = color("text");
  pen.lineWidth = 1.5;
  for (const other of lines.filter((l) => l.chart === chart)) {
    const i = bar >= chart.first[other.row] && bar < chart.first[other.row + 1] ? bar : before(chart, other.row, chart.start[bar]);
    if (i >= chart.first[other.row + 1] || chart.item[i] !== chart.item[bar]) continue;
    const left = Math.max(gutter, placeOf(chart.start[i])), right = placeOf(chart.end[i]);
    const y = AXIS + other.y - view.top;
    pen.strokeRect(left, y - 0.5, Math.max(2, right - left), rowHeight - 1);
    const since = Math.max(gutter, placeOf(chart.start[i] - chart.wait[i]));
    pen.fillStyle = color("text");
    if (left > since) pen.fillRect(since, y + rowHeight / 2 - 1.5, left - since, 1.5);
  }
}

function drawTimes() {
  const step = stepOf((view.to - view.from) / Math.max(2, (width - gutter) / 95));
  pen.fillStyle = color("surface");
  pen.fillRect(0, 0, width, AXIS);
  pen.font = `11px ${font}`;
  pen.textAlign = "center";
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    const x = placeOf(time);
    pen.fillStyle = color("muted/0.25");
    pen.fillRect(x, AXIS - 4, 1, height - AXIS + 4);
    pen.fillStyle = color("muted");
    if (x > gutter - 1 && x < width - 12) pen.fillText(clock(time, step), Math.min(x, width - 26), AXIS / 2);
  }
  pen.textAlign = "left";
}

// Names of rows, groups and charts; the last two stay in sight while anything of theirs is.
function drawNames(seen) {
  pen.fillStyle = color("surface");
  pen.fillRect(0, AXIS, gutter, height - AXIS);
  pen.font = `11px ${font}`;
  pen.fillStyle = color("muted");
  pen.textAlign = "right";
  if (rowHeight >= 11) {
    for (const { row, y } of seen) pen.fillText(data.rows[row], gutter - 8, AXIS + y - view.top + rowHeight / 2, 34);
  }
  pen.textAlign = "left";
  let free = 0;
  for (const head of heads) {
    const sticky = clamp(view.top, head.y, Math.max(head.y, head.end - HEAD)) - view.top + AXIS;
    if (head.end < view.top || sticky > height) continue;
    for (const group of head.groups) {
      const y = clamp(sticky + HEAD - AXIS + view.top, group.y, Math.max(group.y, group.end - 12)) - view.top + AXIS;
      if (group.end < view.top || y < free || y > height || y < sticky + HEAD - 1) continue;
      pen.fillStyle = color("muted");
      pen.fillText(fit(group.name, gutter - (rowHeight >= 11 ? (gutter < 100 ? 26 : 44) : 12)), 2, y + Math.min(rowHeight, 14) / 2);
      free = y + 13;
    }
    pen.fillStyle = color("surface");
    pen.fillRect(0, sticky, width, HEAD - 2);
    pen.font = `600 12.5px ${font}`;
    pen.fillStyle = color("text");
    pen.fillText(head.chart.name, 2, sticky + HEAD / 2);
    const after = Math.max(gutter, pen.measureText(head.chart.name).width + 16);
    pen.font = `11.5px ${font}`;
    pen.fillStyle = color("muted");
    pen.fillText(fit(head.chart.note, width - after), after, sticky + HEAD / 2);
  }
}

// The whole, small, with a window where the view is.
function drawWindow() {
  const wide = width - gutter, share = MAP / Math.max(content, 1);
  mapPen.setTransform(1, 0, 0, 1, 0, 0);
  mapPen.clearRect(0, 0, map.width, map.height);
  mapPen.putImageData(mapImage, Math.round(gutter * ratio), 0);
  mapPen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const x = gutter + view.from / data.end * wide, across = Math.max(3, (view.to - view.from) / data.end * wide);
  const y = view.top * share, tall = Math.max(3, Math.min(content, height - AXIS) * share);
  mapPen.fillStyle = color("surface/0.55");
  mapPen.fillRect(gutter, 0, x - gutter, MAP);
  mapPen.fillRect(x + across, 0, width - x - across, MAP);
  mapPen.fillRect(x, 0, across, y);
  mapPen.fillRect(x, y + tall, across, MAP - y - tall);
  mapPen.strokeStyle = color("text");
  mapPen.strokeRect(x + 0.5, y + 0.5, Math.max(1, across - 1), Math.max(1, tall - 1));
}
