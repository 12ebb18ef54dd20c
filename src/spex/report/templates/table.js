// The table of interactions: sorted, filtered, pointed at, and saved as a file.

const SHORT = 25;

const SORTS = {
  value: (a, b) => Math.abs(valueOf(b)) - Math.abs(valueOf(a)),
  sure: (a, b) => surest(b) - surest(a) || Math.abs(valueOf(b)) - Math.abs(valueOf(a)),
  stable: (a, b) => (b[4] ?? -1) - (a[4] ?? -1) || Math.abs(valueOf(b)) - Math.abs(valueOf(a)),
  order: (a, b) => a[0].length - b[0].length || Math.abs(valueOf(b)) - Math.abs(valueOf(a)),
  place: (a, b) => { const at = a[0].findIndex((member, i) => member !== b[0][i]); return at < 0 ? a[0].length - b[0].length : a[0][at] - (b[0][at] ?? -1); },
};

function matching(page) {
  const wanted = page.find.trim().toLowerCase();
  const words = wanted.split(/[\s+]+/).filter(Boolean);
  const rows = page.view.rows.filter((row) => {
    if (page.kinds === "single" && isJoint(row)) return false;
    if (page.kinds === "joint" && !isJoint(row)) return false;
    const names = membersOf(row).map((member) => page.data.labels[member].toLowerCase());
    const holds = (told) => names.some((name) => name.includes(told));
    return !wanted || holds(wanted) || (words.length > 1 && words.every(holds));
  });
  return page.sort === "value" ? rows : [...rows].sort(SORTS[page.sort]);
}

// The bars reach as far as the largest value, and intervals as far again at most.
function reachOf(view) {
  const largest = Math.max(...view.rows.slice(0, 1).map((row) => Math.abs(valueOf(row))), 1e-300);
  const bounds = view.rows.slice(0, SHORT).flatMap((row) => [row[2], row[3]]).filter((bound) => bound !== null);
  return Math.min(Math.max(largest, ...bounds.map(Math.abs)), 1.8 * largest);
}

function barOf(page, row, reach) {
  const at = (value) => 50 + (46 * value) / reach;
  const value = valueOf(row);
  const shown = make("svg", { "aria-hidden": "true" }, make("line", { x1: "50%", x2: "50%", y1: 0, y2: "100%" }));
  const [start, end] = [Math.min(at(value), 50), Math.max(at(value), 50)];
  shown.append(make("rect", { class: toneOf(page.view, value), x: `${start}%`, width: `${Math.min(end, 100) - start}%`, y: 3, height: 10, rx: 1 }));
  if (row[2] === null || isExact(row)) return shown;
  const [low, high] = [at(row[2]), at(row[3])];
  shown.append(make("line", { class: "whisker", x1: `${Math.max(low, 3)}%`, x2: `${Math.min(high, 97)}%`, y1: 8, y2: 8 }));
  for (const [bound, mark, place] of [[low, "◂", 0], [high, "▸", 100]]) {
    if (bound >= 0 && bound <= 100) {
      shown.append(make("line", { class: "whisker", x1: `${bound}%`, x2: `${bound}%`, y1: 5, y2: 11 }));
    } else {
      shown.append(make("text", { class: "beyond", x: `${place}%`, y: 12, "text-anchor": place ? "end" : "start" }, mark));
    }
  }
  return shown;
}

function lineOf(page, row, rank, reach) {
  const { data } = page;
  const words = make("td", { class: "words" });
  membersOf(row).slice(0, LISTED).forEach((member, place) => {
    const label = make("bdi", { class: "label", title: data.labels[member] }, data.labels[member]);
    words.append(make("span", { class: "part" }, ...(place ? [make("span", { class: "plus" }, " + ")] : []), label));
  });
  if (membersOf(row).length > LISTED) words.append(` + ${byThousands(membersOf(row).length - LISTED)} more`);
  const line = make("tr", { "data-m": membersOf(row).join(" "), tabindex: -1 });
  line.append(make("td", { class: "rank" }, String(rank)), words);
  if (page.isComparison) {
    for (const value of [row[6], row[7]]) line.append(make("td", { class: "number" }, value === null ? "–" : signed(value)));
  }
  const value = make("td", { class: "number value" }, signed(valueOf(row)) + (isUncertain(row) ? " ?" : ""));
  if (row[2] !== null && !isExact(row)) value.append(make("span", { class: "between" }, `${signed(row[2])} to ${signed(row[3])}`));
  line.append(value, make("td", { class: "bar" }, barOf(page, row, reach)));
  if (page.hasStability) line.append(make("td", { class: "number stable" }, row[4] === null ? "" : `${Math.round(100 * row[4])} %`));
  return line;
}

function list(page) {
  const { data, view } = page;
  const rows = matching(page);
  const shown = page.whole || rows.length <= SHORT + 5 ? rows : rows.slice(0, SHORT);
  const reach = reachOf(view);
  page.hasStability = view.rows.some((row) => row[4] !== null && row[4] !== undefined);
  page.isComparison = view.rows.some((row) => row.length > 6);
  page.lineOf = new Map();
  page.rowOf = new Map();
  page.lines = new Map();
  const ranks = new Map(view.rows.map((row, place) => [row, place + 1]));
  const body = page.table.tBodies[0];
  body.replaceChildren(...shown.map((row) => {
    const line = lineOf(page, row, ranks.get(row), reach);
    page.lineOf.set(row, line);
    page.rowOf.set(line, row);
    for (const member of membersOf(row)) {
      if (!page.lines.has(member)) page.lines.set(member, []);
      page.lines.get(member).push(line);
    }
    return line;
  }));
  if (shown.length) page.lineOf.get(shown[0]).setAttribute("tabindex", 0);
  const head = (name, told) => make("th", { scope: "col", class: name }, told);
  const compared = page.isComparison ? [head("number", page.data.compared[0]), head("number", page.data.compared[1])] : [];
  const last = page.hasStability ? [head("number stable", "Among the 10 largest")] : [];
  const isExactTable = !page.table.querySelector(".between");
  page.table.tHead.replaceChildren(make("tr", {}, head("rank", "#"), head("words", "Units"), ...compared, head("number value", page.isComparison ? "Difference" : "Value"), head("bar", isExactTable ? "Size" : "Interval"), ...last));
  page.table.hidden = false;
  page.table.classList.toggle("compared", page.isComparison);
  page.table.classList.toggle("exact", isExactTable);
  const q = (selector) => page.section.querySelector(selector);
  q(".listing .heading").textContent = withUnit(view.heading + (data.unit ? ", in" : ""), data.unit);
  q(".told").textContent = view.hint + (view.rows.some(isUncertain) ? " ?: may be 0 (all tested together; false discovery rate 10 %)." : "");
  q(".listed").textContent = view.rows.length ? `${byThousands(shown.length)} of ${byThousands(view.rows.length)} listed.` : view.empty;
  q(".more").textContent = view.rest ? `Beyond these there are ${view.rest}.` : "";
  q(".printed").textContent = shown.length < view.rows.length ? `Printed: ${byThousands(shown.length)} of the ${byThousands(view.rows.length)} listed; all are in the page and in its CSV.` : "";
  q(".clipped").hidden = !page.table.querySelector(".beyond");
  const more = q(".all");
  more.hidden = shown.length === rows.length;
  more.textContent = `Show all ${byThousands(rows.length)}`;
}

function prepareTable(page) {
  const body = page.table.tBodies[0];
  const lineAt = (event) => event.target.closest?.("tr[data-m]");
  const go = (line) => {
    for (const other of page.rowOf.keys()) other.setAttribute("tabindex", other === line ? 0 : -1);
    line.focus();
  };
  let pointed = null;
  body.addEventListener("pointerover", (event) => {
    const line = lineAt(event);
    if (!line || line === pointed) return;
    pointed = line;
    lightRow(page, page.rowOf.get(line));
  });
  body.addEventListener("pointerleave", () => { pointed = null; relight(page); });
  body.addEventListener("focusin", (event) => { const line = lineAt(event); if (line) lightRow(page, page.rowOf.get(line)); });
  body.addEventListener("focusout", () => { darken(page); redraw(page); });
  body.addEventListener("click", (event) => { const line = lineAt(event); if (line) go(line); });
  body.addEventListener("keydown", (event) => {
    const lines = [...page.rowOf.keys()];
    const at = lines.indexOf(lineAt(event));
    if (at < 0) return;
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (target !== undefined) go(lines[Math.min(Math.max(target, 0), lines.length - 1)]);
    else if (event.key === "Enter") leaveOut(page, membersOf(page.rowOf.get(lines[at])));
    else if (event.key === "Escape") lines[at].blur();
    else return;
    event.preventDefault();
  });
  body.addEventListener("dblclick", (event) => { const line = lineAt(event); if (line) leaveOut(page, membersOf(page.rowOf.get(line))); });
  const q = (selector) => page.section.querySelector(selector);
  q(".find").addEventListener("input", (event) => { page.find = event.target.value; refresh(page, false); });
  q(".kinds").addEventListener("change", (event) => { page.kinds = event.target.value; refresh(page, false); });
  q(".sort").addEventListener("change", (event) => { page.sort = event.target.value; refresh(page, false); });
  q(".all").addEventListener("click", () => { page.whole = true; const next = page.rowOf.size; list(page); go([...page.rowOf.keys()][next]); });
  q(".csv").addEventListener("click", () => save("interactions.csv", "text/csv", csvOf(page)));
  q(".json").addEventListener("click", () => save("interactions.json", "application/json", jsonOf(page)));
}

function recordsOf(page) {
  const { data, view } = page;
  return matching(page).map((row) => ({
    features: membersOf(row),
    labels: membersOf(row).map((member) => data.labels[member]),
    order: membersOf(row).length,
    value: valueOf(row),
    low: row[2],
    high: row[3],
    told_from_0: !isUncertain(row),
    index: view.index,
    up_to_order: view.order,
    ...(page.isComparison ? { a: row[6], b: row[7] } : {}),
  }));
}

function csvOf(page) {
  const records = recordsOf(page);
  // A text that a spreadsheet would take for a formula gets an apostrophe.
  const cell = (value) => {
    const told = Array.isArray(value) ? value.join(" + ") : String(value ?? "");
    const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(told) ? `'${told}` : told;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const names = Object.keys(records[0] ?? { features: 0, labels: 0, order: 0, value: 0, low: 0, high: 0, index: 0, up_to_order: 0 });
  const lines = records.map((record) => names.map((name) => (name === "features" ? record.features.join(" ") : cell(record[name]))).join(","));
  return `${[names.join(","), ...lines].join("\r\n")}\r\n`;
}

const jsonOf = (page) => `${JSON.stringify({ unit: page.data.unit, interactions: recordsOf(page) }, null, 1)}\n`;
