// Where a gradient came from: use step × loss step, with its sums, and what truncation throws away.
"use strict";

const anatomy = page.anatomy;
const heat = byId("heat"), windowSlider = byId("window"), parameterPick = byId("parameter");

const parameterNow = () => anatomy.parameters[Number(parameterPick.value) || 0];
/** The last place of the slider, at which nothing is cut: its own where there are lags beyond the windows told. */
const lastWindow = ({ windows, longest }) => windows.length + (longest >= windows.length ? 1 : 0);
const isWhole = (parameter) => Number(windowSlider.value) >= lastWindow(parameter);
/** The truncation window as a number of steps. */
const windowNow = () => (isWhole(parameterNow()) ? parameterNow().longest + 1 : Number(windowSlider.value));
const keeps = (k, t) => t - k < windowNow();

let layout = null;

function plotHeat() {
  const parameter = parameterNow();
  if (!parameter) return;
  const { uses, losses, cells } = parameter;
  layout = losses.length === 1 ? alongOneRow(uses.length) : inASquare(uses.length, losses.length);
  const { left, top, wide, high, bars } = layout;
  const [pen] = sharp(heat, layout.height);
  const ink = colour("quiet"), empty = colour("soft"), cut = colour("cut"), positive = colour("positive"), negative = colour("negative");
  const most = largest(cells.flat());
  const gap = Math.min(wide, high) > 7 ? 1 : 0;
  const box = (i, j) => [left + layout.column(i, j) * wide, top + layout.row(i) * high, Math.max(1, wide - gap), Math.max(1, high - gap)];
  layout.box = box;
  losses.forEach((t, j) => uses.forEach((k, i) => {
    const value = cells[j][i];
    if (value === null) return;
    pen.fillStyle = keeps(k, t) ? empty : cut;
    pen.fillRect(...box(i, j));
    if (!value || !keeps(k, t)) return;
    // By order of magnitude, from the largest down to a ten-thousandth of it.
    pen.globalAlpha = Math.max(0.08, 1 + Math.log10(Math.abs(value) / most) / 4);
    pen.fillStyle = value < 0 ? negative : positive;
    pen.fillRect(...box(i, j));
    pen.globalAlpha = 1;
  }));
  if (selected.entry !== null) {  // the chain shown: its loss step and the step of its state
    const j = losses.indexOf(chains.roots[selected.root].t), i = uses.indexOf(entryTimes[selected.entry]);
    if (j >= 0 && i >= 0) {
      const [x, y, w, h] = box(i, j);
      pen.strokeStyle = colour("chain");
      pen.lineWidth = 2.5;
      pen.strokeRect(x - 1, y - 1, w + 2, h + 2);
    }
  }
  const every = (room, size) => Math.max(1, Math.ceil(room / size));
  const write = (text, x, y, align) => { pen.fillStyle = ink; pen.textAlign = align; pen.fillText(text, x, y); };
  pen.textBaseline = "middle";
  if (losses.length === 1) {
    uses.forEach((k, i) => { if (i % every(30, wide) === 0) write(String(k), left + (i + 0.5) * wide, top + high + 12, "center"); });
    write("use step k", left, layout.height - 7, "left");
    return;
  }
  const below = top + uses.length * high, beside = left + losses.length * wide + 8;
  uses.forEach((k, i) => { if (i % every(15, high) === 0) write(String(k), left - 7, top + (i + 0.5) * high, "right"); });
  losses.forEach((t, j) => { if (j % every(28, wide) === 0) write(String(t), left + (j + 0.5) * wide, below + 11, "center"); });
  const bar = (value, ...place) => { pen.fillStyle = value < 0 ? negative : positive; pen.fillRect(...place); };
  const mostUse = largest(parameter.by_use) || 1, mostLoss = largest(parameter.by_loss) || 1;
  parameter.by_use.forEach((value, i) => bar(value, beside, top + i * high, (Math.abs(value) / mostUse) * bars, Math.max(1, high - gap)));
  parameter.by_loss.forEach((value, j) => bar(value, left + j * wide, below + 22, Math.max(1, wide - gap), (Math.abs(value) / mostLoss) * 44));
  if (uses.length * high > 40) write(bars > 110 ? "sum of each row" : "row sums", beside, below + 11, "left");
  write("loss step t, and the sum of each column", left, layout.height - 6, "left");
  if (uses.length * high < 70) return;
  pen.translate(9, top + (uses.length * high) / 2);
  pen.rotate(-Math.PI / 2);
  write("use step k", 0, 0, "center");
}

const largest = (numbers) => numbers.reduce((a, b) => Math.max(a, Math.abs(b || 0)), 0);

function inASquare(uses, losses) {
  const full = heat.clientWidth, left = 44, top = 6, least = Math.min(90, full * 0.2);
  const size = Math.max(1.5, Math.min(44, (full - left - least - 14) / losses, 450 / uses));
  const bars = Math.max(10, Math.min(260, full - left - size * losses - 12));
  return { left, top, wide: size, high: size, bars, height: size * uses + top + 92, row: (i) => i, column: (i, j) => j };
}

function alongOneRow(uses) {
  const left = 8;
  return { left, top: 6, wide: (heat.clientWidth - 2 * left) / uses, high: 54, bars: 0, height: 98, row: () => 0, column: (i) => i };
}

/** The cell of use i and loss j; null where there is none, since a use after the loss step brings nothing. */
function cellOf(i, j) {
  const parameter = parameterNow(), value = parameter.cells[j] ? parameter.cells[j][i] : null;
  return value === null || value === undefined ? null : { i, j, k: parameter.uses[i], t: parameter.losses[j], value };
}

function cellAt(event) {
  if (!layout || !parameterNow()) return null;
  const box = heat.getBoundingClientRect();
  const across = Math.floor((event.clientX - box.left - layout.left) / layout.wide);
  const down = Math.floor((event.clientY - box.top - layout.top) / layout.high);
  if (parameterNow().losses.length === 1) return down ? null : cellOf(across, 0);
  return cellOf(down, across);
}

const cellSays = (cell) => shown(cell.value) + " from the loss of step " + cell.t + " through " + parameterNow().name
  + " at step " + cell.k + ", lag " + (cell.t - cell.k) + (keeps(cell.k, cell.t) ? "" : ": thrown away");
const heatHint = "Click a cell, or go there with the arrow keys and press Enter, to see its chain.";
const sayCell = (cell) => write(byId("heat-tip"), cell ? cellSays(cell) : heatHint);

function chooseCell(cell) {
  const root = chains.roots.findIndex((one) => one.t === cell.t), entry = entryTimes.indexOf(cell.k);
  if (root >= 0 && entry >= 0) chooseChain(root, entry);
}

heat.parentElement.addEventListener("pointermove", (event) => sayCell(cellAt(event)));
heat.parentElement.addEventListener("pointerleave", () => sayCell(null));
heat.parentElement.addEventListener("click", (event) => {
  const cell = cellAt(event);
  if (!cell) return;
  standOn(cell, false);
  chooseCell(cell);
});

// The cells for the keyboard and for screen readers: a grid of which the one cell that can have the focus is in the
// document, over its place in the picture, since there can be thousands.
const heatCells = byId("heat-cells");
let stoodOn = null;

function standOn(cell, focused) {
  stoodOn = cell;
  const one = element("div", { role: "gridcell", tabindex: 0, "aria-label": spoken(cellSays(cell)), "aria-colindex": layout.column(cell.i, cell.j) + 1 });
  const [x, y, wide, high] = layout.box(cell.i, cell.j);
  Object.assign(one.style, { left: x + "px", top: y + "px", width: Math.max(10, wide) + "px", height: Math.max(10, high) + "px" });
  one.addEventListener("focus", () => sayCell(cell));
  one.addEventListener("blur", () => sayCell(null));
  const row = element("div", { role: "row", "aria-rowindex": layout.row(cell.i, cell.j) + 1 }), before = heatCells.firstChild;
  row.append(one);
  heatCells.append(row);
  if (focused) one.focus({ preventScroll: false });
  if (before) before.remove();
}

function placeGrid() {
  const parameter = parameterNow();
  if (!parameter) return;
  const { uses, losses } = parameter, single = losses.length === 1;
  heatCells.setAttribute("aria-rowcount", single ? 1 : uses.length);
  heatCells.setAttribute("aria-colcount", single ? uses.length : losses.length);
  const there = stoodOn && cellOf(Math.min(stoodOn.i, uses.length - 1), Math.min(stoodOn.j, losses.length - 1));
  const first = there || cellOf(uses.length - 1, losses.length - 1) || cellOf(0, losses.length - 1);
  if (first) standOn(first, heatCells.contains(document.activeElement)); else heatCells.replaceChildren();
}

heatCells.addEventListener("keydown", (event) => {
  if (!stoodOn || event.ctrlKey || event.metaKey || event.altKey) return;
  const { i, j } = stoodOn, { uses, losses } = parameterNow(), single = losses.length === 1;
  const [acrossUses, acrossLosses] = single ? [1, 0] : [0, 1];
  const ends = single ? [[0, 0], [uses.length - 1, 0]] : [[i, losses.findIndex((_, at) => cellOf(i, at))], [i, losses.length - 1]];
  const to = {
    ArrowRight: [i + acrossUses, j + acrossLosses], ArrowLeft: [i - acrossUses, j - acrossLosses],
    ArrowDown: [i + acrossLosses, j], ArrowUp: [i - acrossLosses, j], Home: ends[0], End: ends[1],
  }[event.key];
  if (event.key === "Enter" || event.key === " ") chooseCell(stoodOn);
  else if (!to) return;
  else if (cellOf(...to)) standOn(cellOf(...to), true);
  event.preventDefault();
});

function plotLags() {
  const parameter = parameterNow();
  if (!parameter) return;
  const plot = byId("lag-plot"), width = plot.clientWidth || 300, height = 150, right = width - 8, top = 10, bottom = height - 24;
  plot.setAttribute("viewBox", "0 0 " + width + " " + height);
  const sums = parameter.by_lag, low = Math.min(0, ...sums), high = Math.max(0, ...sums), span = high - low || 1, left = roomFor(low, high);
  const y = (v) => bottom - ((v - low) / span) * (bottom - top), slot = (right - left) / sums.length;
  const parts = [drawn("line", { class: "axis", x1: left, x2: right, y1: y(0), y2: y(0) })];
  sums.forEach((value, lag) => {
    const bar = drawn("rect", {
      class: lag >= windowNow() ? "bar-ahead" : value < 0 ? "bar-negative" : "bar-positive",
      x: left + lag * slot + slot * 0.12, width: Math.max(0.5, slot * 0.76),
      y: Math.min(y(0), y(value)), height: Math.max(0.7, Math.abs(y(value) - y(0))),
    });
    bar.append(drawn("title", {}, "lag " + lag + ": " + shown(value)));
    parts.push(bar);
  });
  for (const v of marks(low, high, y)) parts.push(drawn("text", { class: "mark", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, shown(v)));
  const every = Math.max(1, Math.ceil(28 / slot));
  for (let lag = 0; lag < sums.length; lag += every) {
    parts.push(drawn("text", { x: left + (lag + 0.5) * slot, y: height - 7, "text-anchor": "middle" }, String(lag)));
  }
  plot.replaceChildren(...parts);
  plot.setAttribute("aria-label", "Sums by lag, from 0 to " + (sums.length - 1) + "; the table below has the numbers");
}

function sayAnatomy() {
  const parameter = parameterNow();
  if (!parameter) {
    byId("truncation").textContent = "The loss depends on no labelled parameter.";
    for (const part of [heat.parentElement, byId("lag-title"), byId("lag-plot"), byId("anatomy-details")]) part.setAttribute("hidden", "");
    return;
  }
  const k = windowNow(), whole = isWhole(parameter), [kept, dropped] = whole ? [parameter.total, "0"] : parameter.windows[k - 1];
  const gradient = (parameter.signed ? "" : "‖") + "∂" + page.root + "/∂" + parameter.name + (parameter.signed ? "" : "‖");
  byId("window-text").textContent = whole ? "all " + k + " steps: nothing is cut" : k === 1 ? "1 step" : k + " steps";
  const place = byId("truncation");
  place.replaceChildren(element("strong", {}, gradient + " = " + parameter.whole));
  const cut = "runcated BPTT with a window of " + k + (k === 1 ? " step" : " steps") + " keeps " + kept + " and throws away " + dropped
    + (parameter.signed ? "." : " (norms).");
  if (anatomy.left_out) {
    place.prepend("The latest " + parameter.losses.length + " of " + (parameter.losses.length + anatomy.left_out) + " losses bring " + parameter.total + " of ");
    place.append(whole ? ". Of theirs, nothing is thrown away." : ". Of theirs, t" + cut);
  } else place.append(" in full" + (whole ? ": nothing is thrown away." : ". T" + cut));
  windowSlider.setAttribute("aria-valuetext", byId("window-text").textContent + ": keeps " + kept + ", throws away " + dropped);
  heatCells.setAttribute("aria-label", "Heat map of " + gradient + ": a row per use step, a column per loss step; arrow keys move, Enter shows the chain");
  const more = [];
  if (!parameter.signed) more.push("Each number is the norm of a " + parameter.name + "-sized contribution.");
  if (anatomy.left_out) more.push("Of " + (parameter.losses.length + anatomy.left_out) + " losses, the latest " + parameter.losses.length + " are split; the sums are theirs.");
  if (parameter.earlier) more.push("Uses in " + parameter.earlier + " earlier steps are not drawn; the sums count them.");
  if (parameter.longest >= parameter.by_lag.length) more.push("Lags above " + (parameter.by_lag.length - 1) + " are not drawn.");
  if (parameter.losses.length === 1) more.push("There is one loss, so one row of uses.");
  write(byId("anatomy-about"), ["One weight, one gradient: the sum of what every loss step t sends through every use step k.",
    ...more].join(" "));
  plotHeat();
  placeGrid();
  plotLags();
  if (byId("anatomy-details").open) {
    const head = ["use step k", ...parameter.losses.map((t) => "t = " + t), "sum"];
    const cell = (value) => (value === null ? "" : shown(value));
    const rows = parameter.uses.map((use, i) => (
      ["k = " + use, ...parameter.losses.map((t, j) => cell(parameter.cells[j][i])), shown(parameter.by_use[i])]));
    table("anatomy-table", "What each loss step brings to " + gradient + " through each use step; struck out: thrown away", head,
      [...rows, ["sum", ...parameter.by_loss.map(shown), parameter.total]]);
    table("lag-table", "Sums by lag t − k", null, parameter.by_lag.map((sum, lag) => [String(lag), shown(sum)]));
    [...byId("anatomy-table").tBodies[0].rows].slice(0, -1).forEach((row, i) => [...row.cells].slice(1, -1).forEach((cell, j) => {
      if (cell.textContent && !keeps(parameter.uses[i], parameter.losses[j])) cell.className = "cut";
    }));
  }
}

function setUpAnatomy() {
  anatomy.parameters.forEach((parameter, i) => parameterPick.append(element("option", { value: i }, inCharacters(parameter.name))));
  const follow = () => {
    const parameter = parameterNow();
    if (!parameter) return;
    const all = windowSlider.value === windowSlider.max;
    windowSlider.max = lastWindow(parameter);
    if (all) windowSlider.value = windowSlider.max;
    sayAnatomy();
    if (document.activeElement === parameterPick) say(spoken(byId("truncation").textContent));
    select({ window: isWhole(parameter) ? null : windowNow() });
  };
  const parameter = parameterNow();
  parameterPick.disabled = windowSlider.disabled = !parameter;
  if (parameter) {
    windowSlider.max = lastWindow(parameter);
    windowSlider.value = windowSlider.max;
  }
  const soon = oncePerFrame(follow);
  windowSlider.addEventListener("input", soon);
  parameterPick.addEventListener("input", soon);
  byId("anatomy-details").addEventListener("toggle", sayAnatomy);
  sayCell(null);
  sayAnatomy();
  const again = oncePerFrame(() => { plotHeat(); placeGrid(); plotLags(); });
  new ResizeObserver(again).observe(heat.parentElement);
  redrawers.push(again);
}
views.push((changed) => { if (changed.includes("entry") || changed.includes("root")) plotHeat(); });
