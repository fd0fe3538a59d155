// Small helpers of the page: elements, text with subscripts, numbers.
"use strict";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and text; never markup. */
function element(name, attributes = {}, text = null) {
  return filled(document.createElement(name), attributes, text);
}

function filled(node, attributes, text) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return text === null ? node : write(node, text);
}

// ---- names: h_12 in the data, with a subscript where it is seen, in words where it is spoken -----------------------

const NAME_PARTS = /[\p{L}\p{N}_]+|\^[-−]?\d+(?:\.\d+)?/gu, SUBSCRIPTED = /^(\p{L}|target)((?:_(?:\d+|[A-Za-z]{1,2}|l\d+))+)$/u;

const SMALLER = 0.72;  // the size of what is set below or above the line, as the style has it

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
  if (node.written === text) return node;
  node.written = text;
  const pieces = /[_^]/.test(text) && node.localName !== "option" ? typeset(text) : [[text, ""]];
  if (pieces.length < 2) {
    node.textContent = text;
  } else if (node.namespaceURI === SVG) {
    let down = 0;  // how far what stood before was lowered, in the size of what is set smaller
    node.replaceChildren(...pieces.map(([piece, set]) => {
      const part = document.createElementNS(SVG, "tspan"), before = down;
      down = { sub: 0.3, sup: -0.45, "": 0 }[set];
      if (set) part.setAttribute("class", "set");
      if (down !== before) part.setAttribute("dy", ((down - before) * (set ? 1 : SMALLER)).toFixed(3) + "em");
      part.textContent = piece;
      return part;
    }));
  } else {
    node.replaceChildren(...pieces.map(([piece, set]) => (set ? element(set, {}, piece) : piece)));
  }
  return node;
}

/** A text as a screen reader should say it: h 12, the norm of W. */
const spoken = (text) => typeset(text.replaceAll("‖W‖", "norm of W")).map(([piece, set]) => (!set ? piece
  : set === "sup" ? " to the power " + piece : " " + piece.replaceAll(",", " "))).join("");

/** A text in characters alone, for a choice in a list or a canvas. */
const inCharacters = (text) => typeset(text).map(([piece, set]) => (!set ? piece
  : set === "sup" ? (/^[\d−]+$/.test(piece) ? raised(piece.replace("−", "-")) : "^" + piece) : /^\d+$/.test(piece) ? lowered(piece) : "_" + piece)).join("");

// ---- numbers -----------------------------------------------------------------------------------------------------

const lowered = (n) => String(n).replace(/[0-9]/g, (c) => "₀₁₂₃₄₅₆₇₈₉"[c]);
const raised = (n) => String(n).replace(/[-0-9]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);

/** That many significant digits, and a power of ten where zeros would hide the size, as in pictures: −1.23×10⁻⁵.
 *  Zeros at the end mean rounding: 0.5 is one half, 0.500 is near it. */
function shown(x, digits = 3) {
  if (Number.isNaN(x)) return "NaN";
  const sign = x < 0 ? "−" : "";
  if (!Number.isFinite(x)) return sign + "∞";
  if (x === 0) return "0";
  const [mantissa, power] = rounded(Math.abs(x), digits), exponent = Number(power);
  const exact = Math.abs(Number(mantissa + "e" + power) - Math.abs(x)) <= 1e-12 * Math.abs(x);
  const trimmed = (text) => (exact && text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent >= -3 && exponent <= 3) return sign + trimmed(Number(mantissa + "e" + power).toFixed(Math.max(0, digits - 1 - exponent)));
  const ten = "10" + raised(exponent), front = trimmed(mantissa);
  return sign + (exact && front === "1" ? ten : front + "×" + ten);
}

/** Mantissa and power of ten. Halfway between two, toExponential rounds up; Python, and so pictures, to the even digit. */
function rounded(size, digits) {
  const [all, power] = size.toExponential(60).split("e"), end = digits === 1 ? 1 : digits + 1;
  if (/^\.?50*$/.test(all.slice(end)) && Number(all[end - 1]) % 2 === 0) return [all.slice(0, end), power];
  return size.toExponential(digits - 1).split("e");
}

/** sign · 10^log10 as a number, also where a double has no room for it. */
function powerOfTen(log10, sign = 1, digits = 3) {
  if (!(Math.abs(log10) >= 300) || !Number.isFinite(log10)) return shown(sign * 10 ** log10, digits);
  const [mantissa, carry] = rounded(10 ** (log10 - Math.floor(log10)), digits);
  return (sign < 0 ? "−" : "") + mantissa + "×10" + raised(Math.floor(log10) + Number(carry));
}

/** A number in parentheses where its sign would meet another. */
const bracketed = (x, digits = 3) => (x < 0 ? "(" + shown(x, digits) + ")" : shown(x, digits));

/** A number as the base of a power. */
const based = (x) => (/^[\d.]+$/.test(shown(x)) ? shown(x) : "(" + shown(x) + ")");

/** A number to type: short, and the same double. */
const typed = (x) => String(x);

/** The smallest of 1, 2, 5, 10, 20, … that is no less: a distance at which an axis is labelled. */
function roundStep(least) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((n) => n * ten).find((step) => step >= least);
}

const plural = (count, thing) => count + " " + thing + (count === 1 ? "" : "s");

// ---- time and room -----------------------------------------------------------------------------------------------

/** Call once per frame at most, however often it is asked for. */
function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; work(); });
  };
}

/** Whether the page is drawn for a sheet of paper. */
const onPaper = () => document.documentElement.classList.contains("printing");

/** Work for a part of the page: at once where that is in view, else when it comes into view or nobody has asked for a moment.
 *  Until then the part is marked as old; and longer, where the work returns true, as it waits for an answer. */
function whenSeen(part, work) {
  let timer = 0;
  const seen = { now: false };
  part.due = false;
  const go = () => {
    clearTimeout(timer);
    if (!part.due) return;
    part.due = false;
    part.classList.toggle("old", Boolean(work()));
  };
  new IntersectionObserver((entries) => { seen.now = entries[entries.length - 1].isIntersecting; if (seen.now) go(); }).observe(part);
  return () => {
    part.due = true;
    if (seen.now || onPaper()) return go();
    if (!part.classList.contains("old")) part.classList.add("old");
    clearTimeout(timer);
    timer = setTimeout(go, 120);
    return undefined;
  };
}

/** The width of an element. Kept until it has another, since to ask has all of the page laid out. */
function widthOf(node) {
  if (!widths.has(node)) {
    widths.set(node, node.clientWidth);
    resized.observe(node);
  }
  return widths.get(node) || 320;
}
const widths = new Map(), resized = new ResizeObserver((entries) => {
  if (entries.some(({ target }) => widths.has(target) && target.clientWidth && target.clientWidth !== widths.get(target))) redrawAll();
});

/** A colour of the page, for what is drawn on a canvas. */
function colour(name) {
  if (!colours.has(name)) {
    probe.style.color = "var(--" + name + ")";
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}
const colours = new Map(), probe = element("span", { hidden: "" });
document.body.append(probe);

/** A canvas as sharp as the screen, cleared. */
function sharp(canvas, height) {
  const width = widthOf(canvas), ratio = onPaper() ? 3 : window.devicePixelRatio || 1, wide = Math.round(width * ratio), high = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  if (canvas.width !== wide || canvas.height !== high) {  // another size costs a layout, and a canvas of that size
    canvas.style.height = height + "px";
    Object.assign(canvas, { width: wide, height: high });
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
  } else pen.clearRect(0, 0, width, height);
  pen.textAlign = "left";
  return [pen, width];
}

/** Have a screen reader say it, when it is done with what it says now. */
function say(words) { byId("said").textContent = spoken(words); }

/** Fill a table that stands behind a plot; only while it is open, and of many rows those near one of them.
 *  row: the cells of a row, by its number. */
function table(id, caption, head, count, row, near = 0) {
  const place = byId(id), from = Math.max(0, Math.min(count - MOST_ROWS, near - MOST_ROWS / 2)), shownRows = Math.min(count, MOST_ROWS);
  if (!place.closest("details").open) return;
  write(place.caption, caption + (count > MOST_ROWS ? ": " + MOST_ROWS + " rows of " + count : ""));
  const line = (cells, heads) => {
    const made = element("tr");
    cells.forEach((cell, i) => made.append(heads ? element("th", { scope: "col" }, cell) : i ? element("td", {}, cell) : element("th", { scope: "row" }, cell)));
    return made;
  };
  place.tHead.replaceChildren(line(head, true));
  place.tBodies[0].replaceChildren(...Array.from({ length: shownRows }, (_, i) => line(row(from + i), false)));
}
const MOST_ROWS = 400;

// ---- drawing: what is there stays there, and only what has changed is touched -------------------------------------------

/** Set attributes, those that differ. Chromium lays a picture out anew even where an attribute is set to what it was. */
function put(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
}

/** Bring an SVG element to hold these parts, in this order: [id, name, attributes, text]. */
function paint(root, parts) {
  const before = root.parts || new Map(), now = new Map();
  let last = null;
  for (const [id, name, attributes, text = null] of parts) {
    let part = before.get(id);
    if (!part || part.name !== name) part = { name, node: document.createElementNS(SVG, name), attributes: {}, text: null };
    for (const key in attributes) {
      const value = String(attributes[key]);
      if (part.attributes[key] !== value) part.node.setAttribute(key, part.attributes[key] = value);
    }
    for (const key in part.attributes) {
      if (!(key in attributes)) { part.node.removeAttribute(key); delete part.attributes[key]; }
    }
    if (text !== part.text) { write(part.node, text === null ? "" : text); part.text = text; }
    const next = last ? last.nextSibling : root.firstChild;
    if (part.node !== next) root.insertBefore(part.node, next);
    last = part.node;
    now.set(id, part);
  }
  for (const [id, part] of before) if (now.get(id) !== part) part.node.remove();
  root.parts = now;
}

/** Let inputs be dragged up and down. The film stays where it is; pressed without a movement, the time step comes into view.
 *  begin: what an event picks up, with its time step t, or null; number: the input that it is dragged to; end: what follows.
 *  What is returned says what is being dragged, or null. */
function dragged(plot, { begin, number, end }) {
  let drag = null;
  plot.addEventListener("pointerdown", (event) => {
    const begun = begin(event);
    if (!begun) return;
    stop();
    drag = { ...begun, y: event.clientY, far: false };
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.far ||= event.clientY !== drag.y;
    if (!drag.far) return;
    const { t } = drag;
    change({ x: replaced(chosen.x, t - 1, replaced(chosen.x[t - 1], part, number(drag, event))) }, "x" + t);
  });
  for (const name of ["pointerup", "pointercancel"]) plot.addEventListener(name, () => {
    if (!drag) return;
    const before = drag;
    if (!before.far && name === "pointerup" && before.t <= chosen.T) selectStep(before.t);
    drag = null;
    end(before);
  });
  return () => drag;
}
