// The picture: the states in order of time like a score, an arc for each step that the gradient takes back, and what is left.
"use strict";

const picture = byId("picture");
const LEAST_COLUMN = 59, FOLD = 1.5;  // pixels; columns
const S = 14;  // pixels: the size of text of which PROPORTIONS are multiples
const BASE = 0.34 * S;  // from the middle of a text down to the line on which it stands

const ruler = document.createElement("canvas").getContext("2d"), ems = { 400: new Map(), 600: new Map() };
/** How wide a number of the picture is, as a multiple of its size: in fonts that stand in for one another, from 0.55 to 0.7 a digit. */
function emsOf(text, weight = 600) {
  let sum = 0;
  for (const sign of text) {
    if (!ems[weight].has(sign)) {
      ruler.font = weight + " 100px Helvetica, Arial, 'Liberation Sans', sans-serif";
      ems[weight].set(sign, ruler.measureText(sign).width / 100);
    }
    sum += ems[weight].get(sign);
  }
  return sum;
}
const FOLDED_COLUMN = Math.max(LEAST_COLUMN, (13 * emsOf("0×10⁻⁰") + 8) / 0.8);  // where time steps are left out, the others have room

const HAS_NAMES = page.names.length > 0 && !page.alphabet;  // a symbol is on its card already

/** What stands in the row: time steps, among them that of the last loss and the one in view, and folds of those between. */
function columnsFor(across, T, at, last) {
  if (T + 2 <= across / LEAST_COLUMN) return Array.from({ length: T + 1 }, (_, t) => ({ t }));
  const free = Math.max(4, Math.floor(across / FOLDED_COLUMN - 1 - 2 * FOLD)), wanted = new Set();
  const take = (t) => { if (t >= 0 && t <= T && wanted.size < free) wanted.add(t); };
  [T, 0, at, last, at - 1, T - 1, 1].forEach(take);
  for (let away = 1; wanted.size < free && away <= T; away++) [T - away, at - away, at + away].forEach(take);
  const times = [...wanted].sort((a, b) => a - b);
  return times.flatMap((t, i) => (i && t > times[i - 1] + 1 ? [{ from: times[i - 1] + 1, to: t - 1 }, { t }] : [{ t }]));
}

/** Where the film stands: its time step, and up to where numbers and gradients are there. */
function filmNow() {
  const { step, T } = chosen;
  if (step === null) return { t: T, computed: T, arrived: 0, done: true };
  if (step <= T) return { t: step, computed: step, arrived: Infinity, done: false };
  return { t: 2 * T + 1 - step, computed: T, arrived: 2 * T + 1 - step, done: false };
}

/** The time step in view: one that was chosen, or that of the film. */
const timeInView = () => chosen.t ?? filmNow().t;

/** On a scale with 1 in its middle, from vanished to exploded: 0 … 12. */
function shadeOf(left, reach) {
  if (!(left > 0)) return 0;
  const place = (Math.log10(Math.min(left, 1e300)) + reach) / (2 * reach);
  return Math.round(12 * Math.min(1, Math.max(0, place)));
}

/** How far the scale reaches to either side of 1, in powers of ten. */
function reachOf(kept) {
  let most = 2;
  for (const left of kept) if (left > 0 && left < Infinity) most = Math.max(most, Math.abs(Math.log10(left)));
  return Math.ceil(most - 1e-9);
}

/** What keeps a text within its room where even one digit is too wide. */
const squeezed = (words, room) => (13 * emsOf(words) > room ? { textLength: Math.max(1, room), lengthAdjust: "spacingAndGlyphs" } : {});

/** A number with as many digits as fit; the nearest power of ten if none does. */
function fitted(x, room, size = 13, before = "", weight = 600) {
  for (const digits of [3, 2, 1]) {
    const text = before + shown(x, digits);
    if (size * emsOf(text, weight) <= room) return text;
  }
  if (!x || !Number.isFinite(x)) return before + shown(x);
  if (Math.abs(x) >= 0.01 && Math.abs(x) < 1000) return before + shown(x, 1);  // narrower letters: its power of ten would say too little
  return before + (x < 0 ? "−" : "") + "10" + raised(Math.round(Math.log10(Math.abs(x))));
}

/** A product of many factors: 0 may be too small for a double. */
const ofMany = (x, room, size, before) => (x === 0 && !isExactly0() ? "≈ 0" : fitted(x, room, size, before));

const norm = (numbers) => (numbers.length === 1 ? numbers[0] : library.hypot(...numbers));

/** How much larger the picture is drawn than usual: as full screen, as there is room for. */
function enlarged(height, T) {
  if (!document.fullscreenElement) return 1;
  const around = byId("score").clientHeight - picture.clientHeight + 40, high = isClose() ? innerHeight / 2 : innerHeight, across = widthOf(picture.parentElement) / (50 + 70 * Math.min(T + 2, 14));
  return Math.max(1, Math.min((high - around) / height, across));
}
let drawnAs = null;  // the geometry of what is drawn, for the pointer

function drawScore() {
  const { computation } = result, film = filmNow(), T = chosen.T, names = partNames(), { law } = result;
  const upwards = [...names].reverse(), order = law && names.includes(law.part) ? [law.part, ...upwards.filter((name) => name !== law.part)] : upwards;
  // The rows, from the top down.
  const { terms, factor, two_lines, rise, flat, state: stateSize, gap, input_gap, input, line: lineSize, bars_above, bars_below, arc_from, arc_bend, pen, strength } = PROPORTIONS;
  const termsY = terms * S + BASE, factorY = factor * S + BASE, lanesTop = (two_lines + rise) * S, arcTop = lanesTop - (rise - flat) * S;
  const cardHeight = stateSize * S, laneY = order.map((_, i) => lanesTop + cardHeight / 2 + i * (cardHeight + gap * S)), lastY = laneY[laneY.length - 1];
  const wiring = wiringOf(computation.program), lossLane = Math.max(...wiring.loss.map((name) => order.indexOf(name))), lossY = laneY[lossLane] ?? lastY;
  const inputTop = lastY + cardHeight / 2 + input_gap * S, inputHeight = (input + lineSize * (HAS_NAMES ? 2 : 1)) * S;
  const barsTop = inputTop + inputHeight + 1.1 * S, barsBottom = barsTop + bars_above * S + (order.length > 1 ? 84 : 130);
  const height = isClose() ? inputTop + inputHeight + 0.3 * S : barsBottom + (bars_below + 1.6) * S, scale = enlarged(height, T), width = widthOf(picture.parentElement) / scale;
  const parts = [], text = (id, x, y, words, name = "", room = Infinity) => parts.push([id, "text", { x, y, class: name, ...squeezed(words, room) }, words]);
  const columns = columnsFor(width - 50, T, timeInView(), lastLoss()), wide = columns.reduce((n, c) => n + (c.t === undefined ? FOLD : 1), 1);
  const left = width < 600 ? 12 : 44, pitch = Math.min((width - left - 6) / wide, 190), card = pitch - Math.max(12, 0.2 * pitch);
  const scalar = isScalar(), lit = !result.error && result.kept.length > 0;
  const lastT = lastLoss(), end = endOfChain(), cuts = linksCut(), reach = reachOf(lit ? result.kept : []);
  const at = new Map(), folds = [];
  let x = left;
  for (const column of columns) {
    const own = pitch * (column.t === undefined ? FOLD : 1);
    if (column.t === undefined) folds.push({ ...column, x: x + own / 2, left: x, right: x + own });
    else at.set(column.t, x + own / 2);
    x += own;
  }
  const lossX = x + pitch / 2, arrived = (t) => lit && t >= film.arrived, computed = (t) => t <= film.computed;

  drawnAs = { at, folds, columns, pitch, card, barsTop, barsBottom };

  // The way of the gradient.
  const shownTimes = columns.map((c) => c.t).filter((t) => t !== undefined);
  // Of two parts, a factor's are written everywhere or nowhere.
  const termsOf = new Map(lit ? shownTimes.filter((t, i) => i && t <= lastT && shownTimes[i - 1] === t - 1).map((t) => [t, termsAt(t, law, (x) => fitted(x, pitch - 6, 12))]) : []);
  const roomy = [...termsOf.values()].every((found) => found.length < 2 || found.map(([words]) => words).join("").length * 6.9 < pitch - 6);
  shownTimes.forEach((t, i) => {
    const before = shownTimes[i - 1];
    if (i === 0 || !lit || t > lastT) return;
    const cutsHere = [...cuts].filter(([cut]) => before <= cut && cut < t), isCut = cutsHere.some(([cut, all]) => all || cut === end - 1), there = leftAt(t) > 0 || t > end, room = pitch - 6;
    const middle = (at.get(t) + at.get(before)) / 2, x1 = at.get(t) - arc_from * card / 2, x0 = at.get(before) + arc_from * card / 2, top = lanesTop;
    const alone = t - before === 1, opaque = arrived(before) && t > end && !isCut;
    const hit = "M" + x1 + " " + top + "C" + x1 + " " + (arcTop - 4) + " " + x0 + " " + (arcTop - 4) + " " + x0 + " " + (top - 9);
    if (arrived(before) || film.done) {
      const left1 = leftAt(t), shade = shadeOf(left1, reach), thick = pen + strength * S * (shade / 12);
      const state = isCut || t <= end ? " cut" : "";
      const head = 4 + 0.55 * thick, tip = top - 1;
      parts.push(["arc" + t, "path", { class: "arc s" + shade + state, d: "M" + x1 + " " + top + "C" + (x1 - arc_bend * pitch) + " " + arcTop + " " + x0 + " " + arcTop + " " + x0 + " " + (tip - head), "stroke-width": isCut || t <= end ? pen : thick }]);
      parts.push(["tip" + t, "path", { class: "tip s" + shade + state, d: "M" + x0 + " " + tip + "l" + -head + " " + -1.6 * head + "h" + 2 * head + "Z" }]);
      if (cutsHere.length) text("scissors" + t, middle, arcTop + 24, "✂", "scissors" + (isCut ? "" : " faint"));
    }
    if (opaque || (film.done && !isCut)) {
      if (alone) {
        const found = termsOf.get(t), [[first, ink], [rest] = [""]] = found.length ? found : [["", ""]];
        const seam = middle + (first.length * 7.1 - rest.length * 6.6) / 2;  // where the weight and the rest meet
        if (found.length === 1) text("terms" + t, middle, termsY, first, "small " + ink + "-ink");
        else if (found.length && roomy) {
          text("terms" + t, seam, termsY, first, "small end " + ink + "-ink");
          text("rest" + t, seam, termsY, rest, "small start ink");
        }
        const known = scalar || leftAt(t) > 0;  // of what is too small for a double, no ratio is known
        text("factor" + t, middle, factorY, known ? fitted(factorAt(t), room, 13, "×") : "…", "factor" + (t <= end ? " faint" : ""));
      } else {
        text("terms" + t, middle, termsY, plural(t - before, "factor"), "small");
        text("factor" + t, middle, factorY, ofMany(leftAt(t) ? leftAt(before) / leftAt(t) : 0, room * FOLD, 13, "×"), "factor" + (there ? "" : " faint"));
      }
    } else if (isCut) text("factor" + t, middle, factorY, "cut", "small");
    if (alone) parts.push(["hit" + t, "path", { class: "hit", d: hit, "data-link": t - 1 }]);
  });

  if (left > 20 && parts.some(([id]) => /^terms\d/.test(id))) text("terms", 4, termsY, namesOfTerms(law), "small start " + (law && law.gate ? "straight-ink" : "law-ink"));
  // States, inputs and losses.
  order.forEach((name, lane) => {
    const y = laneY[lane], own = facts().parts[name], straight = law && law.part === name && order.length > 1;
    shownTimes.forEach((t, i) => {
      const id = name + t, x0 = at.get(t), here = t === timeInView() && (chosen.t !== null || !film.done);
      parts.push(["box" + id, "rect", { class: "state" + (straight ? " straight" : "") + (here ? " here" : "") + (computed(t) ? "" : " ahead"), x: x0 - card / 2, y: y - cardHeight / 2, width: card, height: cardHeight, rx: 10, "data-t": t }]);
      text("name" + id, x0, y - 0.85 * S, name + "_" + called(t), "name", card - 4);
      if (!computed(t)) return;
      const numbers = computation.state(t, computation.sequence.now, name), room = card - 6;
      text("data" + id, x0, y + 0.45 * S, fitted(norm(Array.from(numbers)), room, 13, "", 400), "data", room);
      const gradient = Array.from(computation.state(t, computation.sequence.grad, name));
      if (lit && (film.done || t >= film.arrived)) text("grad" + id, x0, y + 1.65 * S, fitted(norm(gradient), room), "grad", room);
    });
    for (const fold of folds) {
      if (lane) continue;
      parts.push(["fold" + fold.from, "rect", { class: "fold", x: fold.left + 6, y: laneY[0] - cardHeight / 2, width: fold.right - fold.left - 12, height: lastY - laneY[0] + cardHeight, rx: 10 }]);
      text("dots" + fold.from, fold.x, (laneY[0] + lastY) / 2 - 4, "…", "name");
      text("count" + fold.from, fold.x, (laneY[0] + lastY) / 2 + 16, plural(fold.to - fold.from + 1, "step"), "small", fold.right - fold.left - 16);
    }
  });
  const losses = new Set(computation.losses);
  shownTimes.forEach((t, i) => {
    if (!t) return;
    for (const [from, to] of shownTimes[i - 1] === t - 1 ? wiring.across : []) {
      const a = order.indexOf(from), b = order.indexOf(to), down = 0.45 * Math.sign(b - a) * (cardHeight / 2);
      flow(from + to + t, "M" + (at.get(t - 1) + card / 2) + " " + (laneY[a] + down) + "L" + (at.get(t) - card / 2 - 1) + " " + (laneY[b] - down));
    }
    for (const [from, to] of wiring.within) upright(from + to + t, t, laneY[order.indexOf(from)], laneY[order.indexOf(to)], cardHeight);
    const x0 = at.get(t), numbers = chosen.x[t - 1], words = inputDrag()?.t === t && numbers.length > 1 ? "[" + part + "] " + shown(numbers[part]) : inputWords(numbers, card - 6);
    for (const name of wiring.input) upright("x" + name + t, t, inputTop + inputHeight / 2, laneY[order.indexOf(name)], inputHeight);
    parts.push(["x" + t, "rect", { class: "input" + (isSymbol() ? " symbol" : "") + (numbers !== built.x[t - 1] ? " changed" : ""), x: x0 - card / 2, y: inputTop, width: card, height: inputHeight, rx: 10, "data-x": t }]);
    text("xname" + t, x0, inputTop + 1.05 * S, "x_" + called(t), "xname");
    text("xdata" + t, x0, inputTop + (1.05 + lineSize) * S, words, "data", card - 4);
    if (HAS_NAMES && page.names[t - 1] !== undefined) text("called" + t, x0, inputTop + (1.05 + 2 * lineSize) * S, clipped(page.names[t - 1], card / 7), "small", card - 4);
    if (losses.has(t) && chosen.at === "every") parts.push(["has" + t, "circle", { class: "has-loss", cx: x0 + card / 2 - 9, cy: lossY + cardHeight / 2 + 1, r: 4.5 }]);
  });
  // The loss.
  const seen = chosen.step === null || chosen.step > T;
  for (const name of losses.size ? wiring.loss : []) {
    const y = laneY[order.indexOf(name)], x0 = at.get(lastT) + card / 2, x1 = lossX - card / 2, y1 = lossY - 0.45 * Math.sign(lossY - y) * (cardHeight / 2), gap = (pitch - card) / 2;
    // Below the states after the last loss, on which it does not depend.
    flow("L" + name, "M" + x0 + " " + y + (lastT === T ? "L" : "H" + (x0 + gap) + "V" + (lastY + cardHeight / 2 + 0.5 * input_gap * S) + "H" + (x1 - gap) + "V" + y1 + "H") + (x1 - 1) + (lastT === T ? " " + y1 : ""));
  }
  parts.push(["boxL", "rect", { class: "loss" + (seen ? "" : " ahead"), x: lossX - card / 2, y: lossY - cardHeight / 2, width: card, height: cardHeight, rx: 10, "data-loss": 1 }]);
  text("nameL", lossX, lossY - 0.85 * S, "L", "name");
  if (seen) {
    text("dataL", lossX, lossY + 0.45 * S, losses.size ? fitted(computation.loss, card - 6, 13, "", 400) : "none", "data", card - 6);
    if (losses.size) text("gradL", lossX, lossY + 1.65 * S, "1", "grad");
  }
  if (losses.size > 1) text("meanL", lossX + pitch / 2 + 4, lossY + cardHeight / 2 + 15, (page.mean ? "mean" : "sum") + (pitch > 60 ? " of " + losses.size : ""), "small end", 1.5 * pitch - 2);
  if (lit && !isClose()) drawBars(parts, text, { left, law, reach, lastT, end, film, lossX, scalar });
  else if (!lit) text("none", left, barsTop + 20, "Without a loss there is no gradient to follow", "small start");

  put(picture, { viewBox: "0 0 " + width + " " + height, height: scale * height });
  paint(picture.lastElementChild, parts);
  write(byId("picture-says"), spoken(described()));

  function flow(id, d) {
    parts.push(["flow" + id, "path", { class: "flow", d, "marker-end": "url(#flow-tip)" }]);
  }

  /** From a card to another of the same time step: around those that stand between them. */
  function upright(id, t, from, to, height) {
    const x = at.get(t), down = Math.sign(to - from), out = 0.6 * (pitch - card), lanes = laneY.filter((y) => (y - from) * (y - to) < 0);
    if (!lanes.length) return flow(id, "M" + x + " " + (from + (down * height) / 2) + "V" + (to - down * (cardHeight / 2 + 1)));
    const side = x + card / 2, start = from + 0.3 * down * height, end = to - 0.3 * down * cardHeight;
    return flow(id, "M" + side + " " + start + "C" + (side + out) + " " + start + " " + (side + out) + " " + end + " " + (side + 1) + " " + end);
  }
}

const clipped = (words, most) => (words.length > most ? words.slice(0, Math.max(1, most - 1)) + "…" : words);

/** What an input is in words: its number, its symbol, or its norm. */
function inputWords(numbers, room) {
  if (facts().symbols["0"]) return page.alphabet ? "“" + page.alphabet[numbers[0]] + "”" : String(numbers[0]);
  if (numbers.length === 1) return fitted(numbers[0], room, 13, "", 400);
  const hot = numbers.indexOf(1);
  if (hot >= 0 && numbers.every((x, i) => x === (i === hot ? 1 : 0))) return page.alphabet ? "“" + page.alphabet[hot] + "”" : "[" + hot + "] = 1";
  return "‖" + fitted(library.hypot(...numbers), room - 12, 13, "", 400) + "‖";
}

/** What is left of the gradient at every state, on a logarithmic scale, beside the law. */
function drawBars(parts, text, { left, law, reach, lastT, end, film, lossX, scalar }) {
  const { at, folds, columns, pitch, card, barsTop, barsBottom } = drawnAs, narrow = lossX < 560, top = barsTop + (PROPORTIONS.bars_above + (narrow ? 1.2 : 0)) * S, key = barsBottom + (PROPORTIONS.bars_below + 0.9) * S;
  const name = stateName(), later = name + "_" + called(lastT), earlier = name + "_k", wordy = lossX > 900, root = followedLoss();
  const lawName = !law || lastT === end ? "" : law.gate ? "straight along " + law.part + ": " + law.name + " = " + powerOfTen(law.log10[lastT - end])
    : (law.bound ? "at most " : "") + (wordy ? law.size + "^(" + (lastT === chosen.T ? "T" : called(lastT)) + "−k) = " + based(law.number) : law.size) + raised(lastT - end) + " = " + powerOfTen(law.log10[lastT - end]);
  const product_ = scalar ? "|∂" + later + "/∂" + earlier + "|" : "‖∂" + root + "/∂" + earlier + "‖ / ‖∂" + root + "/∂" + later + "‖";
  const headings = ["What is left of the gradient: " + product_ + ", the product of the factors above (log scale)", "What is left of the gradient: " + product_, "What is left: " + product_];
  const fits = (words) => (words.length + lawName.length) * 7.6 < lossX - pitch / 2 - left;
  text("left", left, barsTop + 0.6 * S, narrow ? "What is left" : headings.find(fits) || headings[2], "heading start");
  const all = [...result.kept, ...(law ? law.at : [])].filter((v) => v > 0 && v < Infinity).map(Math.log10);
  let low = 0, high = 0;
  for (const v of all) { low = Math.min(low, v); high = Math.max(high, v); }
  low = Math.floor(low - PROPORTIONS.ease);
  high = Math.max(Math.ceil(high - 1e-9), low + 1);
  const y = (v) => (v > 0 ? barsBottom - (barsBottom - top) * Math.min(1, Math.max(0, (Math.log10(v) - low) / (high - low))) : barsBottom);
  const stride = roundStep(((high - low) * 15) / (barsBottom - top));
  for (let e = Math.ceil(low / stride) * stride; e <= high; e += stride) {
    const level = y(10 ** e);
    parts.push(["grid" + e, "path", { class: "grid" + (e ? "" : " one"), d: "M" + left + " " + level + "H" + (lossX - pitch / 2) }]);
    text("power" + e, left > 20 ? left - 5 : lossX - pitch / 2 + 4, level + 4, e ? "10" + raised(e) : "1", left > 20 ? "small end" : "small start");
  }
  const places = [];  // of every bar: k, x, width
  for (const column of columns) {
    if (column.t !== undefined) places.push([column.t, at.get(column.t), card]);
    else {
      const fold = folds.find((each) => each.from === column.from), count = fold.to - fold.from + 1, most = Math.min(count, 60);
      for (let i = 0; i < most; i++) {
        const k = fold.from + Math.floor(((i + 0.5) * count) / most), own = (fold.right - fold.left - 6) / most;
        places.push([k, fold.left + 3 + (i + 0.5) * own, Math.max(0.7, own - (own > 3 ? 1 : 0)), true]);
      }
    }
  }
  const seen = places.filter(([k]) => k <= lastT && (film.done || k >= film.arrived));
  for (const [k, x, wide, folded] of seen) {
    const size = leftAt(k), level = y(size);
    parts.push(["bar" + k, "rect", { class: "bar s" + shadeOf(size, reach) + (k < end ? " cut" : ""), x: x - wide / 2, y: Math.min(level, barsBottom - 0.5), width: wide, height: Math.max(0.5, barsBottom - level) }]);
    if (!folded) text("kept" + k, x, barsBottom + 0.9 * S + BASE, k < end ? "0" : ofMany(size, pitch - 4, 13), "small grad", pitch - 4);
  }
  const points = law && (film.done || film.arrived < Infinity) ? places.filter(([k]) => k <= lastT && law.at[lastT - k] > 0) : [];
  if (points.length > 1) {
    const line = points.map(([k, x]) => x.toFixed(1) + " " + y(law.at[lastT - k]).toFixed(1));
    const straight = law.gate ? " straight" : "";
    parts.push(["law", "path", { class: "law" + straight, d: "M" + line.join("L") }]);
    for (const [k, x, , folded] of points) {
      if (!folded) parts.push(["lawmark" + k, "rect", { class: "law-mark" + straight, x: x - 3.2, y: y(law.at[lastT - k]) - 3.2, width: 6.4, height: 6.4 }]);
    }
    text("lawname", lossX - pitch / 2, barsTop + (narrow ? 1.7 : 0.6) * S, lawName, "law-name end" + (law.gate ? " straight-ink" : " law-ink"));
  }
  // The key: what the numbers in a card are, and the shades.
  text("keydata", left, key, "In a card: value, below it", "small start");
  text("keygrad", left + 172, key, "gradient of L", "small start chain-ink");
  const stride_ = Math.max(1, Math.ceil(reach / 3)), levels = [];
  for (let e = -stride_ * Math.floor(reach / stride_); e <= reach; e += stride_) levels.push(e);
  const swatch = 44, from = lossX + card / 2 - swatch * levels.length;
  if (from < left + 400) return;
  text("keyscale", from - 8, key, "left of the gradient", "small end");
  levels.forEach((e, i) => {
    const shade = shadeOf(10 ** e, reach);
    parts.push(["swatch" + i, "rect", { class: "swatch s" + shade, x: from + i * swatch, y: key - 12, width: swatch, height: 17 }]);
    text("swatchname" + i, from + (i + 0.5) * swatch, key, e ? "10" + raised(e) : "1", "level on" + shade);
  });
}

// ---- the pointer: a click on a state, a link or an input; an input is dragged up and down, and the film stays where it is ---

picture.addEventListener("click", (event) => {
  const { dataset } = event.target;
  if (dataset.link !== undefined) toggleCut(Number(dataset.link));
  else if (dataset.t !== undefined) goTo(Number(dataset.t));
  else if (dataset.x !== undefined && isSymbol()) byId("symbol").focus();
  else if (dataset.loss) byId("at").focus();
});
const inputDrag = dragged(picture, {
  begin: (event) => {
    const t = Number(event.target.dataset.x);
    if (!t) return null;
    if (isSymbol()) return void selectStep(t);
    event.preventDefault();
    return { t, from: chosen.x[t - 1][part] };
  },
  number: (drag, event) => Math.round((drag.from + (drag.y - event.clientY) / 80) * 100) / 100,
  end: ({ t }) => { if (chosen.x[t - 1].length > 1 && !result.error) drawScore(); },  // a norm is written again
});

/** Cut the link after a state, or join it again. */
function toggleCut(t) {
  const cuts = chosen.cuts.includes(t) ? chosen.cuts.filter((cut) => cut !== t) : [...chosen.cuts, t].sort((a, b) => a - b);
  change({ cuts });
  say(chosen.cuts.includes(t) ? "cut after step " + called(t) : "joined again after step " + called(t));
}

/** The picture, and the sequence, as a table. */
function listSteps() {
  const { computation } = result, { sequence } = computation, names = partNames(), last = lastLoss(), end = endOfChain(), size = (numbers) => sized(Array.from(numbers));
  const head = ["time step", "input", "target", ...names.flatMap((name) => [name, "∂L/∂" + name]), "factor", "what is left"];
  table("steps", "From h_" + called(0) + " to the loss", head, chosen.T + 1, (t) => {
    const target = t ? chosen.target[t - 1] : null, inChain = hasLoss() && t <= last && t >= end;
    return [called(t) + nameOfStep(t), t ? inputWords(chosen.x[t - 1], Infinity) : "",
      !target || !target.length ? "" : targetIsClass() ? symbolName(target[0]) : size(target),
      ...names.flatMap((name) => [size(computation.state(t, sequence.now, name)), hasLoss() ? size(computation.state(t, sequence.grad, name)) : ""]),
      inChain && t > end ? "×" + shown(factorAt(t)) : "", inChain ? shown(leftAt(t)) : ""];
  }, timeInView());
}
byId("steps").closest("details").addEventListener("toggle", () => { if (!result.error) listSteps(); });

function sayScore() {
  const [sentence, kind] = headline();
  write(byId("headline"), sentence);
  byId("headline").className = kind;
  write(byId("equation"), equation());
  byId("banner").hidden = !result.error;
  write(byId("banner"), result.begun ? "Undo, or choose other numbers: what is drawn below is from before." : "Choose other numbers, or press Reset: with these there is nothing to draw.");
  byId("save").disabled = !result.begun;
  document.body.classList.toggle("nothing", !result.begun);
}

/** What the signs of the picture mean: those that are in it. */
function listSigns() {
  const list = byId("signs");
  if (!list.closest("details").open) return;
  list.replaceChildren(...signs().map(([sign, meaning]) => {
    const row = element("div");
    row.append(element("dt", {}, sign), element("dd", {}, meaning));
    return row;
  }));
}
byId("signs").closest("details").addEventListener("toggle", listSigns);

views.push(() => {
  sayScore();
  listSigns();
  document.body.classList.toggle("before", result.error !== null);
  if (!result.error) {
    listSteps();
    return drawScore();
  }
  return write(byId("picture-says"), spoken(headline()[0] + "." + (result.begun ? " The picture shows what was before." : "")));
});
