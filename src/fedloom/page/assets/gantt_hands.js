// The Gantt chart, third part: pointer, wheel, keys, search, and what is said about a bar.

const tip = host.querySelector(".gantt-tip"), status = host.querySelector("[role=status]");
const font = getComputedStyle(document.body).fontFamily;
const UNITS = [1, 2, 5, 10, 20, 50, 100, 200, 500].flatMap((n) => [n, n * 1e3])
  .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => s * 1e6))
  .sort((a, b) => a - b);

const stepOf = (least) => UNITS.find((unit) => unit >= least) ?? Math.ceil(least / 864e8) * 864e8;

// A moment since the start: seconds while all is short, else hours, minutes and seconds.
function clock(time, step = 1e4) {
  const digits = clamp(Math.ceil(6 - Math.log10(step)), 0, 6);
  if (data.end < 12e7) return `${(time / 1e6).toFixed(digits)} s`;
  const whole = Math.floor(time / 1e6 + 1e-9), two = (n) => String(n).padStart(2, "0");
  const rest = digits ? (time / 1e6 - whole).toFixed(digits).slice(1) : "";
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${rest}`;
}

function spell(time) {
  if (time < 1e3) return `${Math.round(time)} µs`;
  if (time < 1e6) return `${Number((time / 1e3).toPrecision(4))} ms`;
  if (time < 12e7) return `${(time / 1e6).toFixed(3)} s`;
  const seconds = Math.round(time / 1e6), hours = Math.floor(seconds / 3600);
  return hours ? `${hours} h ${Math.floor(seconds / 60) % 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function fit(text, room) {
  if (pen.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(text.slice(0, end) + "…").width > room) end--;
  return text.slice(0, end) + "…";
}

// What is known of a bar, as pairs of a label and a value.
function describe({ line: { chart, row }, bar, time }) {
  const group = data.groups.find(([, count], i) =>
    row < data.groups.slice(0, i + 1).reduce((sum, [, n]) => sum + n, 0))[0];
  const where = [data.rowLabel, group ? `${group} / ${data.rows[row]}` : data.rows[row]];
  if (chart.bins) {
    const at = row * chart.bins + Math.min(chart.bins - 1, Math.floor(time / chart.end * chart.bins));
    const percent = (value) => `${(value / 2.55).toFixed(0)} %`;
    return [where, ["Around", clock(time)], ["Running", percent(chart.run[at])], ["Switching", percent(chart.switch[at])]];
  }
  const item = chart.item[bar], start = chart.start[bar];
  return [
    ...data.fields.map((field) => [field.label, field.names[field.codes[item]]]), where,
    ["Waited", spell(chart.wait[bar])], ["Start", clock(start)],
    ...(chart.switch[bar] ? [["Switch", spell(chart.switch[bar])]] : []),
    ["Runs", spell(chart.run[bar])], ["End", clock(chart.end[bar])],
  ];
}

function showTip(at, x, y) {
  hovered = at;
  tip.hidden = !at;
  plot.style.cursor = at ? "pointer" : "";
  if (at) {
    tip.replaceChildren(...describe(at).flat().map((text, i) => {
      const part = document.createElement(i % 2 ? "dd" : "dt");
      part.textContent = text;
      return part;
    }));
    const left = x + 16 + tip.offsetWidth > width ? x - tip.offsetWidth - 12 : x + 16;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > height + MAP ? Math.max(0, y - tip.offsetHeight - 10) : y + 18}px`;
  }
  move();
}

function barAt(x, y) {
  const line = y > AXIS && x > gutter ? lineAt(y) : undefined;
  if (!line) return null;
  const time = timeOf(x), near = 2 / (width - gutter) * (view.to - view.from);
  if (line.chart.bins) return { line, bar: -1, time };
  const bar = before(line.chart, line.row, time - near);
  return bar < line.chart.first[line.row + 1] && line.chart.start[bar] <= time + near ? { line, bar } : null;
}

function zoom(factor, x = (gutter + width) / 2) {
  const time = timeOf(clamp(x, gutter, width));
  move(time - (time - view.from) * factor, time + (view.to - time) * factor);
}

const shift = (share) => move(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from));

// Go to the next bar, or the next that the search found; with it goes the view.
function step(by) {
  const line = hovered?.line ?? lines[0];
  const chart = line?.chart;
  if (!chart || chart.bins) return;
  let bar = hovered ? hovered.bar + by : before(chart, 0, view.from);
  while (found && bar >= 0 && bar < chart.item.length && !found[search.codes[chart.item[bar]]]) bar += by;
  if (bar < 0 || bar >= chart.item.length) return;
  showBar(lines.find((l) => l.chart === chart && chart.first[l.row + 1] > bar), bar);
}

function showBar(line, bar) {
  const { start, end } = line.chart, span = view.to - view.from;
  const middle = (start[bar] + end[bar]) / 2;
  const from = start[bar] < view.from || end[bar] > view.to ? middle - span / 2 : view.from;
  const below = line.y + rowHeight > view.top + height - AXIS, above = line.y < view.top + HEAD;
  move(from, from + span, below || above ? line.y - (height - AXIS) / 2 : view.top);
  showTip({ line, bar }, placeOf(clamp(middle, view.from, view.to)), AXIS + line.y - view.top);
  status.textContent = describe(hovered).map((pair) => pair.join(" ")).join(", ");
}

function find() {
  const text = pick("find").value.trim().toLowerCase();
  const names = search.names.map((name) => name.toLowerCase());
  const exact = names.indexOf(text);
  found = text ? Uint8Array.from(names, (name, i) => (exact < 0 ? name.includes(text) : i === exact)) : null;
  const values = found?.reduce((sum, one) => sum + one, 0);
  const some = values === 1 ? "1 matches" : `${values?.toLocaleString("en")} match`;
  status.textContent = found ? `${some}; Enter shows where, then N and P step through the bars.` : "";
  showTip(null);
  draw();
}

// Show all bars that the search found.
function showFound() {
  let from = Infinity, to = 0, row = null;
  for (const line of lines) {
    const { chart } = line;
    for (let i = chart.bins ? 0 : chart.first[line.row]; !chart.bins && i < chart.first[line.row + 1]; i++) {
      if (!found?.[search.codes[chart.item[i]]]) continue;
      row ??= line;
      from = Math.min(from, chart.start[i]);
      to = Math.max(to, chart.end[i]);
    }
  }
  if (row) move(from - (to - from) * 0.1, to + (to - from) * 0.1, row.y - HEAD);
}

const KEYS = {
  ArrowLeft: () => shift(-0.15), ArrowRight: () => shift(0.15),
  ArrowUp: () => move(view.from, view.to, view.top - 3 * rowHeight),
  ArrowDown: () => move(view.from, view.to, view.top + 3 * rowHeight),
  PageUp: () => shift(-0.9), PageDown: () => shift(0.9),
  "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "−": () => zoom(1 / 0.6),
  0: () => move(0, data.end, 0), Home: () => move(0, data.end, 0),
  n: () => step(1), p: () => step(-1), Escape: () => showTip(null),
};

function listen() {
  const pointers = new Map();
  const place = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
  });
  plot.addEventListener("pointermove", (event) => {
    const now = place(event), old = pointers.get(event.pointerId);
    if (!old) return showTip(barAt(now.x, now.y), now.x, now.y);
    pointers.set(event.pointerId, now);
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (other) return zoom(Math.max(8, Math.abs(old.x - other.x)) / Math.max(8, Math.abs(now.x - other.x)), other.x);
    const by = (old.x - now.x) / (width - gutter) * (view.to - view.from);
    if (now.x !== old.x || now.y !== old.y) showTip(null);
    return move(view.from + by, view.to + by, view.top + old.y - now.y);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    plot.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      const at = place(event);
      if (name === "pointerup") showTip(barAt(at.x, at.y), at.x, at.y);
    });
  }
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot || hovered) showTip(null); });
  plot.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey && document.activeElement !== plot) return;  // the page scrolls
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) return move(view.from, view.to, view.top + (event.deltaY || event.deltaX) * lines);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return shift(event.deltaX * lines / (width - gutter));
    return zoom(Math.exp(clamp(event.deltaY * lines, -200, 200) * (event.ctrlKey ? 0.006 : 0.002)), place(event).x);
  }, { passive: false });
  plot.addEventListener("keydown", (event) => {
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  const jump = (event) => {
    if (!event.buttons) return;
    const { x, y } = place(event), half = (view.to - view.from) / 2;
    const time = (x - gutter) / (width - gutter) * data.end;
    move(time - half, time + half, y / MAP * content - (height - AXIS) / 2);
  };
  map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); jump(event); });
  map.addEventListener("pointermove", jump);
  const buttons = { back: KEYS.ArrowLeft, forth: KEYS.ArrowRight, in: KEYS["+"], out: KEYS["-"], reset: KEYS.Home };
  for (const [name, act] of Object.entries(buttons)) pick(name).addEventListener("click", act);
  host.querySelectorAll("[name=chart], select").forEach((box) => box.addEventListener("change", draw));
  pick("find").addEventListener("input", () => search && find());
  pick("find").addEventListener("keydown", (event) => { if (event.key === "Enter") { showFound(); plot.focus(); } });
  new ResizeObserver(() => { if (plot.clientWidth !== width) draw(); }).observe(host);
}
