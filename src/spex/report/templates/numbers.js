"use strict";
// Numbers as Python's reports write them, elements made of data, and files made in the page.

const MINUS = "\u2212";
const SVG = "http://www.w3.org/2000/svg";
const Z90 = 1.6448536269514722; // of a 90 % interval

// Three significant digits with a sign, without an exponent where readable.
function signed(value) {
  if (value === 0) return "0";
  const decimals = 2 - Number(value.toExponential(2).split("e")[1]);
  const sign = value < 0 ? MINUS : "+";
  const size = Math.abs(value);
  if (decimals > 6 || decimals < -6) return sign + size.toExponential(2).replace("-", MINUS);
  const step = 10 ** -Math.min(decimals, 0);
  return sign + (Math.round(size / step) * step === 0 || decimals > 0
    ? size.toFixed(Math.max(decimals, 0))
    : String(Math.round(size / step) * step));
}

const unsigned = (value) => signed(value).replace(/^[+\u2212]/, "");
const byThousands = (count) => count.toLocaleString("en-US");

// An element with attributes and children; texts become text, never markup.
function make(tag, attributes = {}, ...children) {
  const is_svg = ["svg", "path", "line", "rect", "text", "g", "circle"].includes(tag);
  const made = is_svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

// A row of a view: [members, value, low, high, stability, is it not told from 0, value of a, value of b].
const membersOf = (row) => row[0];
const valueOf = (row) => row[1];
const isJoint = (row) => row[0].length > 1;
const isExact = (row) => row[2] === row[1] && row[3] === row[1];
const isUncertain = (row) => row[5];
// The bound nearer zero: what the value surely is.
function surest(row) {
  if (row[2] === null) return 0;
  return isUncertain(row) ? 0 : Math.min(Math.abs(row[2]), Math.abs(row[3]));
}
// Combinations, those told from 0 first: the headline, the picture and the button take the first.
const jointOf = (view) => {
  const joint = view.rows.filter(isJoint);
  return [...joint.filter((row) => !isUncertain(row)), ...joint.filter(isUncertain)];
};
const largestOf = (rows) => Math.max(0, ...rows.map((row) => Math.abs(valueOf(row))));
const toneOf = (view, value) => (!view.hasDirection ? "flat" : value > 0 ? "pos" : "neg");

// A label that runs right to left leaves the order of the numbers beside it alone.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const isolated = (label) => (RIGHT_TO_LEFT.test(label) ? `\u2068${label.replaceAll("\u2069", "")}\u2069` : label);

const withUnit = (told, unit) => (unit ? `${told} ${isolated(unit)}` : told);

const LISTED = 12;
function namesOf(data, members) {
  const shown = members.slice(0, LISTED).map((member) => isolated(data.labels[member]));
  if (members.length > LISTED) shown.push(`${byThousands(members.length - LISTED)} more`);
  return shown.join(" + ");
}

function saysOf(data, row) {
  let told = `${namesOf(data, membersOf(row))}: ${withUnit(signed(valueOf(row)), data.unit)}`;
  if (row[2] !== null && !isExact(row)) {
    told += ` (90 % interval ${signed(row[2])} to ${signed(row[3])})`;
  }
  return isUncertain(row) ? `${told}, may be 0` : told;
}

function save(name, type, content) {
  const link = make("a", { download: name, href: URL.createObjectURL(new Blob([content], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
