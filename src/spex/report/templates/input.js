// The units of the input: what they say, and what lights up when one is pointed at or has the focus.

const STRENGTHS = 5;
const LIT_ARCS = 8;
const LEVELS = 10; // of colour
const ROUNDING = 1e-9; // so that a tie is the same level whoever computes it

function unitsOf(section) {
  const units = new Map();
  for (const element of section.querySelectorAll(".reading [data-f]")) {
    const feature = Number(element.dataset.f);
    if (!units.has(feature)) units.set(feature, []);
    units.get(feature).push(element);
  }
  return units;
}

// Rows of the view by member, the largest first.
function rowsByMember(view) {
  const found = new Map();
  for (const row of view.rows) {
    for (const member of membersOf(row)) {
      if (!found.has(member)) found.set(member, []);
      found.get(member).push(row);
    }
  }
  return found;
}

function saysOfUnit(page, feature) {
  const [element] = page.units.get(feature);
  const joint = (page.byMember.get(feature) ?? []).filter(isJoint);
  let told = element.dataset.says;
  if (joint.length) {
    const partners = joint.slice(0, 3).map((row) => {
      const others = membersOf(row).filter((member) => member !== feature);
      return `${namesOf(page.data, others)} ${signed(valueOf(row))}`;
    });
    told += `; together with ${partners.join(", with ")}`;
    if (joint.length > 3) told += ` and in ${byThousands(joint.length - 3)} more`;
  }
  return page.out.has(feature) ? `${told}; left out` : told;
}

// The colours of units are their own values in the view, on one scale with all that it lists.
function recolour(page) {
  const { data, view } = page;
  const largest = largestOf(view.rows);
  for (const [feature, elements] of page.units) {
    const effect = view.effects[feature];
    const share = largest ? Math.abs(effect) / largest : 0;
    const level = Math.round(LEVELS * share - ROUNDING);
    const tone = !view.hasDirection ? "f" : effect > 0 ? "p" : "n";
    const own = (page.byMember.get(feature) ?? []).find((row) => !isJoint(row));
    const doubt = own && isUncertain(own) ? ", may be 0" : "";
    for (const element of elements) {
      element.dataset.says = `${isolated(data.labels[feature])}: ${withUnit(signed(effect), data.unit)}${doubt}`;
      if (kindOf(element) === "row") {
        const bar = element.querySelector("rect");
        bar.setAttribute("class", toneOf(view, effect));
        bar.setAttribute("x", `${effect > 0 ? 50 : 50 - 50 * share}%`);
        bar.setAttribute("width", `${50 * share}%`);
        element.querySelector(".row-value").textContent = signed(effect);
        continue;
      }
      for (const name of [...element.classList]) if (/^[pnf]\d+$/.test(name)) element.classList.remove(name);
      if (level) element.classList.add(`${tone}${level}`);
    }
  }
  const told = page.section.querySelector(".ramp-told");
  if (!told) return;
  told.hidden = !largest;
  told.querySelector(".ramp").hidden = !view.hasDirection;
  told.querySelector(".reach").textContent = view.hasDirection ? `${MINUS}${unsigned(largest)} to +${withUnit(unsigned(largest), data.unit)}` : `up to ${withUnit(unsigned(largest), data.unit)}`;
}

function darken(page) {
  for (const element of page.marked) {
    element.classList.remove("on", "lit", "pos", "neg", "flat");
    delete element.dataset.strength;
  }
  page.marked = [];
  page.light = null;
  page.detail.textContent = page.resting;
  page.section.classList.remove("linking");
}

function lightElement(page, element, view, value, largest) {
  const tone = toneOf(view, value);
  element.classList.add("lit", tone);
  element.dataset.strength = Math.max(1, Math.round((STRENGTHS * Math.abs(value)) / largest));
  page.marked.push(element);
}

// The partners of a unit, each by the largest combination with it.
function lightUnit(page, feature) {
  darken(page);
  const joint = (page.byMember.get(feature) ?? []).filter(isJoint);
  const largest = joint.length ? Math.abs(valueOf(joint[0])) : 1;
  const seen = new Set([feature]);
  for (const row of joint) {
    for (const member of membersOf(row)) {
      if (seen.has(member)) continue;
      seen.add(member);
      for (const element of page.units.get(member) ?? []) {
        lightElement(page, element, page.view, valueOf(row), largest);
      }
    }
  }
  for (const element of page.units.get(feature)) {
    element.classList.add("on");
    page.marked.push(element);
  }
  for (const line of page.lines.get(feature) ?? []) {
    line.classList.add("on");
    page.marked.push(line);
  }
  page.light = { rows: joint.slice(0, LIT_ARCS) };
  finish(page, saysOfUnit(page, feature));
}

function lightRow(page, row, says = saysOf(page.data, row)) {
  darken(page);
  const elements = membersOf(row).flatMap((member) => page.units.get(member) ?? []);
  for (const element of elements) {
    lightElement(page, element, page.view, valueOf(row), Math.abs(valueOf(row)) || 1);
    element.classList.add("on");
  }
  const line = page.lineOf.get(row);
  if (line) {
    line.classList.add("on");
    page.marked.push(line);
  }
  page.light = { rows: isJoint(row) ? [row] : [] };
  finish(page, says);
  scrollIntoStage(page, elements[0]);
}

function lightSet(page, members, says) {
  darken(page);
  for (const element of members.flatMap((member) => page.units.get(member) ?? [])) {
    element.classList.add("on");
    page.marked.push(element);
  }
  finish(page, says);
}

function finish(page, says) {
  page.section.classList.add("linking");
  page.detail.textContent = says;
  redraw(page);
}

// A long text scrolls inside its panel: bring a unit into it, but do not move the page.
function scrollIntoStage(page, element) {
  const { stage } = page;
  if (!element || stage.scrollHeight <= stage.clientHeight) return;
  const box = stage.getBoundingClientRect();
  const place = element.getBoundingClientRect();
  if (place.top < box.top + 40) stage.scrollTop += place.top - box.top - 60;
  else if (place.bottom > box.bottom) stage.scrollTop += place.bottom - box.bottom + 20;
}

// What has the keyboard's focus comes back when the pointer leaves.
function relight(page) {
  const focused = document.activeElement;
  if (focused && page.section.contains(focused)) {
    if (focused.dataset?.f !== undefined) return lightUnit(page, Number(focused.dataset.f));
    if (focused.matches?.("tr[data-m]")) return lightRow(page, page.rowOf.get(focused));
  }
  if (!page.light && !page.marked.length) return undefined;
  darken(page);
  return redraw(page);
}

function sayUnits(page, features = page.units.keys()) {
  for (const feature of features) {
    for (const element of page.units.get(feature) ?? []) {
      element.setAttribute("aria-label", saysOfUnit(page, feature));
      element.setAttribute("aria-pressed", String(page.out.has(feature)));
      element.classList.toggle("out", page.out.has(feature));
    }
  }
}

// Every unit is a button, all of them one stop for the tabulator key; arrows move inside.
function prepareInput(page) {
  const order = [...page.section.querySelectorAll(".reading [data-f]")];
  const focus = (element) => {
    for (const other of order) other.setAttribute("tabindex", other === element ? "0" : "-1");
    element.focus();
  };
  order.forEach((element, place) => {
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", place === 0 ? "0" : "-1");
  });
  const unitAt = (event) => event.target.closest?.("[data-f]");
  let pointed = null;
  page.canvas.addEventListener("pointerover", (event) => {
    const unit = unitAt(event);
    if (unit === pointed) return;
    pointed = unit;
    if (unit) lightUnit(page, Number(unit.dataset.f));
    else if (event.pointerType === "mouse") relight(page);
  });
  page.canvas.addEventListener("pointerleave", (event) => {
    pointed = null;
    // A finger that is lifted leaves too; what it touched stays marked.
    if (event.pointerType === "mouse") relight(page);
  });
  page.canvas.addEventListener("focusin", (event) => {
    const unit = unitAt(event);
    if (!unit) return;
    for (const other of order) other.setAttribute("tabindex", other === unit ? "0" : "-1");
    lightUnit(page, Number(unit.dataset.f));
    scrollIntoStage(page, unit);
  });
  page.canvas.addEventListener("focusout", (event) => {
    if (unitAt(event)) { darken(page); redraw(page); }
  });
  // A finger cannot point without a tap: the first one on a unit shows, the next leaves it out.
  let tapped = null;
  page.canvas.addEventListener("click", (event) => {
    const unit = unitAt(event);
    const isFirst = event.pointerType === "touch" && unit !== tapped;
    tapped = unit;
    if (unit && !isFirst) leaveOut(page, [Number(unit.dataset.f)]);
  });
  page.canvas.addEventListener("keydown", (event) => {
    const unit = unitAt(event);
    const at = order.indexOf(unit);
    if (at < 0) return;
    const target = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: order.length - 1 }[event.key];
    if (target !== undefined) focus(order[Math.min(Math.max(target, 0), order.length - 1)]);
    else if (event.key === "Enter" || event.key === " ") leaveOut(page, [Number(unit.dataset.f)]);
    else if (event.key === "Escape") unit.blur();
    else return;
    event.preventDefault();
  });
  const detailsChanged = () => redraw(page);
  for (const details of page.canvas.querySelectorAll("details")) details.addEventListener("toggle", detailsChanged);
}
