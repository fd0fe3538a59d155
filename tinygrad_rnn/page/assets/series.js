// The sequence as a plot: inputs, which can be dragged, predictions and targets.
"use strict";

const seriesPlot = byId("series-plot");
let seriesAt = null;

function drawSeries() {
  const height = 96, [pen, width] = sharp(seriesPlot, height), { sequence } = result.computation, T = built.T;
  byId("series").hidden = isSymbol();
  if (isSymbol()) return;
  const entryOf = (row) => row[Math.min(part, row.length - 1)], hasTargets = !targetIsClass() && chosen.target.some((row) => row && row.length);
  byId("series-entry").textContent = chosen.x[0].length > 1 ? ", entry " + part + " of x" : "";
  const left = 40, right = width - 10, top = 8, bottom = height - 18, predicted = predictionSlot();
  const values = [...chosen.x.map(entryOf), ...(hasTargets ? chosen.target.flatMap((row) => (row ? [entryOf(row)] : [])) : [])];
  let low = 0, high = 0;
  for (const x of values) { low = Math.min(low, x); high = Math.max(high, x); }
  if (high - low < 1e-9) high = low + 1;
  const predictedAt = (t) => (t <= chosen.T && (facts().parts.h || chosen.at === "every") ? sequence.now[t][predicted] : null), isPredicted = predicted !== null && !result.error;
  const span = high - low, reach = [low - span, high + span];  // a prediction may have as much room again on either side, no more: inputs stay curves
  for (let t = 1; isPredicted && t <= chosen.T; t++) {
    const v = Math.max(reach[0], Math.min(reach[1], predictedAt(t) ?? NaN));
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (seriesDrag()) ({ low, high } = seriesDrag());
  const x = (t) => left + ((t - 0.5) / T) * (right - left), y = (v) => bottom - ((v - low) / (high - low)) * (bottom - top);
  document.querySelector(".key-prediction").hidden = predicted === null;
  seriesAt = { x, y, low, high, left, right, top, bottom, T };
  pen.fillStyle = colour("line");
  pen.fillRect(left, y(0), right - left, 1);
  if (chosen.T < T) { pen.fillStyle = colour("soft"); pen.fillRect(x(chosen.T + 0.5), top, right - x(chosen.T + 0.5), bottom - top); }
  const line = (name, at_, dash = []) => {
    const least = low - 9 * (high - low), most = high + 9 * (high - low), heights = new Float64Array(T + 2).fill(NaN);
    for (let t = 1; t <= T; t++) heights[t] = y(Math.max(least, Math.min(most, at_(t) ?? NaN)));
    pen.strokeStyle = pen.fillStyle = colour(name);
    pen.lineWidth = 1.6;
    pen.setLineDash(dash);
    pen.beginPath();
    for (let t = 1; t <= T; t++) {
      if (Number.isNaN(heights[t])) continue;
      if (!Number.isNaN(heights[t - 1])) pen.lineTo(x(t), heights[t]);
      else pen.moveTo(x(t), heights[t]);
      if (Number.isNaN(heights[t - 1]) && Number.isNaN(heights[t + 1])) pen.fillRect(x(t) - 3, heights[t] - 3, 6, 6);  // one alone
    }
    pen.stroke();
    pen.setLineDash([]);
  };
  line("input-line", (t) => entryOf(chosen.x[t - 1]));
  if (hasTargets) line("quiet", (t) => (chosen.target[t - 1] ? entryOf(chosen.target[t - 1]) : null), [2, 3]);
  if (isPredicted) {
    pen.save();
    pen.beginPath();
    pen.rect(left, top - 2, right - left, bottom - top + 4);
    pen.clip();
    line("accent", predictedAt);
    pen.restore();
    sayBeyond();
  }
  if (T <= 120) {
    const inView = timeInView();
    pen.fillStyle = colour("input-line");
    for (let t = 1; t <= T; t++) { pen.beginPath(); pen.arc(x(t), y(entryOf(chosen.x[t - 1])), t === inView ? 4.5 : 2.6, 0, 7); pen.fill(); }
  }
  /** How far the prediction goes where it leaves the frame: an arrow, and its largest number. */
  function sayBeyond() {
    for (const [isBeyond, arrow, level] of [[(v) => v > high, "↑ ", top + 9], [(v) => v < low, "↓ ", bottom - 2]]) {
      let most = 0, at_ = 0;
      for (let t = 1; t <= chosen.T; t++) if (isBeyond(predictedAt(t)) && !(Math.abs(predictedAt(t)) <= most)) { most = Math.abs(predictedAt(t)); at_ = t; }
      if (!at_) continue;
      const text = arrow + shown(predictedAt(at_)), wide = pen.measureText(text).width, from = Math.min(right - wide - 2, Math.max(left + 2, x(at_) - wide / 2));
      pen.fillStyle = colour("panel");
      pen.fillRect(from - 2, level - 10, wide + 4, 13);
      pen.fillStyle = colour("accent");
      pen.textAlign = "left";
      pen.fillText(text, from, level);
    }
  }
  pen.fillStyle = colour("quiet");
  pen.textAlign = "right";
  pen.fillText(shown(high, 2), left - 6, top + 8);
  pen.fillText(shown(low, 2), left - 6, bottom);
  pen.textAlign = "left";
  pen.fillText(page.names[0] === undefined ? "t = " + called(1) : page.names[0], left, height - 3);
  pen.textAlign = "right";
  pen.fillText(page.names[T - 1] === undefined ? "t = " + called(T) : page.names[T - 1], right, height - 3);
  seriesPlot.setAttribute("aria-label", "Inputs, targets and predictions over " + plural(T, "time step") + ", on a scale from " + shown(low) + " to " + shown(high));
}

/** The slot of the prediction; of one of several numbers, that of the entry in view. */
function predictionSlot() {
  const y = slotsOf("y"), found = y.length ? y : slotsOf("h");
  return (found.length === 1 || found.length === facts().target) && (!y.length || chosen.at === "every") ? found[Math.min(part, found.length - 1)] : null;
}

const seriesStep = (event) => {
  const box = seriesPlot.getBoundingClientRect(), { left, right, T } = seriesAt;
  return Math.min(T, Math.max(1, Math.round(((event.clientX - box.left - left) / (right - left)) * T + 0.5)));
};
const seriesDrag = dragged(seriesPlot, {
  begin: (event) => seriesAt && { t: seriesStep(event), low: seriesAt.low, high: seriesAt.high },
  number: (drag, event) => {
    const { low, high, top, bottom } = seriesAt, box = seriesPlot.getBoundingClientRect();
    return Math.round((high - ((event.clientY - box.top - top) / (bottom - top)) * (high - low)) * 1000) / 1000;
  },
  end: () => drawSeries(),
});
views.push(() => drawSeries());
