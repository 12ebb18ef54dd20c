// What if: the surrogate's prediction for the units that are kept, from its Fourier coefficients.

// f(m) = sum over k of F(k) (-1)^(how many members of k are kept).
function predict(whatIf, out) {
  let sum = 0;
  for (let place = 0; place < whatIf.members.length; place += 1) {
    let kept = 0;
    for (const member of whatIf.members[place]) if (!out.has(member)) kept += 1;
    sum += kept % 2 ? -whatIf.coefficients[place] : whatIf.coefficients[place];
  }
  return sum;
}

// No value of the surrogate exceeds it.
const sizeOf = (whatIf) => whatIf.coefficients.reduce((sum, each) => sum + Math.abs(each), 0);

// Half the 90 % interval of the model's own value: the error over the masks that R2 is about, or
// near to everything or nothing the error there, if it is larger; null where it is unknown.
function halfWidth(whatIf, out, n) {
  if (whatIf.deviation === null) return null;
  const left = out.size / n;
  const nearness = [Math.max(0, 1 - 2 * left), Math.max(0, 2 * left - 1)];
  const gaps = whatIf.observed.map((own, end) => (own === null ? 0 : Math.abs(own - whatIf.predicted[end]) * nearness[end]));
  const half = Math.max(Z90 * whatIf.deviation, ...gaps);
  return half <= 1e-12 * sizeOf(whatIf) ? 0 : half; // a rounding error
}

function leaveOut(page, members) {
  if (!page.data.whatIf) return;
  const isOut = members.every((member) => page.out.has(member));
  for (const member of members) if (isOut) page.out.delete(member); else page.out.add(member);
  changed(page, members);
}

function setOut(page, members) {
  const before = page.out;
  page.out = new Set(members);
  changed(page, [...new Set([...before, ...members])]);
}

function changed(page, members) {
  sayUnits(page, members);
  tellPrediction(page);
  if (page.light && document.activeElement?.dataset?.f !== undefined && page.section.contains(document.activeElement)) {
    page.detail.textContent = saysOfUnit(page, Number(document.activeElement.dataset.f));
  }
  keepState(page);
}

function tellPrediction(page) {
  const { data, out } = page;
  const { whatIf, unit } = data;
  const n = data.labels.length;
  // A rounding error of what is added up is shown as 0.
  const size = sizeOf(whatIf);
  const clean = (x) => (Math.abs(x) <= 1e-12 * size ? 0 : x);
  const value = predict(whatIf, out);
  const half = halfWidth(whatIf, out, n);
  const members = [...out].sort((a, b) => a - b);
  const without = !members.length ? "With everything" : members.length === n ? "With nothing" : members.length > n / 2
    ? `With only ${namesOf(data, [...Array(n).keys()].filter((member) => !out.has(member)))}` : `Without ${namesOf(data, members)}`;
  const interval = half === null ? "interval unknown" : half === 0 ? "exact" : `90 % interval ${signed(clean(value - half))} to ${signed(clean(value + half))}`;
  const [whole, nothing] = whatIf.observed;
  const own = (told, end) => (end === null ? `${told}: not asked` : `${told} ${withUnit(signed(clean(end)), unit)}`);
  const told = page.section.querySelector(".prediction");
  told.replaceChildren(`${without}: `, make("strong", { "data-value": value, "data-half": half ?? "" }, withUnit(signed(clean(value)), unit)), ` by the surrogate (${interval}). The model itself: ${own("everything", whole)}, ${own("nothing", nothing)}.`);
  const found = whatIf.sets.find((one) => sameSet(out, targetOf(one, n)));
  if (found) told.append(` Measured here: ${withUnit(signed(found.value), unit)}, ${found.wanted} as wanted.`);
  drawScale(page, value, half ?? 0);
}

const targetOf = (set, n) => (set.name === "change" ? set.members : [...Array(n).keys()].filter((member) => !set.members.includes(member)));
const sameSet = (out, members) => out.size === members.length && members.every((member) => out.has(member));

function drawScale(page, value, half) {
  const { whatIf } = page.data;
  const ends = whatIf.observed.map((own, end) => own ?? whatIf.predicted[end]);
  const points = [value - half, value + half, ...ends, 0];
  const [least, most] = [Math.min(...points), Math.max(...points)];
  const at = (x) => `${(4 + (92 * (x - least)) / (most - least || 1)).toFixed(2)}%`;
  const scale = page.section.querySelector(".scale");
  const isTight = Math.abs(ends[0] - ends[1]) < 0.4 * (most - least);
  // Under the line there may be two names, "0" and "nothing": away from each other.
  const isNear = isTight && Math.abs(ends[1]) < 0.25 * (most - least);
  const [of_zero, of_nothing] = ends[1] < 0 ? ["start", "end"] : ["end", "start"];
  const mark = (x, told, y, anchor = x < (least + most) / 2 ? "start" : "end") => [
    make("line", { class: "end", x1: at(x), x2: at(x), y1: 16, y2: 32 }),
    make("text", { x: at(x), y, "text-anchor": anchor }, told),
  ];
  scale.replaceChildren(
    make("line", { class: "axis", x1: "4%", x2: "96%", y1: 24, y2: 24 }),
    make("line", { class: "zero", x1: at(0), x2: at(0), y1: 20, y2: 28 }),
    make("text", { class: "nought", x: at(0), dx: isNear ? { start: 3, end: -3 }[of_zero] : 0, y: isNear ? 46 : 42, "text-anchor": isNear ? of_zero : "middle" }, "0"),
    ...mark(ends[0], "everything", 12),
    ...mark(ends[1], "nothing", isTight ? 46 : 12, isNear ? of_nothing : undefined),
    make("line", { class: "range", x1: at(value - half), x2: at(value + half), y1: 24, y2: 24 }),
    make("circle", { class: "now", cx: at(value), cy: 24, r: 6 }),
  );
}

function prepareWhatIf(page) {
  const panel = page.section.querySelector(".what-if");
  const n = page.data.labels.length;
  const buttons = panel.querySelector(".buttons");
  const add = (told, act) => {
    const button = make("button", { type: "button" }, told);
    button.addEventListener("click", act);
    buttons.append(button);
    return button;
  };
  add("Keep everything", () => setOut(page, []));
  add("Leave everything out", () => setOut(page, [...Array(n).keys()]));
  // The one that the headline names and that is drawn; none where no combination is told from 0.
  page.strongest = add("Without the strongest combination", () => setOut(page, membersOf(jointOf(page.view)[0])));
  tellStrongest(page);
  for (const set of page.data.whatIf?.sets ?? []) {
    add(set.name === "change" ? "Without the smallest set that flips it" : "Only the smallest set that keeps it", () => setOut(page, targetOf(set, n)));
  }
  showWhatIf(page);
}

function tellStrongest(page) {
  const [first] = jointOf(page.view);
  if (page.strongest) page.strongest.hidden = !first || isUncertain(first);
}

function showWhatIf(page) {
  const { whatIf } = page.data;
  page.section.querySelector(".no-what-if").hidden = whatIf !== null;
  page.section.querySelector(".what-if").hidden = whatIf === null;
  if (whatIf) tellPrediction(page);
}
