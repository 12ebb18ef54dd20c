// One explanation of the page: its state, its controls, and the state in the address.

const MOST_DRAWN = 30;
const SCROLLERS = ".stage, pre, .excerpt, .asked dd";
const pages = [];

function refresh(page, isNewView = true) {
  if (isNewView) {
    page.byMember = rowsByMember(page.view);
    const joint = page.view.rows.filter(isJoint).length;
    page.countSlider.max = Math.min(joint, MOST_DRAWN);
    page.countSlider.disabled = joint === 0;
    page.count = Math.min(page.count ?? defaultCount(page.view), Number(page.countSlider.max));
    page.countSlider.value = page.count;
    page.leastSlider.disabled = joint === 0;
    tellStrongest(page);
    recolour(page);
    sayUnits(page);
  }
  darken(page);
  list(page);
  tellDrawn(page);
  redraw(page);
  keepState(page);
}

function tellDrawn(page) {
  const joint = page.view.rows.filter(isJoint);
  const least = (page.least / 100) * largestOf(joint);
  for (const line of page.section.querySelectorAll(".key-line")) line.hidden = !drawnRows(page).length;
  page.section.querySelector(".count-told").textContent = joint.length
    ? `${drawnRows(page).length} of ${byThousands(joint.length)}`
    : `none to order ${page.view.order}`;
  page.section.querySelector(".least-told").textContent = least ? withUnit(unsigned(least), page.data.unit) : "0";
  page.countSlider.setAttribute("aria-valuetext", `${drawnRows(page).length} combinations drawn`);
  page.leastSlider.setAttribute("aria-valuetext", `at least ${page.section.querySelector(".least-told").textContent}`);
}

// The switch of index and order offers what the file holds.
function prepareViews(page) {
  const q = (selector) => page.section.querySelector(selector);
  const [index, order] = [q(".index"), q(".order")];
  page.show = (view) => {
    const { views } = page.data;
    page.view = view;
    index.replaceChildren(...[...new Set(views.map((one) => one.index))].map((name) => make("option", { value: name }, name)));
    const orders = views.filter((one) => one.index === view.index).map((one) => one.order).sort((a, b) => a - b);
    index.value = view.index;
    order.replaceChildren(...orders.map((one) => make("option", { value: one }, String(one))));
    order.value = view.order;
    order.disabled = orders.length < 2;
  };
  const choose = (wanted) => { page.count = null; page.show(wanted); refresh(page); };
  index.addEventListener("change", () => {
    const of = page.data.views.filter((view) => view.index === index.value);
    choose(of.find((view) => view.order === page.view.order) ?? of.at(-1));
  });
  order.addEventListener("change", () => choose(page.data.views.find((view) => view.index === index.value && view.order === Number(order.value))));
  page.countSlider.addEventListener("input", () => { page.count = Number(page.countSlider.value); drawn(page); });
  page.leastSlider.addEventListener("input", () => { page.least = Number(page.leastSlider.value); drawn(page); });
}

function drawn(page) {
  tellDrawn(page);
  redraw(page);
  keepState(page);
}

// --- the address ---------------------------------------------------------------------------------

function stateOf(page) {
  const state = new URLSearchParams();
  const { view } = page;
  if (page.pair && page.pair.join() !== page.data.outputs.first.join()) state.set("of", page.pair.join("."));
  if (view !== page.data.views[0]) { state.set("index", view.index); state.set("order", view.order); }
  if (page.count !== defaultCount(view)) state.set("drawn", page.count);
  if (page.least) state.set("least", page.least);
  if (page.out.size) state.set("out", [...page.out].sort((a, b) => a - b).join("."));
  for (const name of ["find", "kinds", "sort"]) if (page[name] !== DEFAULTS[name]) state.set(name, page[name]);
  return state.toString();
}

const DEFAULTS = { find: "", kinds: "all", sort: "value" };

function keepState(page) {
  if (!page.isReady) return;
  const state = stateOf(page);
  const fragment = state || pages.length > 1 ? `#${page.section.id}${state ? `&${state}` : ""}` : "";
  try {
    history.replaceState(null, "", fragment || location.pathname + location.search);
  } catch {
    // Inside another page (srcdoc) there is no address to keep it in.
  }
}

function readState(page) {
  const [id, ...rest] = location.hash.slice(1).split("&");
  if (id !== page.section.id) return;
  const state = new URLSearchParams(rest.join("&"));
  const pair = page.pair && pairIn(page, state);
  if (page.pair) choosePair(page, pair ?? page.data.outputs.first);
  const view = page.data.views.find((one) => one.index === state.get("index") && one.order === Number(state.get("order")));
  const n = page.data.labels.length;
  const out = (state.get("out") ?? "").split(".").filter(Boolean).map(Number);
  const isKnown = out.every((member) => Number.isInteger(member) && member >= 0 && member < n) && (view || !state.has("index")) && pair !== null;
  page.resting = isKnown ? page.hint : "The address names what this page does not have, and was left aside.";
  if (!isKnown) return readStateOf(page, new URLSearchParams(), page.data.views[0], []);
  readStateOf(page, state, view ?? page.data.views[0], out);
}

function readStateOf(page, state, view, out) {
  page.show(view);
  page.count = state.has("drawn") ? Number(state.get("drawn")) || 0 : null;
  page.least = Math.min(Math.max(Number(state.get("least")) || 0, 0), 100);
  page.leastSlider.value = page.least;
  page.out = new Set(out);
  for (const name of ["find", "kinds", "sort"]) {
    page[name] = state.get(name) ?? DEFAULTS[name];
    page.section.querySelector(`.${name}`).value = page[name];
  }
  if (!(page.sort in SORTS)) page.sort = DEFAULTS.sort;
}

// --- start ---------------------------------------------------------------------------------------

function explore(section) {
  const q = (selector) => section.querySelector(selector);
  const data = JSON.parse(q(".data").textContent);
  const page = {
    section, data, view: data.views[0], units: unitsOf(section), out: new Set(), count: null, least: 0, whole: false,
    marked: [], light: null, lifted: new Map(), margin: 0, ...DEFAULTS, lines: new Map(), lineOf: new Map(), rowOf: new Map(),
    canvas: q(".canvas"), overlay: q(".overlay"), stage: q(".stage"), detail: q(".detail"), table: q("table.interactions"),
    countSlider: q(".count"), leastSlider: q(".least"), resting: q(".detail").textContent, hint: q(".detail").textContent,
  };
  if (q(".chips")) page.canvas.dataset.chips = "yes";
  pages.push(page);
  for (const hidden of section.querySelectorAll(".controls, .tools, .csv, .json")) hidden.hidden = false;
  prepareInput(page);
  prepareViews(page);
  prepareTable(page);
  if (data.outputs) { prepareDifference(page); choosePair(page, data.outputs.first); }
  page.show(data.views[0]);
  readState(page);
  refresh(page);
  prepareWhatIf(page);
  if (page.out.size) changed(page);
  for (const one of section.querySelectorAll("[data-set]")) {
    const members = one.dataset.set.split(" ").filter(Boolean).map(Number);
    for (const name of ["pointerenter", "focus"]) one.addEventListener(name, () => lightSet(page, members, one.dataset.says));
    for (const name of ["pointerleave", "blur"]) one.addEventListener(name, () => relight(page));
  }
  page.scrollers = section.querySelectorAll(SCROLLERS);
  for (const one of page.scrollers) one.addEventListener("scroll", () => tellMore(one), { passive: true });
  page.isReady = true;
  new ResizeObserver(() => requestAnimationFrame(() => resized(page))).observe(page.stage);
}

// Drawing changes the height; only another width asks for another drawing.
function resized(page) {
  const width = page.stage.clientWidth;
  if (width === page.width) return;
  page.width = width;
  redraw(page);
  for (const one of page.scrollers) tellScroller(one);
}

// What scrolls can be reached by the keyboard.
function tellScroller(one) {
  if (one.scrollHeight > one.clientHeight + 1) one.setAttribute("tabindex", 0);
  tellMore(one);
}

// Of a long text, what is drawn first is on the screen.
function showDrawn(page) {
  redraw(page);
  const [first] = drawnRows(page);
  for (const member of first ? [...membersOf(first)].reverse() : []) scrollIntoStage(page, page.units.get(member)?.[0]);
}

// Several outputs: the links at the top show one at a time.
function choose() {
  const id = location.hash.slice(1).split("&")[0];
  const chosen = pages.find((page) => page.section.id === id) ?? pages[0];
  const isSwitch = document.querySelector("main[data-switch]") !== null;
  for (const page of pages) {
    if (isSwitch) page.section.classList.toggle("off", page !== chosen);
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (isSwitch && link.hash.split("&")[0] === `#${chosen.section.id}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return chosen;
}

for (const section of document.querySelectorAll(".explanation")) explore(section);
choose();
for (const page of pages) showDrawn(page);
addEventListener("hashchange", () => {
  const chosen = choose();
  readState(chosen);
  refresh(chosen);
  if (chosen.data.whatIf) changed(chosen);
  if (document.querySelector("main[data-switch]")) scrollTo(0, 0);
});
document.fonts?.ready.then(() => pages.forEach(redraw));

// Print as wide as paper, so that what is measured here is where it is printed.
function printing(isPrinting) {
  document.documentElement.classList.toggle("printing", isPrinting);
  for (const page of pages) {
    // As it is drawn at rest; what has the focus comes back afterwards.
    if (isPrinting) darken(page);
    redraw(page);
    if (!isPrinting) relight(page);
  }
}
addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
