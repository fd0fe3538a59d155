// How the gradient decays with the lag, for every ‖W‖ and input scale: measured by the engine, looked up here.
"use strict";

const decay = page.decay;
const normSlider = byId("norm"), scaleSlider = byId("scale");
const decayPlot = byId("decay-plot");

const curveOf = (cell) => cell.curves[Number(normSlider.value)][Number(scaleSlider.value)];
const lawNow = () => decay.law[Number(normSlider.value)];

/** Whole powers of ten between which the axis runs: those of the law, a little more below for what decays faster. */
const powers = (() => {
  const logs = (curve) => curve.g.filter((g) => g).map((g) => Math.log10(g));
  const law = decay.law.flatMap(logs), all = [...law, ...decay.cells.flatMap((cell) => cell.curves.flat().flatMap(logs))];
  const least = (numbers) => numbers.reduce((a, b) => Math.min(a, b), 0);
  const low = Math.floor(least(law)), high = Math.ceil(law.reduce((a, b) => Math.max(a, b), 0));
  return { low: Math.max(Math.floor(least(all)), Math.min(Math.floor(1.4 * low), low - 1)), high: Math.max(1, high) };
})();

function plotDecay() {
  const width = decayPlot.clientWidth || 320, height = decayPlot.clientHeight || 300;
  decayPlot.setAttribute("viewBox", "0 0 " + width + " " + height);
  const left = 46, right = width - 12, top = 12, bottom = height - 38;
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
  parts.push(inside);
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
  const after = " after " + decay.lags + " steps";
  const place = byId("fate");
  const [sign, name] = norm < 1 ? ["<", "vanishing"] : norm > 1 ? [">", "exploding"] : ["=", "flat"];
  place.replaceChildren(element("strong", { class: name }, "‖W‖ " + sign + " 1: " + name), " ");
  const measure = (what, kept, fate, key) => {
    const one = element("span", { class: "kept " + key });
    one.append(what + " ", element("b", {}, kept), ...(fate ? [", ", element("b", { class: fate }, fate)] : []));
    place.append(one, " ");
  };
  place.append("Left of a gradient" + after + ": ");
  measure("by the law", law.kept, "", "law");
  for (const cell of decay.cells) measure(cell.name, curveOf(cell).kept, curveOf(cell).fate, cell.key);
  const words = "‖W‖ = " + shown(norm) + ", law " + name + ", " + law.kept + after + "; "
    + decay.cells.map((cell) => cell.name + " " + curveOf(cell).fate + ", " + curveOf(cell).kept + after).join("; ");
  normSlider.setAttribute("aria-valuetext", words);
  scaleSlider.setAttribute("aria-valuetext", "inputs times " + shown(scale) + "; " + words);
  decayPlot.setAttribute("aria-label", "Gradient magnitude against lag on a logarithmic axis. " + words);
  plotDecay();
  if (byId("decay-table").closest("details").open) {
    const cells = decay.cells.map((cell) => [cell.name, curveOf(cell).g]);
    table("decay-table", "|gradient| at each lag, ‖W‖ = " + shown(norm) + ", inputs × " + shown(scale),
      ["lag", "the law ‖W‖^lag", ...cells.map(([name]) => name)],
      law.g.map((g, lag) => [String(lag), shown(g), ...cells.map(([, curve]) => shown(curve[lag]))]));
  }
}

function setUpDecay() {
  const part = decay.lags < decay.of ? "the last " + decay.lags + " steps of your sequence" : "your sequence";
  byId("decay-about").textContent = "How much of a gradient at step T is left after going back a number of steps,"
    + " measured on real graphs over " + part + ".";
  normSlider.max = decay.norms.length - 1;
  scaleSlider.max = decay.scales.length - 1;
  const own = byId("own-norm");
  own.hidden = decay.own === null;
  if (decay.own !== null) own.textContent = "Yours: " + shown(decay.norms[decay.own]);
  normSlider.value = decay.own === null ? decay.norms.indexOf(1) : decay.own;
  scaleSlider.value = decay.scales.indexOf(1);
  byId("norm-marks").append(element("option", { value: decay.norms.indexOf(1), label: "1" }));
  own.addEventListener("click", () => { normSlider.value = decay.own; scaleSlider.value = decay.scales.indexOf(1); sayDecay(); });
  const soon = oncePerFrame(sayDecay);
  normSlider.addEventListener("input", soon);
  scaleSlider.addEventListener("input", soon);
  byId("decay-table").closest("details").addEventListener("toggle", sayDecay);
  const legend = byId("decay-legend");
  const entry = (key, words) => { const one = element("li", { class: key }); one.append(element("i"), words); legend.append(one); };
  entry("law", "the law ‖W‖^lag: a straight line");
  for (const cell of decay.cells) entry(cell.key, cell.name + ", measured: " + cell.note);
  sayDecay();
  new ResizeObserver(oncePerFrame(plotDecay)).observe(decayPlot);
}
views.push((changed) => { if (changed.includes("entry") || changed.includes("root")) plotDecay(); });
