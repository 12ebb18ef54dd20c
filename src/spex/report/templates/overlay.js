// Combinations drawn over the input: arcs and brackets over texts, arcs beside rows, links over
// pictures. Colour and dashes are the sign, width is the size, and each has its value beside it.

function kindOf(element) {
  if (element instanceof SVGElement) return "region";
  return element.classList.contains("row-line") ? "row" : "word";
}

// A longer text scrolls inside its panel, beside what is said of it; in pixels.
const MOST_HIGH = 1400;

// Boxes are in pixels of the canvas.
function boxOf(element, canvas) {
  const origin = canvas.getBoundingClientRect();
  const kind = kindOf(element);
  const box = kind === "word" ? element.getClientRects()[0] : element.getBoundingClientRect();
  if (!box) return null;
  const [left, top] = [box.left - origin.left, box.top - origin.top];
  // Of a long unit its start is marked: its end may be on another line.
  const x = kind === "word" ? left + Math.min(box.width / 2, 60) : left + box.width / 2;
  return { element, left, top, bottom: top + box.height, right: left + box.width, x, y: top + box.height / 2 };
}

function drawnRows(page) {
  const joint = jointOf(page.view);
  const largest = largestOf(joint);
  return joint
    .slice(0, page.count)
    .filter((row) => Math.abs(valueOf(row)) >= (page.least / 100) * largest);
}

// What is drawn by default: what is told from 0 and at least a third of the largest of these.
function defaultCount(view) {
  const sure = view.rows.filter((row) => isJoint(row) && !isUncertain(row));
  return Math.min(sure.filter((row) => Math.abs(valueOf(row)) >= largestOf(sure) / 3).length, 5);
}

// Lifts change no line break, so that lines can be told with those of before still there; only
// what differs makes the browser lay the text out again.
function lift(page, wanted) {
  for (const element of page.lifted.keys()) if (!wanted.has(element)) element.classList.remove("lift");
  for (const [element, pixels] of wanted) {
    if (page.lifted.get(element) === pixels) continue;
    element.classList.add("lift");
    element.style.setProperty("--lift", `${pixels}px`);
  }
  page.lifted = wanted;
}

function redraw(page) {
  const { canvas, overlay } = page;
  if (!page.section.offsetParent && page.section.offsetHeight === 0) return; // not shown
  for (const element of canvas.querySelectorAll(".joined")) element.classList.remove("joined", "pos", "neg", "flat");
  const rows = drawnRows(page);
  const extra = page.light?.rows.filter((row) => !rows.includes(row)) ?? [];
  const largest = largestOf(page.view.rows.filter(isJoint)) || 1;
  const combinations = [...rows, ...extra].flatMap((row) => {
    const boxes = membersOf(row).map((member) => page.units.get(member)?.[0]).filter(Boolean);
    return boxes.length > 1 ? [{ row, elements: boxes, isExtra: extra.includes(row), label: labelOf(row) }] : [];
  });
  for (const one of combinations) {
    const kinds = new Set(one.elements.map(kindOf));
    one.mode = kinds.size === 1 ? [...kinds][0] : "region";
    one.boxes = one.elements.map((element) => boxOf(element, canvas)).filter(Boolean);
    for (const box of one.boxes) box.name = page.data.labels[Number(box.element.dataset.f)];
  }
  const ready = combinations.filter((one) => one.boxes.length > 1);
  const traced = [
    ...overWords(page, ready.filter((one) => one.mode === "word")),
    ...besideRows(page, ready.filter((one) => one.mode === "row")),
    ...overRegions(page, ready.filter((one) => one.mode === "region")),
  ];
  spreadTags(traced.filter((one) => one.mode !== "word").flatMap((one) => one.tags));
  overlay.setAttribute("width", canvas.clientWidth);
  overlay.setAttribute("height", canvas.clientHeight);
  // What has no combination dims none.
  const lit = page.light?.rows.length ? new Set(page.light.rows) : null;
  const weak = (one) => lit && !lit.has(one.row);
  traced.sort((a, b) => Number(!weak(a)) - Number(!weak(b)) || Math.abs(valueOf(a.row)) - Math.abs(valueOf(b.row)));
  page.stage.classList.toggle("cut", canvas.offsetHeight > MOST_HIGH);
  tellMore(page.stage);
  overlay.replaceChildren(...traced.map((one) => shape(page, one, largest, weak(one))), ...traced.flatMap((one) => one.tags.map((place) => tag(page, one, place, weak(one)))));
}

// Whether what scrolls goes on below its edge, and above.
function tellMore(scroller) {
  scroller.classList.toggle("has-more", scroller.scrollTop + scroller.clientHeight < scroller.scrollHeight - 6);
  scroller.classList.toggle("has-past", scroller.scrollTop > 6);
}

const labelOf = (row) => signed(valueOf(row)) + (isUncertain(row) ? " ?" : "");

// Lines of text make room for the lanes above them, then the arcs are drawn.
function overWords(page, combinations) {
  const { canvas } = page;
  const right = canvas.clientWidth;
  numberLines(combinations.flatMap((one) => one.boxes));
  const fixed = combinations.filter((one) => !one.isExtra);
  const counts = planLanes(fixed, right);
  const firsts = new Map();
  for (const box of fixed.flatMap((one) => one.boxes)) {
    if (!firsts.has(box.line) || box.left < firsts.get(box.line).left) firsts.set(box.line, box);
  }
  lift(page, new Map([...firsts].map(([line, box]) => {
    const letters = canvas.dataset.chips ? 0 : 0.8 * (box.bottom - box.top);
    return [box.element, Math.round(letters + FIRST_LANE + LANE * counts.get(line))];
  })));
  for (const one of combinations) {
    one.boxes = one.boxes.map((box) => ({ ...box, ...boxOf(box.element, canvas) }));
  }
  // What a pointer brings up goes into the lanes that are there, without moving the text; what
  // finds no room is not drawn: its units are outlined, and its row is marked.
  const lit = new Set(page.light?.rows);
  const extras = combinations.filter((one) => one.isExtra);
  planLanes(extras, right, takenBy(fixed.filter((one) => lit.has(one.row))));
  const hasRoom = (one) => one.parts.every((part) => part.lane < (counts.get(part.line) ?? 1));
  combinations = [...fixed, ...extras.filter(hasRoom)];
  const tops = new Map();
  for (const box of combinations.flatMap((one) => one.boxes)) {
    tops.set(box.line, Math.min(tops.get(box.line) ?? Infinity, box.top));
  }
  spreadFeet(combinations);
  return combinations.map((one) => ({ ...one, ...trace(one, (line) => tops.get(line)) }));
}

// Arcs that end at one unit stand side by side.
function spreadFeet(combinations) {
  const at = new Map();
  for (const box of combinations.flatMap((one) => one.boxes)) {
    if (!at.has(box.element)) at.set(box.element, []);
    at.get(box.element).push(box);
  }
  for (const boxes of at.values()) {
    const step = Math.min(7, (boxes[0].right - boxes[0].left - 4) / boxes.length);
    boxes.forEach((box, place) => { box.x += step * (place - (boxes.length - 1) / 2); });
  }
}

function besideRows(page, combinations) {
  const { canvas } = page;
  if (!combinations.length) {
    if (page.margin) canvas.style.setProperty("--margin", `${(page.margin = 0)}px`);
    return [];
  }
  const step = canvas.clientWidth < 560 ? 20 : 34;
  const lanes = planRows(combinations);
  page.margin = step * lanes + 30;
  canvas.style.setProperty("--margin", `${page.margin}px`);
  for (const one of combinations) one.boxes = one.elements.map((element) => boxOf(element, canvas));
  planRows(combinations);
  const edge = Math.max(...combinations.flatMap((one) => one.boxes.map((box) => box.right))) + 2;
  return combinations.map((one) => ({ ...one, ...traceRows(one, edge, step) }));
}

function overRegions(page, combinations) {
  for (const one of combinations) {
    const tone = toneOf(page.view, valueOf(one.row));
    for (const element of one.elements) {
      if (!element.classList.contains("joined")) element.classList.add("joined", tone);
    }
  }
  return combinations.map((one) => ({ ...one, ...traceLinks(one) }));
}

function shape(page, one, largest, isWeak) {
  const share = Math.min(Math.abs(valueOf(one.row)) / largest, 1);
  const tone = toneOf(page.view, valueOf(one.row));
  const name = `joint ${tone}${isUncertain(one.row) ? " unsure" : ""}${isWeak ? " weak" : ""}`;
  const width = (1.5 + 4.5 * share).toFixed(2);
  const group = make("g", { class: "link", "data-m": membersOf(one.row).join(" ") });
  if (one.mode === "region") group.append(make("path", { class: "halo", d: one.path, "stroke-width": Number(width) + 4 }));
  group.append(make("path", { class: name, d: one.path, "stroke-width": width }));
  return group;
}

function tag(page, one, place, isWeak) {
  const width = labelWidth(place.label);
  const most = Math.max(page.canvas.clientWidth - width, 0);
  const left = Math.min(Math.max(place.x - width / 2, 0), most);
  const group = make("g", { class: `tag ${toneOf(page.view, valueOf(one.row))}${isWeak ? " weak" : ""}`, "data-m": membersOf(one.row).join(" ") });
  group.append(
    make("rect", { x: left, y: place.y - 9, width, height: 18, rx: 9 }),
    make("text", { x: left + width / 2, y: place.y + 4.5, "text-anchor": "middle" }, place.label),
  );
  return group;
}
