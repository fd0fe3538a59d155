// Where a gradient came from: use step × loss step, with its sums, and what truncation throws away.
"use strict";

const anatomy = page.anatomy;
const heat = byId("heat"), windowSlider = byId("window"), parameterPick = byId("parameter");

const parameterNow = () => anatomy.parameters[Number(parameterPick.value) || 0];
/** The truncation window as a number of steps; everything, if it is as long as the longest lag. */
const windowNow = () => Number(windowSlider.value);
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

function cellAt(event) {
  const parameter = parameterNow(), box = heat.getBoundingClientRect();
  if (!layout || !parameter) return null;
  const across = Math.floor((event.clientX - box.left - layout.left) / layout.wide);
  const down = Math.floor((event.clientY - box.top - layout.top) / layout.high);
  const single = parameter.losses.length === 1;
  if (single && down) return null;
  const [i, j] = single ? [across, 0] : [down, across];
  const value = parameter.cells[j] ? parameter.cells[j][i] : null;
  return value === null || value === undefined ? null : { k: parameter.uses[i], t: parameter.losses[j], value };
}

heat.addEventListener("pointermove", (event) => {
  const cell = cellAt(event);
  byId("heat-tip").textContent = cell ? shown(cell.value) + " from the loss of step " + cell.t + " through " + parameterNow().name
    + " at step " + cell.k + ", lag " + (cell.t - cell.k) + (keeps(cell.k, cell.t) ? "" : ": thrown away") : heatHint;
});
const heatHint = "Click a cell to see its chain in the graph.";
heat.addEventListener("pointerleave", () => { byId("heat-tip").textContent = heatHint; });
heat.addEventListener("click", (event) => {
  const cell = cellAt(event);
  if (!cell) return;
  const root = chains.roots.findIndex((one) => one.t === cell.t), entry = entryTimes.indexOf(cell.k);
  if (root >= 0 && entry >= 0) chooseChain(root, entry);
});

function plotLags() {
  const parameter = parameterNow();
  if (!parameter) return;
  const plot = byId("lag-plot"), width = plot.clientWidth || 300, height = 150, left = 8, right = width - 8, top = 10, bottom = height - 24;
  plot.setAttribute("viewBox", "0 0 " + width + " " + height);
  const sums = parameter.by_lag, low = Math.min(0, ...sums), high = Math.max(0, ...sums), span = high - low || 1;
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
    return;
  }
  const k = windowNow(), whole = k >= parameter.windows.length, [kept, dropped] = parameter.windows[k - 1];
  const gradient = (parameter.signed ? "" : "‖") + "∂" + page.root + "/∂" + parameter.name + (parameter.signed ? "" : "‖");
  byId("window-text").textContent = whole ? "all " + k + " steps: nothing is cut" : k === 1 ? "1 step" : k + " steps";
  const place = byId("truncation");
  place.replaceChildren(element("strong", {}, gradient + " = " + parameter.total));
  place.append(whole ? " in full: nothing is thrown away." : " in full. Truncated BPTT with a window of " + k + (k === 1 ? " step" : " steps")
    + " keeps " + kept + " of it and throws away " + dropped + (parameter.signed ? "." : " (norms)."));
  windowSlider.setAttribute("aria-valuetext", byId("window-text").textContent + ": keeps " + kept + ", throws away " + dropped);
  heat.setAttribute("aria-label", "Heat map of " + gradient + " by use step and loss step, lags of " + k
    + " and more greyed; the table below has the numbers");
  const more = [];
  if (!parameter.signed) more.push("Each number is the norm of a " + parameter.name + "-sized contribution.");
  if (anatomy.left_out) more.push("Losses of the last " + parameter.losses.length + " steps only.");
  if (parameter.earlier) more.push("Uses in " + parameter.earlier + " earlier steps are not drawn; the sums count them.");
  if (parameter.losses.length === 1) more.push("There is one loss, so one row of uses.");
  byId("anatomy-about").textContent = ["One weight, one gradient: the sum of what every loss step t sends through every use step k.",
    ...more].join(" ");
  plotHeat();
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
  anatomy.parameters.forEach((parameter, i) => parameterPick.append(element("option", { value: i }, parameter.name)));
  const follow = () => {
    const parameter = parameterNow();
    if (!parameter) return;
    windowSlider.max = parameter.windows.length;
    const k = windowNow();
    sayAnatomy();
    select({ window: k >= parameter.windows.length ? null : k });
  };
  const parameter = parameterNow();
  parameterPick.disabled = windowSlider.disabled = !parameter;
  if (parameter) {
    windowSlider.max = parameter.windows.length;
    windowSlider.value = parameter.windows.length;
  }
  const soon = oncePerFrame(follow);
  windowSlider.addEventListener("input", soon);
  parameterPick.addEventListener("input", soon);
  byId("anatomy-details").addEventListener("toggle", sayAnatomy);
  byId("heat-tip").textContent = heatHint;
  sayAnatomy();
  const again = oncePerFrame(() => { plotHeat(); plotLags(); });
  new ResizeObserver(again).observe(heat.parentElement);
  redrawers.push(again);
}
views.push((changed) => { if (changed.includes("entry") || changed.includes("root")) plotHeat(); });
