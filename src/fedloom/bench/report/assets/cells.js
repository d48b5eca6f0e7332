"use strict";
(() => {
  const card = document.getElementById("cells");
  const body = card.querySelector("tbody");
  const rows = [...body.rows];
  // The columns in the order of the cells: the name spans both rows of the head.
  const heads = [card.querySelector("th.name"), ...card.querySelectorAll("thead tr:nth-child(2) th")];

  const valueOf = (row, column) => {
    const text = row.cells[column].dataset.value;
    if (text === undefined) return null;
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  };

  // Missing values come last, whichever way the others are sorted.
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b));
  }

  function sort(column) {
    const upwards = heads[column].getAttribute("aria-sort") !== "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", upwards ? "ascending" : "descending");
    const sign = upwards ? 1 : -1;
    const keyed = rows.map((row) => [valueOf(row, column), row]);
    keyed.sort(([a], [b]) => compare(a, b, sign)).forEach(([, row]) => body.append(row));
  }

  // Each word must begin a word of the row's first three cells, so that "5" does not find 15.
  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => {
      const held = [0, 2].map((i) => row.cells[i].textContent.toLowerCase()).join(" ").split(/[\s·]+/);
      row.hidden = !words.every((word) => held.some((part) => part.startsWith(word)));
    });
  }

  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => sort(column)));
  card.querySelector("input").addEventListener("input", (event) => find(event.target.value));
})();
