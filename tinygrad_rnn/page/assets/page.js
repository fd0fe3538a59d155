// What the views share: the data, what is selected, and small helpers. Numbers come from the data, computed by the
// engine in Python; the code here looks them up, places them and writes them.
"use strict";

const page = JSON.parse(document.getElementById("data").textContent);

/** The fields of a row of page.values, page.backward and page.graph.columns[…].cards. */
const [NAME, FORMULA, IN_NUMBERS, DATA, GRADIENT, TIME] = [0, 1, 2, 3, 4, 5];
const [NODE, PARENT, POSITION, RULE, RULE_NUMBERS, FLOW, BROUGHT, SUM, LEVEL] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

// What has no label is called by its formula, which is told once.
for (const row of page.values) if (row[FORMULA] === null) row[FORMULA] = row[NAME];

const forwardSteps = page.forward.length;
const lastPosition = forwardSteps + page.backward.length + 1;

/** What is selected. position: numbers computed, then applications of the chain rule made; at the last all is done and
 *  the picture is that of the static drawing. root, entry: the chain
 *  shown, by place in page.chains. weight: a Value whose uses are lit. window: truncation, or null. */
const selected = { position: lastPosition, root: null, entry: null, weight: null, window: null };
const views = [];

/** Change what is selected and have every view follow. */
function select(changes) {
  const changed = Object.keys(changes).filter((key) => selected[key] !== changes[key]);
  if (!changed.length) return;
  Object.assign(selected, changes);
  for (const view of views) view(changed);
}

const byId = (id) => document.getElementById(id);

/** An element with attributes and text; never markup. */
function element(name, attributes = {}, text = null) {
  return filled(document.createElement(name), attributes, text);
}

function drawn(name, attributes = {}, text = null) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, text);
}

function filled(node, attributes, text) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return text === null ? node : write(node, text);
}

// ---- names: h_12 in the data, with a subscript where it is seen, in words where it is spoken -----------------------

const NAME_PARTS = /[\p{L}\p{N}_]+|\^-?\d+/gu, SUBSCRIPTED = /^(\p{L})((?:_(?:\d+|[A-Za-z]{1,2}|l\d+))+)$/u;

/** A text in pieces, each with how it is set: "sub", "sup", or "". */
function typeset(text) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(NAME_PARTS)) {
    const name = SUBSCRIPTED.exec(match[0]), power = match[0][0] === "^";
    if (!name && !power) continue;
    pieces.push([text.slice(end, match.index) + (name ? name[1] : ""), ""]);
    pieces.push(name ? [name[2].slice(1).replaceAll("_", ","), "sub"] : [match[0].slice(1).replace("-", "−"), "sup"]);
    end = match.index + match[0].length;
  }
  pieces.push([text.slice(end), ""]);
  return pieces.filter(([piece]) => piece);
}

/** Write a text, its names with subscripts. Never markup: every piece becomes a text. */
function write(node, text) {
  const pieces = /[_^]/.test(text) && node.localName !== "option" ? typeset(text) : [[text, ""]];
  if (pieces.length < 2) {
    node.textContent = text;
  } else if (node.namespaceURI === document.documentElement.namespaceURI) {
    node.replaceChildren(...pieces.map(([piece, set]) => (set ? element(set, {}, piece) : piece)));
  } else {
    let back = "";  // what comes after a subscript has to be lifted again
    node.replaceChildren(...pieces.map(([piece, set]) => {
      const lift = { sub: ".3em", sup: "-.45em", "": back }[set];
      back = { sub: "-.21em", sup: ".31em", "": "" }[set];
      return filled(document.createElementNS(node.namespaceURI, "tspan"), { ...(set && { class: "set" }), ...(lift && { dy: lift }) }, piece);
    }));
  }
  return node;
}

/** A text in characters alone, for what takes no markup: a choice in a list, a canvas. */
const inCharacters = (text) => typeset(text).map(([piece, set]) => (!set ? piece
  : set === "sup" ? raised(piece.replace("−", "-")) : /^\d+$/.test(piece) ? lowered(piece) : "_" + piece)).join("");

/** A text as a screen reader should say it: h 12, the norm of W. */
const spoken = (text) => typeset(text.replaceAll("‖W‖", "norm of W")).map(([piece, set]) => (!set ? piece
  : set === "sup" ? " to the power " + piece : " " + piece.replaceAll(",", " "))).join("");

function table(id, caption, head, rows) {
  const place = byId(id);
  write(place.caption, caption);
  if (head) {
    const row = element("tr");
    for (const title of head) row.append(element("th", { scope: "col" }, title));
    place.tHead.replaceChildren(row);
  }
  place.tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    cells.forEach((cell, i) => row.append(i ? element("td", {}, cell) : element("th", { scope: "row" }, cell)));
    return row;
  }));
}

const lowered = (n) => String(n).replace(/[0-9]/g, (c) => "₀₁₂₃₄₅₆₇₈₉"[c]);
const raised = (n) => String(n).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);

/** A number as the drawing writes it: three significant digits, a power of ten where zeros would hide the size. */
function shown(x) {
  if (x === null || x === undefined) return "not finite";
  if (x === 0) return "0";
  const [mantissa, exponent] = Math.abs(x).toExponential(2).split("e").map(Number);
  const sign = x < 0 ? "−" : "";
  if (exponent >= -3 && exponent <= 3) return sign + Number(Math.abs(x).toPrecision(3)).toString();
  return sign + (mantissa === 1 ? "" : mantissa + "×") + "10" + raised(exponent);
}

/** The value of a custom property, for what is drawn on a canvas. */
function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim());
  return colours.get(name);
}
const colours = new Map();

/** Call once per frame at most, however often it is asked for. */
function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; work(); });
  };
}

/** The width of an element. Kept until the page has another, since to ask has all of it laid out. */
function widthOf(node) {
  if (!widths.has(node)) widths.set(node, node.clientWidth);
  return widths.get(node);
}
const widths = new Map();
new ResizeObserver(() => widths.clear()).observe(document.body);

/** A canvas as sharp as the screen, cleared. */
function sharp(canvas, height) {
  const width = widthOf(canvas), ratio = window.devicePixelRatio || 1;
  canvas.style.height = height + "px";
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  return [pen, width];
}

/** The numbers to write beside a plot: 0, and its extremes where they are not too near to that. */
const marks = (low, high, y) => [0, ...[low, high].filter((v) => Math.abs(y(v) - y(0)) > 13)];

/** The room that such numbers take. */
const roomFor = (...numbers) => 14 + 7.2 * Math.max(...numbers.map((v) => shown(v).length));

/** Where the last of sorted numbers not above x stands; -1 if all are. */
function lastUpTo(numbers, x) {
  let low = 0, high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) low = middle + 1; else high = middle;
  }
  return low - 1;
}

/** A time step, with what it is called in the sequence. */
function stepName(t) {
  const name = page.names[t - 1 - page.first];
  return name === undefined ? "t = " + t : "t = " + t + " (" + name + ")";
}

/** Redraw when a size or the colours change. */
const redrawers = [];
const redrawAll = oncePerFrame(() => { colours.clear(); for (const redraw of redrawers) redraw(); });

/** Have a screen reader say it, when it is done with what it says now. */
function say(words) { byId("said").textContent = words; }
