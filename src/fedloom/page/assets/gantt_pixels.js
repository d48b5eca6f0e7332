// The Gantt chart, second part: rows become pixels here, not shapes, so a frame costs what is on the
// screen, however narrow the bars.

const LEVELS = 32, WIDEST = 16384;
const SWITCH = 8, FAINT = 16;  // added to the number of a colour
const cover = new Float32Array(WIDEST), most = new Float32Array(WIDEST), code = new Uint8Array(WIDEST);
const mixed = new Uint32Array(32 * (LEVELS + 1));  // each colour by how much of a pixel it covers
const full = new Uint32Array(32), line = new Uint32Array(WIDEST);
let ground = 0, blank = 0;
let paint = new Uint8Array(0);  // [items] the number of its colour

// The colours of the theme, which of them each item has, and the legend.
function mixColors() {
  const rgb = (name) => [1, 3, 5].map((i) => parseInt(color(name).slice(i, i + 2), 16));
  const mix = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));
  const word = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  const base = rgb("bg");
  [ground, blank] = [word(base), word(rgb("surface"))];
  for (let c = 0; c < 32; c++) {
    const own = mix(base, rgb(`c${c % 8 + 1}`), c & FAINT ? 0.16 : 1);
    full[c] = word(own);
    for (let l = 0; l <= LEVELS; l++) {
      mixed[c * (LEVELS + 1) + l] = word(mix(base, c & SWITCH ? mix(base, own, 0.4) : own, l / LEVELS));
    }
  }
  const field = data.fields.find((f) => f.label === pick("color").value);
  paint = new Uint8Array(data.fields[0]?.codes.length ?? 0);
  for (let i = 0; i < paint.length; i++) {
    paint[i] = (field ? field.slots[field.codes[i]] : 0) | (found && !found[search.codes[i]] ? FAINT : 0);
  }
  const key = (name, slot) => {
    const entry = document.createElement("li"), mark = document.createElement("span");
    mark.className = slot < 0 ? "key hatch" : "key square";
    if (slot >= 0) mark.style.setProperty("--key", `var(--c${slot + 1})`);
    entry.append(mark, name);
    return entry;
  };
  const names = field?.legend.length ? field.legend : ["Running"];
  host.querySelector(".gantt-keys").replaceChildren(...names.map(key), key("Switching", -1));
}

// One row as pixels between two times: how much of each pixel is covered, and by what most.
function strip({ chart, row }, from, to, across) {
  const scale = across / (to - from);
  cover.fill(0, 0, across);
  most.fill(0, 0, across);
  if (chart.bins) return shade(chart, row, from, 1 / scale, across);
  const { start, end, item } = chart, stop = chart.first[row + 1];
  for (let i = before(chart, row, from); i < stop && start[i] < to; i++) {
    const left = (start[i] - from) * scale, right = (end[i] - from) * scale;
    const color = paint[item[i]], half = left + chart.switch[i] * scale;
    const gap = right - left > 4 ? 1 : 0;  // tells neighbours of one colour apart
    if (half > left) fill(left, half, color | SWITCH, across);
    if (right > half) fill(half, Math.max(half, right - gap), color, across);
  }
}

function fill(left, right, color, across) {
  if (right <= 0 || left >= across) return;
  const last = Math.min(across - 1, Math.floor(right)), a = Math.max(0, left);
  const weight = color & FAINT ? 1e-6 : 1;  // what the search found hides what it did not
  for (let x = Math.floor(a); x <= last; x++) {
    const part = Math.min(x + 1, right) - Math.max(x, a);
    cover[x] += part;
    if (found && weight === 1 && part > 0) cover[x] = Math.max(cover[x], 1);
    if (part * weight > most[x]) { most[x] = part * weight; code[x] = color; }
  }
}

function shade(chart, row, from, perPixel, across) {
  const bin = chart.end / chart.bins, at = row * chart.bins;
  for (let x = 0; x < across; x++) {
    const first = Math.floor((from + x * perPixel) / bin);
    const last = clamp(Math.ceil((from + (x + 1) * perPixel) / bin), first + 1, chart.bins);
    let run = 0, load = 0;
    for (let b = first; b < last; b++) { run += chart.run[at + b]; load += chart.switch[at + b]; }
    cover[x] = first < last ? (run + load) / 255 / (last - first) : 0;
    code[x] = load > run ? SWITCH : 0;
  }
}

// The first bar of a row that ends after a time.
function before(chart, row, time) {
  let low = chart.first[row], high = chart.first[row + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (chart.end[middle] > time) high = middle; else low = middle + 1;
  }
  return low;
}

function lay(target, across, y0, y1, exact) {
  let hatched = false;
  for (let x = 0; x < across; x++) {
    const share = exact || cover[x] === 0 ? cover[x] : Math.max(0.25, cover[x]);
    line[x] = share ? mixed[code[x] * (LEVELS + 1) + Math.min(LEVELS, Math.ceil(share * LEVELS))] : ground;
    hatched ||= share > 0 && (code[x] & SWITCH) !== 0;
  }
  const part = line.subarray(0, across), period = Math.round(5 * ratio), thick = Math.round(1.5 * ratio);
  for (let y = y0; y < y1; y++) {
    target.set(part, y * across);
    if (!hatched) continue;
    for (let x = 0, at = y * across; x < across; x++) {
      if (code[x] & SWITCH && cover[x] > 0.5 && (x + y) % period < thick) target[at + x] = full[code[x]];
    }
  }
}

// The whole of all charts, small: rows that share a line of pixels are put together.
function survey() {
  const across = mapImage.width, tall = mapImage.height, target = new Uint32Array(mapImage.data.buffer);
  const sum = new Float32Array(across), best = new Float32Array(across), by = new Uint8Array(across);
  target.fill(0);
  const place = (y) => Math.floor(y / content * tall);
  for (let first = 0, last; first < lines.length; first = last) {
    const y = place(lines[first].y), at = (last) => place(lines[last].y);
    for (last = first; last < lines.length && at(last) === y; last++);
    sum.fill(0);
    best.fill(0);
    for (const row of lines.slice(first, last)) {
      strip(row, 0, data.end, across);
      for (let x = 0; x < across; x++) {
        sum[x] += cover[x] / (last - first);
        if (cover[x] > best[x]) { best[x] = cover[x]; by[x] = code[x]; }
      }
    }
    cover.set(sum);
    code.set(by);
    const next = place(lines[last - 1].y + rowHeight);
    lay(target, across, y, clamp(next - (next - y > 3 ? 1 : 0), y + 1, tall), false);
  }
}
