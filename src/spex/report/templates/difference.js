// The difference of any two outputs, from what the sections of both hold.

const MOST_ROWS = 1000;

// What a section has of an index: of that order, or of a lower one that holds all there is.
function viewLike(page, index, order) {
  const views = page.data.views.filter((view) => view.index === index);
  const highest = views.reduce((best, view) => (best && best.order >= view.order ? best : view), null);
  const holdsAll = highest && highest.order < order && highest.order >= page.data.degree;
  return views.find((view) => view.order === order) ?? (holdsAll ? highest : null);
}

// Half the width of the interval, where it is known: of values to another order it may be another.
function halfOf(row, view, order) {
  if (view.rows.length && view.rows.every(isExact)) return 0;
  return !row || row[2] === null || view.order !== order ? null : (row[3] - row[2]) / 2;
}

// No value of both exceeds it by much: what is 1e-9 of it is a rounding error of two fits.
const sizeOfBoth = (a, b) => Math.max(...[a, b].map(({ data }) => data.whatIf ? sizeOf(data.whatIf) : Math.max(...data.views.map((view) => Math.abs(valueOf(view.rows[0] ?? [[], 0]))))));

function differenceView(a, b, index, order, halves) {
  const [first, second] = [viewLike(a, index, order), viewLike(b, index, order)];
  if (!first || !second) return null;
  const [ofA, ofB] = [first, second].map((view) => new Map(view.rows.map((row) => [membersOf(row).join(" "), row])));
  const rows = [];
  const least = 1e-9 * sizeOfBoth(a, b);
  for (const key of new Set([...ofA.keys(), ...ofB.keys()])) {
    const [x, y] = [ofA.get(key), ofB.get(key)];
    if ((!x && first.rest) || (!y && second.rest)) continue; // listed of one alone
    const [p, q] = [x ? valueOf(x) : 0, y ? valueOf(y) : 0];
    if (Math.abs(p - q) <= least) continue;
    const [half, other] = [halves?.[0][key] ?? halfOf(x, first, order), halves?.[1][key] ?? halfOf(y, second, order)];
    const both = half === null || other === null ? null : Math.hypot(half, other);
    rows.push([membersOf(x ?? y), p - q, both === null ? null : p - q - both, both === null ? null : p - q + both, null, false, p, q]);
  }
  rows.sort((r, s) => r[0].length - s[0].length || SORTS.place(r, s)); // of equal ones as in Python
  rows.sort((r, s) => Math.abs(valueOf(s)) - Math.abs(valueOf(r)));
  const isCut = first.rest || second.rest || rows.length > MOST_ROWS;
  markUncertain(rows, isCut ? Math.max(rows.length, first.listed, second.listed) : rows.length);
  return {
    ...first, order, rows: rows.slice(0, MOST_ROWS),
    effects: first.effects.map((effect, place) => {
      const less = effect - second.effects[place];
      return Math.abs(less) > Math.max(least, 1e-5 * Math.abs(effect)) ? less : 0; // they are rounded
    }),
    heading: order > 1 ? `${index} up to order ${order}` : index,
    hint: `${first.hint} Colours and arcs: the difference.`,
    rest: isCut ? "smaller ones, which are not listed of both outputs" : null,
    empty: "No difference: both outputs depend on the units alike.",
  };
}

function differenceViews(a, b, halvesOf) {
  const wanted = new Map();
  const add = (index, order) => wanted.set(`${index} ${order}`, [index, order]);
  const [x, y] = [a.data.views[0], b.data.views[0]];
  add(x.index, Math.max(x.order, y.order));
  for (const view of [...a.data.views, ...b.data.views]) add(view.index, view.order);
  return [...wanted.values()].map(([index, order]) => differenceView(a, b, index, order, halvesOf(index, order))).filter(Boolean);
}

function differenceWhatIf(a, b, deviation) {
  const [x, y] = [a.data.whatIf, b.data.whatIf];
  if (!x || !y) return null;
  const sum = new Map();
  for (const [whatIf, sign] of [[x, 1], [y, -1]]) {
    whatIf.members.forEach((members, place) => {
      const key = members.join(" ");
      sum.set(key, [members, (sum.get(key)?.[1] ?? 0) + sign * whatIf.coefficients[place]]);
    });
  }
  const less = (name) => x[name].map((end, place) => (end === null || y[name][place] === null ? null : end - y[name][place]));
  return {
    members: [...sum.values()].map((pair) => pair[0]), coefficients: [...sum.values()].map((pair) => pair[1]),
    deviation, observed: less("observed"), predicted: less("predicted"), sets: [],
  };
}

// The chance that noise alone is as many standard errors from 0, to 1e-7 of itself (erfc, Press et
// al., Numerical Recipes, section 6.2).
function chanceOf(distance) {
  const x = distance / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  return t * Math.exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0));
}

// As `told_from_zero` of spex.interactions.uncertainty, with false discovery rate 10 %.
function markUncertain(rows, listed) {
  if (rows.some((row) => row[2] === null)) return;
  const chances = rows.map((row) => (isExact(row) ? 0 : chanceOf((Z90 * Math.abs(valueOf(row)) * 2) / (row[3] - row[2]))));
  const ranked = [...chances].sort((a, b) => a - b);
  const last = ranked.findLastIndex((chance, place) => chance <= (0.1 * (place + 1)) / listed);
  rows.forEach((row, place) => { row[5] = last < 0 || chances[place] > ranked[last]; });
}

// --- what the section shows ----------------------------------------------------------------------

// As the report in Python words it.
function tellDifference(page, [a, b]) {
  const { data, view, section } = page;
  const [h1, details] = [section.querySelector("h1"), section.querySelector(".details")];
  const largest = view.rows.find((row) => !isUncertain(row)) ?? view.rows[0];
  if (!largest) {
    h1.replaceChildren("No difference: both outputs depend on the units alike.");
    details.textContent = "";
    return;
  }
  const interval = largest[2] === null || isExact(largest) ? "" : `; 90 % interval of the difference ${signed(largest[2])} to ${signed(largest[3])}`;
  const values = `${signed(largest[6])} in ${a}, ${signed(largest[7])} in ${b}`;
  if (isUncertain(largest)) {
    h1.replaceChildren("Every difference may be 0");
    details.textContent = `The largest: ${namesOf(data, membersOf(largest))}, ${withUnit(signed(valueOf(largest)), data.unit)} (${values}).`;
    return;
  }
  const words = membersOf(largest).slice(0, 6).flatMap((member, place) => [...(place ? [" + "] : []), make("bdi", { class: "named" }, data.labels[member])]);
  const verb = isJoint(largest) ? "add together" : "adds";
  h1.replaceChildren(...words, ` ${verb} ${withUnit(unsigned(valueOf(largest)), data.unit)} ${valueOf(largest) > 0 ? "more" : "less"} in ${a} than in ${b}`);
  details.textContent = `By ${view.heading}: ${values}${interval}.`;
}

function choosePair(page, pair) {
  const { outputs } = page.data;
  const [a, b] = pair.map((number) => pages[number]);
  const names = pair.map((number) => outputs.names[number]);
  const [i, j] = [...pair].sort((x, y) => x - y);
  const [, , r2, deviation] = outputs.pairs.find(([x, y]) => x === i && y === j);
  page.pair = pair;
  Object.assign(page.data, {
    compared: pair.map((number) => outputs.heads[number]),
    views: differenceViews(a, b, (index, order) => {
      const found = outputs.halves[`${index} ${order}`];
      return found && pair.map((number) => found[number]);
    }),
    whatIf: differenceWhatIf(a, b, deviation),
  });
  const { section } = page;
  const q = (selector) => section.querySelector(selector);
  [q(".of").value, q(".less").value] = pair;
  for (const option of q(".less").options) option.disabled = !canCompare(page, pair[0], Number(option.value));
  q(".name").textContent = `Difference: ${names[0]} less ${names[1]}`;
  q(".claim").textContent = [r2, ...pair.map((number, place) => `${names[place]}: ${outputs.fidelity[number]}.`)].filter(Boolean).join(" ");
  q(".key-more").textContent = `together more in ${names[0]}`;
  q(".key-less").textContent = `together less in ${names[0]}`;
  page.link ??= document.querySelector(`nav a[href="#${section.id}"]`);
  page.link.textContent = q(".name").textContent;
  page.link.hash = `${section.id}&of=${pair.join(".")}`; // so that it leads back to this pair
  page.view = page.data.views[0];
  tellDifference(page, names);
}

const canCompare = (page, a, b) => a !== b && page.data.outputs.pairs.some(([x, y]) => (x === a && y === b) || (x === b && y === a));

function prepareDifference(page) {
  const { outputs } = page.data;
  const q = (selector) => page.section.querySelector(selector);
  for (const select of [q(".of"), q(".less")]) select.append(...outputs.names.map((name, number) => make("option", { value: number }, name)));
  q(".pair").hidden = false;
  const change = (pair) => {
    choosePair(page, pair);
    page.count = null;
    page.show(page.data.views[0]);
    refresh(page);
    showWhatIf(page);
  };
  q(".of").addEventListener("change", () => {
    const [of, less] = [Number(q(".of").value), Number(q(".less").value)];
    const others = outputs.names.map((_, number) => number).filter((number) => canCompare(page, of, number));
    // The two change places where one is chosen twice.
    if (others.length) change([of, canCompare(page, of, less) ? less : canCompare(page, of, page.pair[0]) ? page.pair[0] : others[0]]);
    else [q(".of").value] = page.pair;
  });
  q(".less").addEventListener("change", () => change([page.pair[0], Number(q(".less").value)]));
}

// The pair that an address names, or the first one; null for one that there is not.
function pairIn(page, state) {
  if (!state.has("of")) return page.data.outputs.first;
  const pair = state.get("of").split(".").map(Number);
  return pair.length === 2 && canCompare(page, ...pair) ? pair : null;
}
