// How the gradient decays with the lag for every ‖W‖: a fan of curves, and where this ‖W‖ stands among them.
"use strict";

const normPlot = byId("norm-plot"), NORMS = Array.from({ length: 11 }, (_, i) => (5 + i) / 10);
let fan = null;

normSlider(byId("norm-setting"), "norm-here");

const askFan = askFor(byId("norms"), () => {
  const { recurrent } = cellNow();
  if (!recurrent.length || result.error || !hasLoss()) return null;
  const { settings, ...task } = taskNow();
  return { ...task, settings: { ...settings, T: lastLoss() }, kind: "fan", recurrent, norms: [...NORMS, normOfWeights(numbersNow(), recurrent)] };
}, (answer, task) => {
  const own = answer[answer.length - 1], reads = (_, i) => !own || own[i][0] !== 0;  // of what h_T does not read at once, nothing is the start
  fan = { curves: answer.slice(0, -1), own: own && own.filter(reads), norm: task.norms[NORMS.length], T: task.settings.T, parts: measured(PROGRAMS[task.program]).filter(reads) };
  drawNorms();
});

/** How the curves are told apart, beside their colours: those of the parts of the state, and the law. */
const DASHES = [[], [], [9, 4], [3, 3], [14, 4, 3, 4]], LAW = ["law", 1.8, [6, 4]];

let fanIsOld = true;
const showNorms = whenSeen(byId("norms"), () => {
  const anew = fanIsOld;
  fanIsOld = false;
  if (!anew) drawNorms();
  return askFan(anew);
});

views.push((changed) => {
  byId("norms").hidden = !cellNow().recurrent.length || !hasLoss();
  if (onlyLooks(changed)) return;
  if (byId("norms").hidden || result.error) return;
  if (changed.size > 1 || !changed.has("size")) fanIsOld = true;
  showNorms();
});

function drawNorms() {
  if (!fan || !fan.own) return;
  const height = 300, [pen, width] = sharp(normPlot, height), { curves, own, norm: size, T, parts } = fan;
  const left = 46, right = width - 70, top = 10, bottom = height - 34;
  const shares = own.map((curve) => Array.from(curve, (v) => unlessSubnormal(v) / curve[0]));  // each relative to its own start
  const law = lawCurve(1, size, T), all = [...shares.flat(), ...law].filter((v) => v > 0 && v < Infinity).map(Math.log10);
  let low = 0, high = 0;
  for (const v of all) { low = Math.min(low, v); high = Math.max(high, v); }
  for (const group of curves) if (group) for (const v of group[0]) if (v > 0) { low = Math.min(low, Math.max(-30, Math.log10(v))); high = Math.max(high, Math.min(30, Math.log10(v))); }
  low = Math.floor(Math.max(-300, low));
  high = Math.max(1, Math.ceil(Math.min(300, high)));
  const x = (lag) => left + (lag / Math.max(1, T)) * (right - left), y = (v) => bottom - ((Math.max(low - 99, Math.min(high + 99, Math.log10(v))) - low) / (high - low)) * (bottom - top);
  const stride = roundStep(((high - low) * 18) / (bottom - top));
  for (let e = Math.ceil(low / stride) * stride; e <= high; e += stride) {
    pen.fillStyle = colour(e ? "line" : "quiet");
    pen.fillRect(left, y(10 ** e), right - left, 1);
    pen.fillStyle = colour("quiet");
    pen.textAlign = "right";
    pen.fillText(e ? "10" + raised(e) : "1", left - 6, y(10 ** e) + 4);
  }
  const stroke = (trace, name, wide, dash = [], alpha = 1) => {
    pen.globalAlpha = alpha;
    pen.strokeStyle = colour(name);
    pen.lineWidth = wide;
    pen.setLineDash(dash);
    pen.beginPath();
    trace();
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  };
  const line = (curve_, ...look) => stroke(() => curve_.forEach((v, lag) => { if (!Number.isNaN(v)) pen.lineTo(x(lag), y(v)); }), ...look);
  pen.save();  // what lies beyond is not seen
  pen.beginPath();
  pen.rect(left, top - 2, right - left, bottom - top + 4);
  pen.clip();
  curves.forEach((group) => { if (group) line(group[0], "chain", 1, [], 0.3); });
  line(law, ...LAW);
  const inks = own.map((_, i) => [i ? "straight" : "chain", 3, DASHES[i % DASHES.length]]);
  shares.forEach((curve_, i) => line(curve_, ...inks[i]));
  pen.restore();
  pen.textAlign = "left";
  const inside = (v) => Math.max(top, Math.min(bottom, y(v)));
  const gated = cellNow().recurrent.length > 1;  // where no power of one norm bounds anything
  const ends = [[gated ? "plain" : "the law", inside(law[T]), LAW], ...shares.map((curve_, i) => [parts[i], inside(curve_[T]), inks[i]])].sort((a, b) => a[1] - b[1]);
  const heights = ends.map(([, at_]) => at_ + 4);  // one below the other, and none below the plot
  heights.forEach((_, i) => { heights[i] = Math.max(heights[i], i ? heights[i - 1] + 14 : 0); });
  heights.reduceRight((below, own_, i) => (heights[i] = Math.min(own_, below - 14)), bottom + 18);
  ends.forEach(([name, , [ink, wide, dash]], i) => {
    stroke(() => { pen.moveTo(right + 4, heights[i] - 4); pen.lineTo(right + 20, heights[i] - 4); }, ink, wide, dash);
    pen.fillStyle = colour(ink);
    pen.fillText(inCharacters(name), right + 24, heights[i]);
  });
  pen.fillStyle = colour("quiet");
  pen.textAlign = "center";
  const every = roundStep((T * 44) / Math.max(44, right - left));
  for (let lag = 0; lag <= T; lag += every) pen.fillText(String(lag), x(lag), height - 18);
  pen.fillText("lag: steps back in time", (left + right) / 2, height - 4);
  const words = parts.map((part_, i) => {
    const ratio = shares[i][T], first = own[i].findIndex((size) => !unlessSubnormal(size));
    const isExact = own[i][first] === 0 && !(own[i][first - 1] < 1e-200);  // not fallen below the smallest double
    return "∂" + part_ + ": the gradient " + verdictWord(ratio) + (ratio ? ", " + shown(ratio) + " left" : isExact ? "" : ", or too small for a double");
  }).join("; ");
  write(byId("norms-says"), "‖W‖ = " + shown(size) + (gated ? " (the largest). In a plain RNN at most " : ". The law ‖W‖^lag says ") + powerOfTen(T ? T * Math.log10(size) : 0) + (gated ? " would be left after " : " after ") + plural(T, "step") + "; measured, " + words + ".");
  normPlot.setAttribute("aria-label", "What is left of the gradient against the lag, logarithmic: ‖W‖ to the power of the lag as a straight line, and measured, for ‖W‖ from 0.5 to 1.5 in thin lines");
  table("norm-table", "What is left of the gradient by lag, ‖W‖ = " + shown(size), ["lag", gated ? "‖W‖^lag" : "the law", ...parts.map((part_) => "∂" + part_)], T + 1, (lag) => [String(lag), shown(law[lag]), ...shares.map((curve_) => shown(curve_[lag]))]);
}
byId("norm-table").closest("details").addEventListener("toggle", drawNorms);
