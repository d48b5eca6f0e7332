"use strict";
(() => {
  const root = document.documentElement;
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const hiddenRuns = new Set();
  const parts = window.pageParts ?? [];  // what draws itself
  const asked = /theme=(light|dark)/.exec(location.hash);
  let chosen = asked ? asked[1] : null;
  let printing = false;
  const paperWidth = 660;  // CSS pixels between the margins of a sheet, A4 or Letter

  const theme = () => (printing ? "light" : chosen ?? (prefersDark.matches ? "dark" : "light"));

  function resolveColor(token) {
    const palette = page.palettes[theme()];
    if (token.startsWith("@scale")) {
      const last = palette.scale.length - 1;
      const power = Number(token.split("/")[1] ?? 1);
      return palette.scale.map((color, i) => [(i / last) ** power, color]);
    }
    const [name, opacity] = token.slice(1).split("/");
    const hex = palette.colors[name];
    if (opacity === undefined) return hex;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${opacity})`;
  }

  const isToken = (text) => /^@(c\d|bg|surface|raised|text|muted|line|grid|scale)(\/[\w.]+)?$/.test(text);
  const dataKeys = new Set(["x", "y", "z", "text", "ticktext", "name", "customdata"]);

  // A copy of a specification with colours in place of tokens; the data itself is passed on as it is.
  function paint(value, key) {
    if (dataKeys.has(key)) return value;
    if (typeof value === "string") return isToken(value) ? resolveColor(value) : value;
    if (Array.isArray(value)) return value.map((item) => paint(item));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, k)]));
  }

  // Named ticks, as many as there is room for.
  function thinned(axis, room) {
    if (!axis.tickvals) return axis;
    const step = Math.max(1, Math.ceil((axis.tickvals.length * 15) / room));
    const keep = (_, i) => i % step === 0;
    return { ...axis, tickvals: axis.tickvals.filter(keep), ticktext: axis.ticktext.filter(keep) };
  }

  // Names beside a plot leave room for the plot; an entity of HTML counts as one letter.
  function shortened(axis, most) {
    if (!axis.ticktext) return axis;
    const cut = (text) => {
      const letters = String(text).match(/&#?\w+;|./gsu) ?? [];
      return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
    };
    return { ...axis, ticktext: axis.ticktext.map(cut) };
  }

  function layoutOf(card, width) {
    const color = (name) => resolveColor("@" + name);
    const narrow = width < 480;
    const size = narrow ? 11 : 12;
    const axis = {
      type: "linear", automargin: true, zeroline: false, showline: false, gridcolor: color("grid"),
      spikecolor: color("muted"), spikethickness: 1, spikedash: "dot",
      tickfont: { color: color("muted"), size }, fixedrange: narrow,
    };
    const own = paint(card.layout);
    const dress = (given = {}, room = Infinity) => ({
      ...axis, ...thinned(given, room),
      title: { ...given.title, standoff: 8, font: { color: color("muted"), size } },
      ...(narrow && given.nticks ? { nticks: 6 } : {}),
      ...(narrow && given.dtick === 1 && given.range && given.range[1] - given.range[0] > 8
        ? { dtick: null, nticks: 6 } : {}),
    });
    return {
      ...own, xaxis: dress(own.xaxis, width - 120), yaxis: shortened(dress(own.yaxis), narrow ? 16 : 60),
      height: card.height, autosize: true, margin: { l: 8, r: 10, t: 10, b: 8, pad: 2 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { family: getComputedStyle(document.body).fontFamily, size, color: color("text") },
      hoverlabel: {
        bgcolor: color("surface"), bordercolor: color("line"), font: { color: color("text"), size: 12 },
      },
      modebar: { bgcolor: color("surface"), color: color("muted"), activecolor: color("c1") },
    };
  }

  function tracesOf(card, width) {
    return card.data.map((trace) => {
      const painted = paint(trace);
      if (hiddenRuns.has(trace.meta?.run)) painted.visible = false;
      if (trace.type !== "heatmap") return painted;
      painted.colorbar.tickfont = painted.colorbar.title.font = { color: resolveColor("@muted"), size: 11 };
      if (width < 480) painted.colorbar.thickness = 8;
      // Numbers in the cells only where they fit.
      const longest = String(trace.zmax).length * 7 + 6;
      if ((width - 130) / trace.x.length < longest) delete painted.texttemplate;
      return painted;
    });
  }

  const config = {
    responsive: true, displaylogo: false, displayModeBar: true,
    showSendToCloud: false, plotlyServerURL: "",  // a report's data stays with its reader
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  };

  function draw() {
    root.dataset.theme = theme();
    parts.forEach((part) => part.draw());
    return Promise.all(page.cards.map((card) => {
      const plot = document.getElementById("plot-" + card.name);
      const width = printing ? paperWidth : plot.clientWidth;
      const layout = layoutOf(card, width);
      if (printing) Object.assign(layout, { width: paperWidth, autosize: false });
      return Plotly.react(plot, tracesOf(card, width), layout, config);
    }));
  }

  // What is large travels compressed: gzip as base64 in an element, which is emptied.
  async function unpack(element) {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("this browser is too old to unpack its data; please open the page in a current one");
    }
    const text = atob(element.textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    element.remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  async function loadPlotly() {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await unpack(document.getElementById("plotly-gz")));
    document.head.append(script);
  }

  function report(error) {
    root.dataset.error = String(error);
    document.getElementById("trouble").textContent = "The plots cannot be shown: " + String(error);
    throw error;
  }

  const redraw = () => draw().catch(report);

  async function start() {
    document.getElementById("theme").addEventListener("click", () => {
      chosen = theme() === "dark" ? "light" : "dark";
      redraw();
    });
    document.querySelectorAll("input[data-run]").forEach((box) =>
      box.addEventListener("change", () => {
        const run = Number(box.dataset.run);
        if (box.checked) hiddenRuns.delete(run); else hiddenRuns.add(run);
        redraw();
      }));
    prefersDark.addEventListener("change", redraw);
    // What fits changes with the width; Plotly itself only stretches.
    const wide = matchMedia("(min-width: 900px)");
    const small = matchMedia("(min-width: 560px)");
    [wide, small].forEach((query) => query.addEventListener("change", redraw));
    addEventListener("beforeprint", () => { printing = true; redraw(); });
    addEventListener("afterprint", () => { printing = false; redraw(); });
    await Promise.all(parts.map((part) => part.start({ color: resolveColor, unpack })));
    await loadPlotly();
    await draw();
    root.dataset.ready = "true";
  }

  root.dataset.theme = theme();
  start().catch(report);
})();
