// Where the gradient of a weight came from: use step by loss step, with its sums, and what truncation throws away.
"use strict";

const heat = byId("heat"), ofPick = byId("of");
const DECADES = { signed: 4, sizes: 6 };  // how far below the largest cell sizes are still told apart
let whole = null, whereAt = null, barsAt = null, stood = null;

/** The weights whose gradient can be split: each group, and the entry that is chosen. */
function splitChoices() {
  const { groups } = cellNow(), found = groups.map(({ name, places }) => [name, places]);
  if (groups.some(({ shape }) => shape.length) && entry !== null) found.push([parameterName(entry), [entry]]);
  return found;
}

const askSplit = askFor(byId("where"), () => {
  const choices = splitChoices();
  if (result.error || !hasLoss() || !choices.length) return null;
  const [name, which] = choices[Math.min(choices.length - 1, Math.max(0, ofPick.selectedIndex))];
  return { ...taskNow(), kind: "split", which: [...which], name };
}, (answer, task) => {
  whole = { ...answer, name: task.name, signed: task.which.length === 1, T: task.settings.T };
  drawWhere();
});

let due = "split";  // what is to be done anew, besides the heat map
const showWhere = whenSeen(byId("where"), () => {
  const of = due;
  due = "";
  if (of === "size") drawWhere();
  else if (of === "") drawHeat();
  return askSplit(of === "split");
});

views.push((changed) => {
  if (onlyLooks(changed)) return showWhere();
  if (changed.size === 1 && changed.has("size")) {
    due ||= "size";
    return showWhere();
  }
  byId("where").hidden = !splitChoices().length || !hasLoss();
  const names = splitChoices().map(([name]) => name), before = (ofPick.dataset.names || "").split("\n"), at_ = ofPick.selectedIndex;
  if (before.join("\n") !== names.join("\n")) {
    // The same name; where another entry was chosen, that; of another cell, the first.
    const same = names.indexOf(before[at_]), isOther = changed.has("cell") || changed.has("link");
    ofPick.replaceChildren(...names.map((name) => element("option", {}, inCharacters(name))));
    ofPick.dataset.names = names.join("\n");
    ofPick.selectedIndex = same >= 0 ? same : isOther ? 0 : Math.max(0, Math.min(at_, names.length - 1));
  }
  if (byId("where").hidden || result.error) return undefined;
  due = "split";
  return showWhere();
});
function chooseGroup(name) {
  const i = splitChoices().findIndex(([own]) => own === name);
  if (i >= 0 && ofPick.selectedIndex !== i) { ofPick.selectedIndex = i; ofPick.dispatchEvent(new Event("change")); }
}
ofPick.addEventListener("change", () => { byId("where").classList.toggle("old", askSplit(true)); });

function drawWhere() {
  if (!whole) return;
  sayWhere();
  drawHeat();
  drawLags();
}

function sayWhere() {
  const { name, total, kept: left, cut, signed } = whole, parts = [];
  byId("key-signed").hidden = !signed;
  byId("key-sizes").hidden = signed;
  write(byId("key-least"), signed ? "a ten-thousandth" : "a millionth");
  parts.push("∂L/∂" + name + " = " + shown(total));
  if (chosen.k1 !== null || chosen.cuts.length) parts.push(": kept " + shown(left) + ", thrown away " + shown(cut));
  else if (whole.uses) parts.push(", from " + plural(whole.losses.length, "loss").replace("losss", "losses") + " through " + plural(whole.uses, "use"));
  if (facts().total) parts.push((whole.uses ? "; " : ", ") + (whole.uses ? shown(whole.outside) : "all of which") + " comes from outside time");
  const lag = whole.by_lag.findIndex((sum) => !Number.isFinite(sum));
  if (lag >= 0) parts.push("; at lag " + lag + " it is " + (Number.isNaN(whole.by_lag[lag]) ? "NaN" : "infinite") + " already");
  write(byId("where-says"), parts.join("") + "." + (whole.signed ? "" : " Norms over the entries."));
}

/** How a number is inked: by its sign; norms as every size of a gradient, by their shade. */
const inkOf = (v) => (!whole.signed ? "chain" : v < 0 ? "negative" : "positive");

/** What is written where a number is not finite. */
const notFinite = (v) => (Number.isFinite(v) ? "" : Number.isNaN(v) ? "NaN" : shown(v));

/** The largest size of finite numbers. */
const largest = (numbers) => numbers.reduce((a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a), 0);

function drawHeat() {
  if (!whole) return;
  const { losses, cells, T, by_use, by_loss, kept_by_use, kept_by_loss, signed } = whole, full = widthOf(heat), row = losses.length === 1;
  const left = row ? 10 : 46, top = 18, bars = row ? 0 : Math.min(120, full * 0.22);
  // A use step k runs downwards, a loss step t to the right; of a single loss the uses stand in one row.
  const wide = row ? (full - 2 * left) / T : (full - left - bars - 16) / losses.length, high = row ? 44 : Math.min(wide, 300 / T);
  const height = row ? top + high + 8 : top + high * T + 86, [pen] = sharp(heat, height);
  const corner = (k, j) => (row ? [left + (k - 1) * wide, top] : [left + j * wide, top + (k - 1) * high]);
  whereAt = { left, top, wide, high, row, corner };
  const most = cells.reduce((a, cell) => Math.max(a, largest(cell)), 0), gap = Math.min(wide, high) > 6 ? 1 : 0, { computation } = result;
  const empty = colour("soft"), cutAway = colour("cut"), ink = colour("quiet");
  // Where many cells share a pixel, the largest of them is drawn.
  const strideK = Math.max(1, Math.floor(row ? 1 / wide : T / 300)), strideT = Math.max(1, Math.floor(1 / wide));
  for (let j = 0; j < losses.length; j += strideT) {
    for (let k = 1; k <= losses[j]; k += strideK) {
      let value = 0;
      for (let jj = j; jj < Math.min(losses.length, j + strideT); jj++) {
        for (let kk = k; kk < Math.min(k + strideK, losses[jj] + 1); kk++) if (!(Math.abs(cells[jj][kk - 1]) <= Math.abs(value))) value = cells[jj][kk - 1];
      }
      const reaches = computation.reaches(k, losses[j]), across = row ? strideK : strideT, down = row ? 1 : strideK;
      const box = [...corner(k, j), Math.max(1, wide * across - gap), Math.max(1, high * down - gap)];
      pen.fillStyle = reaches ? empty : cutAway;
      pen.fillRect(...box);
      if (Number.isNaN(value) && reaches) mark(value, "ink", box);
      if (!value || !reaches) continue;  // NaN, too
      const place = Math.min(1, Math.max(0, 1 + Math.log10(Math.abs(value) / (most || Math.abs(value))) / (signed ? DECADES.signed : DECADES.sizes)));
      pen.globalAlpha = signed ? Math.max(0.08, place) : 1;
      pen.fillStyle = colour(signed ? inkOf(value) : "shade" + Math.round(12 * place));
      pen.fillRect(...box);
      pen.globalAlpha = 1;
      const [x, y, w, h] = box, dash = Math.min(8, 0.4 * w);
      if (!Number.isFinite(value)) mark(value, "panel", box);
      else if (signed && value < 0 && place > 0 && Math.min(w, h) >= 7) {  // in grey print, both signs are as dark
        pen.fillStyle = colour(place > 0.65 ? "panel" : "ink");
        pen.fillRect(x + (w - dash) / 2, y + h / 2 - 0.75, dash, 1.5);
      }
    }
  }
  function mark(value, name, [x, y, w, h]) {
    const text = notFinite(value);
    pen.fillStyle = colour(name);
    pen.textAlign = "center";
    if (h >= 12 && pen.measureText(text).width < w) pen.fillText(text, x + w / 2, y + h / 2 + 4);
  }
  const words = (text, x, y, align = "left") => { pen.fillStyle = ink; pen.textAlign = align; pen.fillText(text, x, y, full - x); };  // narrower letters, where it would be cut off
  const across = Math.max(1, Math.ceil((pen.measureText(called(T)).width + 12) / wide)), down = Math.max(1, Math.ceil(15 / high)), t = timeInView();
  pen.strokeStyle = colour("accent");
  pen.lineWidth = 2;
  if (row) {
    for (let k = 1; k <= T; k += across) words(String(called(k)), left + (k - 0.5) * wide, top - 6, "center");
    if (t) pen.strokeRect(left + (t - 1) * wide, top - 1, Math.max(2, wide - gap), high + 1);
    return placeCells();
  }
  losses.forEach((loss, j) => { if (j % across === 0) words(String(called(loss)), left + (j + 0.5) * wide, top - 6, "center"); });
  for (let k = 1; k <= T; k += down) words(String(called(k)), left - 6, top + (k - 0.5) * high + 4, "right");
  if (t) pen.strokeRect(left, top + (t - 1) * high - 1, losses.length * wide, Math.max(2, high - gap));
  const bar = (ink_, ...box) => { pen.fillStyle = ink_; pen.fillRect(...box); };
  const mostUse = largest([...by_use, ...kept_by_use]) || 1, mostLoss = largest([...by_loss, ...kept_by_loss]) || 1, below = top + T * high;
  // Signed sums stand on a line: positive to one side, negative to the other.
  const lineY = below + (signed ? 36 : 62), roomY = signed ? 28 : 54, lineX = left + losses.length * wide + 8 + (signed ? bars / 2 : 0), roomX = signed ? bars / 2 : bars;
  // In grey what there is before truncation, and over it what is kept.
  for (const [uses, ofLosses, ink_] of [[by_use, by_loss, () => cutAway], [kept_by_use, kept_by_loss, (v) => colour(inkOf(v))]]) {
    losses.forEach((loss, j_) => {
      const v = ofLosses[loss], size = (v / mostLoss) * roomY;
      bar(ink_(v), left + j_ * wide, Math.min(lineY, lineY - size), Math.max(1, wide - gap), Math.abs(size));
    });
    for (let k = 1; k <= T; k++) {
      const v = uses[k], size = (v / mostUse) * roomX;
      bar(ink_(v), Math.min(lineX, lineX + size), top + (k - 1) * high, Math.abs(size), Math.max(1, high - gap));
    }
  }
  barsAt = { lineX, high, top, end: (k) => lineX + (by_use[k] / mostUse) * roomX };
  pen.fillStyle = colour("line");
  pen.fillRect(left, lineY, losses.length * wide, 1);
  pen.fillRect(lineX, top, 1, T * high);
  words("down: use step k, across: loss step t; bars: sums, up to " + shown(by_use.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0)), left, height - 6);
  return placeCells();
}

function drawLags() {
  const plot = byId("lag-plot"), height = 110, [pen, width] = sharp(plot, height), { by_lag, kept_by_lag, signed } = whole, left = 52, right = width - 8, top = 8, bottom = height - 22;
  const values = by_lag, finite = [...values, ...kept_by_lag].filter(Number.isFinite), low = finite.reduce((a, b) => Math.min(a, b), 0), high = finite.reduce((a, b) => Math.max(a, b), 0);
  const span = high - low || 1, wide = (right - left) / values.length, y = (v) => bottom - ((Math.max(low, Math.min(high || 1, v)) - low) / span) * (bottom - top);
  for (const [sums, ink] of [[values, () => "cut"], [kept_by_lag, inkOf]]) {
    sums.forEach((value, lag) => {
      const words = notFinite(value), x = left + lag * wide;
      pen.fillStyle = colour(ink(value));
      if (value) pen.fillRect(x, Math.min(y(0), y(value)), Math.max(1, wide - (wide > 4 ? 1 : 0)), Math.max(0.5, Math.abs(y(value) - y(0))));  // NaN has none
      if (!words || pen.measureText(words).width > wide) return;
      pen.fillStyle = colour(value ? "panel" : "ink");
      pen.textAlign = "center";
      pen.fillText(words, x + wide / 2, (top + bottom) / 2 + 4);
    });
  }
  pen.fillStyle = colour("line");
  pen.fillRect(left, y(0), right - left, 1);
  pen.fillStyle = colour("quiet");
  pen.textAlign = "right";
  const level = (v) => Math.min(bottom, Math.max(top + 8, y(v) + 4));
  for (const v of [high, low]) if (Math.abs(level(v) - level(0)) > 12) pen.fillText(fitted(v, left - 8, 12), left - 6, level(v));
  pen.fillText("0", left - 6, level(0));
  pen.textAlign = "center";
  const every = roundStep(34 / wide);
  for (let lag = 0; lag < values.length; lag += every) pen.fillText(String(lag), left + (lag + 0.5) * wide, height - 7);
  plot.setAttribute("aria-label", "The gradient by lag, how many steps it travelled back; the table has the numbers");
  const part = signed ? "sum" : "norm of the sum";
  table("where-table", "∂L/∂" + whole.name + " by lag and by use step", ["lag or use step", part + " by lag", part + " by use step"], values.length, (i) => [String(i), shown(values[i]), i ? shown(whole.by_use[i]) : ""]);
}
// ---- one cell for the pointer and the keyboard ------------------------------------------------------------------------------

const heatCells = byId("heat-cells");
const cellSays = ({ k, j }) => shown(whole.cells[j][k - 1]) + " from the loss of step " + called(whole.losses[j]) + " through " + whole.name + " at step " + called(k)
  + ", lag " + (whole.losses[j] - k) + (result.computation.reaches(k, whole.losses[j]) ? "" : ": thrown away");

function cellAt(event) {
  if (!whereAt || !whole) return null;
  const { left, top, wide, high, row } = whereAt, box = heat.getBoundingClientRect();
  const across = Math.floor((event.clientX - box.left - left) / wide), down = Math.floor((event.clientY - box.top - top) / high);
  const [k, j] = row ? [across + 1, down] : [down + 1, across];
  return j >= 0 && j < whole.losses.length && k >= 1 && k <= whole.losses[j] ? { k, j } : null;
}
const hint = "Point at a cell, or go there with the arrow keys: what one loss brings through one use of the weight. A click brings that time step into view.";
const sayCell = (cell) => write(byId("heat-tip"), cell ? cellSays(cell) : hint);
heat.addEventListener("pointermove", (event) => sayCell(cellAt(event)));
heat.addEventListener("pointerleave", () => sayCell(null));
heat.addEventListener("click", (event) => { const cell = cellAt(event); if (cell) { stand(cell, false); lead(cell.k); } });

/** Bring a time step into view, and the picture, where it is seen. */
function lead(t) {
  goTo(t);
  byId("score").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function placeCells() {
  if (!whole) return;
  const j = stood && stood.j < whole.losses.length ? stood.j : whole.losses.length - 1, k = stood ? Math.min(stood.k, whole.losses[j]) : whole.losses[j];
  heatCells.setAttribute("aria-label", "Contributions to the gradient of " + spoken(whole.name) + ", a row per use, a column per loss");
  heatCells.setAttribute("aria-rowcount", whereAt.row ? 1 : whole.T);
  heatCells.setAttribute("aria-colcount", whereAt.row ? whole.T : whole.losses.length);
  stand({ k, j }, heatCells.contains(document.activeElement));
}

/** The one cell of the grid that is in the document, over its place in the picture: there can be a million. */
function stand(cell, focused) {
  stood = cell;
  const { wide, high, row: alone, corner } = whereAt, [x, y] = corner(cell.k, cell.j), [column, line] = alone ? [cell.k, 1] : [cell.j + 1, cell.k];
  const one = element("div", { role: "gridcell", tabindex: 0, "aria-label": spoken(cellSays(cell)), "aria-colindex": column });
  Object.assign(one.style, { left: x + "px", top: y + "px", width: Math.max(10, wide) + "px", height: Math.max(10, high) + "px" });
  one.addEventListener("focus", () => sayCell(cell));
  one.addEventListener("blur", () => sayCell(null));
  const row = element("div", { role: "row", "aria-rowindex": line });
  row.append(one);
  heatCells.replaceChildren(row);
  if (focused) one.focus({ preventScroll: true });
}
heatCells.addEventListener("keydown", (event) => {
  if (!stood) return;
  const { k, j } = stood, last = whole.losses[j];
  const [left, right, up, down] = whereAt.row ? [{ k: k - 1, j }, { k: k + 1, j }, null, null] : [{ k, j: j - 1 }, { k, j: j + 1 }, { k: k - 1, j }, { k: k + 1, j }];
  const to = { ArrowLeft: left, ArrowRight: right, ArrowUp: up, ArrowDown: down, Home: { k: 1, j }, End: { k: last, j } }[event.key];
  if (event.key === "Enter") { lead(k); event.preventDefault(); }
  if (!to) return;
  event.preventDefault();
  event.stopPropagation();
  if (to.j >= 0 && to.j < whole.losses.length && to.k >= 1 && to.k <= whole.losses[to.j]) stand(to, true);
});
byId("where-table").closest("details").addEventListener("toggle", () => { if (whole) drawLags(); });
