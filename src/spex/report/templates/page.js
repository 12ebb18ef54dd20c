"use strict";
for (const section of document.querySelectorAll(".explanation")) {
  const units = [...section.querySelectorAll("[data-f]")];
  const rows = [...section.querySelectorAll("[data-m]")];
  const text = section.querySelector(".text");
  const detail = section.querySelector(".detail");
  const unitsOf = new Map();
  const rowsOf = new Map();
  for (const unit of units) {
    const key = unit.dataset.f;
    unitsOf.set(key, [...(unitsOf.get(key) ?? []), unit]);
  }
  for (const row of rows) {
    for (const key of row.dataset.m.split(" ")) {
      rowsOf.set(key, [...(rowsOf.get(key) ?? []), row]);
    }
  }
  const SHORT = 25;
  const filter = section.querySelector(".filter");
  const more = section.querySelector(".all");
  let wanted = () => true;
  let whole = rows.length <= SHORT + 5;
  const shown = () => rows.filter((row) => !row.hidden);
  // Short at first: the first rows say most, and a phone should not scroll for a minute.
  function list() {
    const matching = rows.filter(wanted);
    const listed = new Set(whole ? matching : matching.slice(0, SHORT));
    for (const row of rows) {
      row.hidden = !listed.has(row);
      row.tabIndex = row === matching[0] ? 0 : -1;
    }
    if (more) {
      more.hidden = listed.size === matching.length;
      more.textContent = `Show all ${matching.length} listed`;
    }
  }

  let marked = [];
  function clear() {
    for (const element of marked) element.classList.remove("on");
    marked = [];
    section.classList.remove("linking");
    detail.textContent = "";
  }
  function mark(elements, says) {
    clear();
    marked = elements;
    for (const element of marked) element.classList.add("on");
    section.classList.add("linking");
    detail.textContent = says;
  }
  function markRow(row) {
    const members = row.dataset.m.split(" ").flatMap((key) => unitsOf.get(key) ?? []);
    mark([row, ...members], row.dataset.says);
    // A long text scrolls inside its panel: bring the first unit into it, but do not move the page.
    if (members.length && text.scrollHeight > text.clientHeight) {
      const box = text.getBoundingClientRect();
      const first = members[0].getBoundingClientRect();
      if (first.top < box.top) text.scrollTop += first.top - box.top - 8;
      else if (first.bottom > box.bottom) text.scrollTop += first.bottom - box.bottom + 8;
    }
  }
  function markUnit(unit) {
    const key = unit.dataset.f;
    const listed = (rowsOf.get(key) ?? []).filter((row) => !row.hidden);
    const joint = listed.filter((row) => row.dataset.m.includes(" "));
    let says = unit.dataset.says;
    if (joint.length) {
      says += `; in ${joint.length} of the listed combinations, first ${joint[0].dataset.says}`;
    }
    mark([...unitsOf.get(key), ...listed], says);
  }

  // What has the keyboard's focus comes back when the pointer leaves.
  function restore() {
    const row = document.activeElement?.closest?.("[data-m]");
    if (row && section.contains(row)) markRow(row);
    else clear();
  }
  for (const row of rows) {
    row.addEventListener("pointerenter", () => markRow(row));
    row.addEventListener("pointerleave", restore);
    row.addEventListener("focus", () => markRow(row));
    row.addEventListener("blur", clear);
    row.addEventListener("click", () => go(row));
  }
  for (const unit of units) {
    unit.addEventListener("pointerenter", () => markUnit(unit));
    unit.addEventListener("pointerleave", (event) => {
      // A finger that is lifted leaves too; what it touched stays marked.
      if (event.pointerType === "mouse") restore();
    });
  }
  for (const one of section.querySelectorAll("[data-set]")) {
    const members = one.dataset.set.split(" ").flatMap((key) => unitsOf.get(key) ?? []);
    for (const name of ["pointerenter", "focus"]) {
      one.addEventListener(name, () => mark(members, one.dataset.says));
    }
    one.addEventListener("pointerleave", restore);
    one.addEventListener("blur", clear);
  }

  // The table is one stop for the tabulator key; arrows move inside it.
  function go(row) {
    for (const other of rows) other.tabIndex = other === row ? 0 : -1;
    row.focus();
  }
  section.querySelector("tbody")?.addEventListener("keydown", (event) => {
    const visible = shown();
    const at = visible.indexOf(document.activeElement);
    if (at < 0) return;
    const target = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: visible.length - 1,
    }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      go(visible[Math.min(Math.max(target, 0), visible.length - 1)]);
    } else if (event.key === "Escape") {
      document.activeElement.blur();
    }
  });

  if (filter) {
    const test = {
      all: () => true,
      single: (row) => !row.dataset.m.includes(" "),
      joint: (row) => row.dataset.m.includes(" "),
    };
    for (const input of filter.querySelectorAll("input")) {
      const count = rows.filter(test[input.value]).length;
      input.parentElement.append(` (${count})`);
      input.disabled = count === 0;
      input.addEventListener("change", () => {
        clear();
        wanted = test[input.value];
        list();
      });
    }
    filter.hidden = false;
  }
  more?.addEventListener("click", () => {
    whole = true;
    const next = shown().length;
    list();
    go(shown()[next]);
  });
  list();
}

// Several outputs: the links at the top show one at a time.
const switched = document.querySelector("main[data-switch]");
if (switched) {
  const sections = [...switched.querySelectorAll(".explanation")];
  const links = [...document.querySelectorAll("nav a")];
  const choose = () => {
    const chosen = sections.find((section) => `#${section.id}` === location.hash) ?? sections[0];
    for (const section of sections) section.classList.toggle("off", section !== chosen);
    for (const link of links) {
      if (link.hash === `#${chosen.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
  };
  addEventListener("hashchange", choose);
  choose();
}
