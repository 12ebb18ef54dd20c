// Where arcs and brackets run, so that none hides another: pure geometry.

const LANE = 27; // between the lanes above a line
const FIRST_LANE = 25; // the lowest, above the letters
const GAP = 10;

// The lowest lane in which [start, end] is free; it is taken then.
function takeLane(lanes, start, end) {
  let lane = 0;
  while ((lanes[lane] ?? []).some(([a, b]) => start < b + GAP && end > a - GAP)) lane += 1;
  (lanes[lane] ??= []).push([start, end]);
  return lane;
}

// Boxes that stand on one line of text share a number, counted from above.
function numberLines(boxes) {
  const sorted = [...boxes].sort((a, b) => a.bottom - b.bottom);
  let number = -1;
  let bottom = -Infinity;
  for (const box of sorted) {
    if (box.bottom - bottom > 0.6 * (box.bottom - box.top)) number += 1;
    bottom = box.bottom;
    box.line = number;
  }
}

// Letters of Chinese, Japanese and Korean take the room of more than one.
const WIDE = /[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]/g;
const labelWidth = (label) => 8.1 * label.length + 5 * (label.match(WIDE) ?? []).length + 12;

// What a combination has on other lines, so that nobody has to follow the bracket there; names are
// cut as far as the width asks, and left out where even their starts find no room.
function elsewhere(one, line, width) {
  const away = one.boxes.filter((box) => box.line !== line);
  if (!away.length) return "";
  const arrow = away[0].line > line ? "\u2193" : "\u2191";
  const more = away.length > 2 ? ` + ${away.length - 2} more` : "";
  for (let most = 18; most >= 6; most -= 1) {
    const names = away.slice(0, 2).map((box) => isolated(box.name.length > most ? `${box.name.slice(0, most - 2)}\u2026` : box.name));
    const said = ` with ${names.join(" + ")}${more} ${arrow}`;
    if (labelWidth(one.label + said) <= width) return said;
  }
  return ` with ${away.length} more ${arrow}`;
}

// Give each combination a lane on each of its lines, and a place in the margin where there are
// several. A combination has `boxes` (of its members, with lines) and a `label`.
// `lanesOf` is what is taken already, by line.
function planLanes(combinations, right, lanesOf = new Map()) {
  const margin = [];
  const span = (one) => Math.max(...one.boxes.map((box) => box.x)) - Math.min(...one.boxes.map((box) => box.x));
  const lineCount = (one) => new Set(one.boxes.map((box) => box.line)).size;
  const inOrder = [...combinations].sort((a, b) => lineCount(a) - lineCount(b) || span(a) - span(b));
  for (const one of inOrder) {
    const lines = [...new Set(one.boxes.map((box) => box.line))].sort((a, b) => a - b);
    one.edge = null;
    if (lines.length > 1) {
      one.edge = right - 6 - 8 * Math.min(takeLane(margin, lines[0], lines.at(-1) + 0.9), 3);
    }
    one.parts = lines.map((line) => {
      const xs = one.boxes.filter((box) => box.line === line).map((box) => box.x);
      let [start, end] = [Math.min(...xs), Math.max(...xs)];
      if (one.edge !== null) end = Math.max(end, one.edge);
      const label = one.label + elsewhere(one, line, right);
      const half = Math.max(end - start, labelWidth(label)) / 2;
      const middle = Math.min(Math.max((start + end) / 2, half), Math.max(right - half, half));
      if (!lanesOf.has(line)) lanesOf.set(line, []);
      const [from, to] = [Math.min(start, middle - half), Math.max(end, middle + half)];
      const lane = takeLane(lanesOf.get(line), from, to);
      return { line, lane, start, end, middle, label, from, to };
    });
  }
  return new Map([...lanesOf].map(([line, lanes]) => [line, lanes.length]));
}

// The lanes that combinations take, by line.
function takenBy(combinations) {
  const lanesOf = new Map();
  for (const part of combinations.flatMap((one) => one.parts)) {
    if (!lanesOf.has(part.line)) lanesOf.set(part.line, []);
    (lanesOf.get(part.line)[part.lane] ??= []).push([part.from, part.to]);
  }
  return lanesOf;
}

// The path of one combination whose lanes are planned, and where its label goes.
// `topOf(line)` is the top of the letters there.
function trace(one, topOf) {
  const levels = one.parts.map((part) => topOf(part.line) - FIRST_LANE - LANE * part.lane + 10);
  const footOf = (box) => box.top - 1;
  if (one.parts.length === 1 && one.boxes.length === 2) {
    const [a, b] = [...one.boxes].sort((p, q) => p.x - q.x);
    const foot = Math.min(footOf(a), footOf(b));
    const pull = (levels[0] - 0.25 * foot) / 0.75;
    const path = `M${a.x} ${footOf(a)}C${a.x} ${pull} ${b.x} ${pull} ${b.x} ${footOf(b)}`;
    return { path, tags: tagsOf(one, levels) };
  }
  let path = "";
  one.parts.forEach((part, number) => {
    const level = levels[number];
    const feet = one.boxes.filter((box) => box.line === part.line).sort((p, q) => p.x - q.x);
    const round = Math.min(6, (part.end - part.start) / 2);
    feet.forEach((box, place) => {
      const isFirst = place === 0;
      const isLast = place === feet.length - 1 && one.edge === null;
      if (isFirst) path += `M${box.x} ${footOf(box)}V${level + round}Q${box.x} ${level} ${box.x + round} ${level}`;
      else if (isLast) path += `H${box.x - round}Q${box.x} ${level} ${box.x} ${level + round}V${footOf(box)}`;
    });
    if (one.edge !== null) path += `H${one.edge}`;
    for (const box of feet.slice(1, one.edge === null ? -1 : undefined)) path += `M${box.x} ${footOf(box)}V${level}`;
  });
  if (one.edge !== null) path += `M${one.edge} ${levels[0]}V${levels.at(-1)}`;
  return { path, tags: tagsOf(one, levels) };
}

// Above the line that they are about.
const tagsOf = (one, levels) => one.parts.map((part, number) => ({ label: part.label, x: part.middle, y: levels[number] - 8 }));

// Rows one under another: arcs bulge into the margin on the right. Returns how many lanes it took.
function planRows(combinations) {
  const lanes = [];
  const span = (one) => one.boxes.at(-1).y - one.boxes[0].y;
  for (const one of combinations) one.boxes.sort((a, b) => a.y - b.y);
  for (const one of [...combinations].sort((a, b) => span(a) - span(b))) {
    one.lane = takeLane(lanes, one.boxes[0].y + 12, one.boxes.at(-1).y - 12);
  }
  return lanes.length;
}

function traceRows(one, edge, step) {
  const [first, last] = [one.boxes[0], one.boxes.at(-1)];
  const out = edge + step * (one.lane + 1);
  let path = `M${edge} ${first.y}H${out - 8}Q${out} ${first.y} ${out} ${first.y + 8}V${last.y - 8}Q${out} ${last.y} ${out - 8} ${last.y}H${edge}`;
  if (one.boxes.length === 2) {
    const pull = edge + (out - edge) / 0.75;
    path = `M${edge} ${first.y}C${pull} ${first.y} ${pull} ${last.y} ${edge} ${last.y}`;
  }
  for (const box of one.boxes.slice(1, -1)) path += `M${edge} ${box.y}H${out}`;
  return { path, tags: [{ label: one.label, x: out, y: (first.y + last.y) / 2 }] };
}

// Regions of a picture: lines between their middles, by way of a common point for three or more.
function traceLinks(one) {
  const mean = (key) => one.boxes.reduce((sum, box) => sum + box[key], 0) / one.boxes.length;
  const [x, y] = [mean("x"), mean("y")];
  if (one.boxes.length === 2) {
    const [a, b] = one.boxes;
    return { path: `M${a.x} ${a.y}L${b.x} ${b.y}`, tags: [{ label: one.label, x, y }] };
  }
  return { path: one.boxes.map((box) => `M${x} ${y}L${box.x} ${box.y}`).join(""), tags: [{ label: one.label, x, y }] };
}

// Move tags down until none hides another.
function spreadTags(tags) {
  const placed = [];
  for (const tag of [...tags].sort((a, b) => a.y - b.y)) {
    const isHidden = (other) => Math.abs(other.y - tag.y) < 19 && Math.abs(other.x - tag.x) < (labelWidth(other.label) + labelWidth(tag.label)) / 2;
    while (placed.some(isHidden)) tag.y += 4;
    placed.push(tag);
  }
}
