// How the gradient decays with the lag, for every ‖W‖ and input scale: measured by the engine, looked up here.
"use strict";

const decay = page.decay;
const normSlider = byId("norm"), scaleSlider = byId("scale");
const decayPlot = byId("decay-plot");

const curveOf = (cell) => cell.curves[Number(normSlider.value)][Number(scaleSlider.value)];
const lawNow = () => decay.law[Number(normSlider.value)];
/** On which side of 1 ‖W‖ is, and what the law says of that. */
const lawSays = () => { const norm = decay.norms[Number(normSlider.value)]; return norm < 1 ? ["<", "vanishing"] : norm > 1 ? [">", "exploding"] : ["=", "flat"]; };
/** What a curve is called: RNN ∂h; an LSTM has one for h and one for its cell state c. */
const curveName = (cell) => cell.name.split(",")[0] + " ∂" + cell.state;
/** The user's cell as it is, in the graph of this page. */
const mine = decay.mine.map((curve) => ({ ...curve, key: curve.state === "c" ? "mine-c" : "mine", name: "your cell ∂" + curve.state }));
/** The measured curve that the headline speaks of: of the user's own cell, if it is among them. */
const measuredCell = decay.cells.find((cell) => cell.yours) || decay.cells[0];

/** Whole powers of ten between which the axis runs: those of the law, a little more below for what decays faster. */
const powers = (() => {
  const logs = (curve) => curve.g.filter((g) => g).map((g) => Math.log10(g));
  const law = decay.law.flatMap(logs), all = [...law, ...mine.flatMap(logs), ...decay.cells.flatMap((cell) => cell.curves.flat().flatMap(logs))];
  const least = (numbers) => numbers.reduce((a, b) => Math.min(a, b), 0);
  const low = Math.floor(least(law)), high = Math.ceil(law.reduce((a, b) => Math.max(a, b), 0));
  return { low: Math.max(Math.floor(least(all)), Math.min(Math.floor(1.4 * low), low - 1)), high: Math.max(1, high) };
})();

function plotDecay() {
  const width = decayPlot.clientWidth || 320, height = decayPlot.clientHeight || 300;
  decayPlot.setAttribute("viewBox", "0 0 " + width + " " + height);
  const labelled = width > 460, left = 46, right = width - (labelled ? 104 : 12), top = 12, bottom = height - 38;
  const x = (lag) => left + (lag / decay.lags) * (right - left);
  const y = (log) => top + ((powers.high - log) / (powers.high - powers.low)) * (bottom - top);
  const parts = [];
  const every = Math.max(1, Math.ceil((powers.high - powers.low) / Math.max(2, Math.floor((bottom - top) / 34))));
  for (let power = Math.ceil(powers.low / every) * every; power <= powers.high; power += every) {
    parts.push(drawn("line", { class: "axis" + (power ? "" : " one"), x1: left, x2: right, y1: y(power), y2: y(power) }));
    parts.push(drawn("text", { x: left - 7, y: y(power) + 4, "text-anchor": "end" }, power ? "10" + raised(power) : "1"));
  }
  const ticks = Math.max(2, Math.min(decay.lags, Math.floor((right - left) / 60)));
  for (const step of [1, 2, 5, 10, 20, 25, 50, 100]) {
    if (decay.lags / step > ticks) continue;
    for (let lag = 0; lag <= decay.lags; lag += step) {
      parts.push(drawn("text", { x: x(lag), y: bottom + 17, "text-anchor": "middle" }, String(lag)));
    }
    break;
  }
  parts.push(drawn("text", { x: (left + right) / 2, y: height - 4, "text-anchor": "middle" }, "lag T − k: steps back in time"));
  const clip = drawn("clipPath", { id: "decay-clip" });
  clip.append(drawn("rect", { x: left, y: top - 4, width: right - left + 8, height: bottom - top + 6 }));
  parts.push(clip);
  const lag = selectedLag();
  if (lag !== null && lag <= decay.lags) {
    parts.push(drawn("line", { class: "marker", x1: x(lag), x2: x(lag), y1: top, y2: bottom }));
  }
  const inside = drawn("g", { "clip-path": "url(#decay-clip)" });
  const course = (curve) => {
    let path = "", pen = "M";
    curve.g.forEach((g, i) => {
      if (g === null) { pen = "M"; return; }
      // A gradient of exactly 0 has no logarithm: the curve leaves the plot at its floor.
      path += pen + x(i).toFixed(2) + " " + (g ? Math.min(1e5, y(Math.log10(g))) : bottom + 99).toFixed(2);
      pen = "L";
    });
    return path;
  };
  for (const cell of decay.cells) inside.append(drawn("path", { class: "curve " + cell.key, d: course(curveOf(cell)) }));
  inside.append(drawn("path", { class: "curve law", d: course(lawNow()) }));
  for (const curve of mine) inside.append(drawn("path", { class: "curve " + curve.key, d: course(curve) }));
  parts.push(inside);
  if (labelled) {
    const ends = [["law", "the law", { ...lawNow(), fate: lawSays()[1], words: lawSays()[1] }], ...decay.cells.map((cell) => [cell.key, curveName(cell), curveOf(cell)])];
    const labels = ends.map(([key, name, curve]) => {
      const last = curve.g[curve.g.length - 1];
      return { key, name, fate: curve.fate, words: curve.words, at: Math.min(bottom - 4, Math.max(top + 8, last ? y(Math.log10(last)) : last === 0 ? bottom : top)) };
    }).sort((one, other) => one.at - other.at);
    const apart = 30;  // two lines each; pushed down from the top, then up from the bottom
    labels.forEach((label, i) => { if (i) label.at = Math.max(label.at, labels[i - 1].at + apart); });
    labels.reduceRight((below, label) => { label.at = Math.min(label.at, below - apart); return label.at; }, bottom + apart - 8);
    for (const { key, name, fate, words, at } of labels) {
      parts.push(drawn("text", { class: "curve-name " + key, x: right + 10, y: at }, name));
      parts.push(drawn("text", { class: "curve-fate " + fate, x: right + 10, y: at + 13 }, words));
    }
  }
  decayPlot.replaceChildren(...parts);
}

/** How far back the chain shown reaches, from its loss. */
function selectedLag() {
  if (selected.entry === null) return null;
  return chains.roots[selected.root].last - entryTimes[selected.entry];
}

function sayDecay() {
  const norm = decay.norms[Number(normSlider.value)], scale = decay.scales[Number(scaleSlider.value)], law = lawNow();
  byId("norm-text").textContent = shown(norm);
  byId("scale-text").textContent = shown(scale);
  const after = " after " + decay.lags + (decay.lags === 1 ? " step" : " steps");
  const [sign, says] = lawSays();
  const measured = curveOf(measuredCell), place = byId("fate");
  const word = (text, fate) => element("strong", { class: fate }, text);
  place.replaceChildren(element("span", { class: "norm" }, "‖W‖ " + sign + " 1. "), "The law: ", word(says, says), ". Measured, "
    + measuredCell.name.split(",")[0] + ": ", word(measured.words, measured.fate), ".");
  if (says !== "vanishing" && measured.fate === "vanishing" && measuredCell.name === "RNN, tanh") {
    place.append(" tanh′ < 1 takes more than ‖W‖ gives.");
  }
  const legend = byId("decay-legend").children;
  [law, ...decay.cells.map(curveOf), ...mine].forEach((curve, i) => {
    const left = legend[i].querySelector(".left");
    left.replaceChildren(element("b", {}, curve.kept), " left: ", element("b", { class: i ? curve.fate : says }, i ? curve.words : says));
  });
  const words = shown(norm) + ": the law " + says + ", " + law.kept + " left" + after + "; measured: "
    + decay.cells.map((cell) => curveName(cell) + " " + curveOf(cell).words + ", " + curveOf(cell).kept).join("; ")
    + "; " + mine.map((curve) => curve.name + ", as it is, " + curve.words + ", " + curve.kept).join("; ");
  normSlider.setAttribute("aria-valuetext", words);
  scaleSlider.setAttribute("aria-valuetext", shown(scale) + " times the inputs; norm of W " + words);
  decayPlot.setAttribute("aria-label", "Gradient magnitude against lag on a logarithmic axis. Norm of W " + words);
  plotDecay();
  if (byId("decay-table").closest("details").open) {
    table("decay-table", "|gradient| at each lag, ‖W‖ = " + shown(norm) + ", inputs × " + shown(scale),
      ["lag", "the law", ...decay.cells.map(curveName), ...mine.map((curve) => curve.name)],
      law.g.map((g, lag) => [String(lag), shown(g), ...decay.cells.map((cell) => shown(curveOf(cell).g[lag])), ...mine.map((curve) => shown(curve.g[lag]))]));
  }
  return "norm of W " + words;
}

function setUpDecay() {
  const part = decay.lags < decay.of ? "the last " + decay.lags + " of the " + decay.of + " steps of your sequence" : "your sequence";
  write(byId("decay-about"), "How much of a gradient at step T is left some steps further back: the law as a straight line,"
    + " and |∂h_T/∂h_k| measured by backward passes over " + part + ", an unrolling for every ‖W‖"
    + (decay.lags < decay.of ? ", whose state starts from 0 there." : "."));
  normSlider.max = decay.norms.length - 1;
  scaleSlider.max = decay.scales.length - 1;
  const own = byId("own-norm");
  own.hidden = decay.own === null;
  if (decay.own !== null) own.textContent = "Yours: " + shown(decay.norms[decay.own]);
  normSlider.value = decay.own === null ? decay.norms.indexOf(1) : decay.own;
  scaleSlider.value = decay.scales.indexOf(1);
  byId("norm-marks").append(element("option", { value: decay.norms.indexOf(1), label: "1" }));
  own.addEventListener("click", () => { normSlider.value = decay.own; scaleSlider.value = decay.scales.indexOf(1); say(sayDecay()); });
  const soon = oncePerFrame(sayDecay);
  normSlider.addEventListener("input", soon);
  scaleSlider.addEventListener("input", soon);
  byId("decay-table").closest("details").addEventListener("toggle", sayDecay);
  const legend = byId("decay-legend");
  const entry = (key, name, note) => {
    const one = element("li", { class: key }), about = element("span", { class: "about" }, note);
    one.append(element("i"), element("b", {}, name), " ", element("span", { class: "left" }), about);
    legend.append(one);
  };
  const byName = element("span");
  byName.append("‖W‖", element("sup", {}, "lag"));
  entry("law", "the law", "");
  legend.lastChild.querySelector(".about").append(byName, ", a straight line on this axis");
  for (const cell of decay.cells) entry(cell.key, curveName(cell), cell.note);
  for (const { key, name } of mine) entry(key, name, "as it is, in the graph above: no slider moves it");
  sayDecay();
  new ResizeObserver(oncePerFrame(plotDecay)).observe(decayPlot);
}
views.push((changed) => { if (changed.includes("entry") || changed.includes("root")) plotDecay(); });
