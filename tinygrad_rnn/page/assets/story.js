// What the picture says in words: the verdict, the chain as an equation, the law.
"use strict";

const facts = () => programNow().facts;
/** The number of a time step in the user's sequence. */
const called = (t) => t + page.first - 1;
const isScalar = () => facts().state === 1;
/** What the state is called in the equation: h, or s for all its parts together. */
const stateName = () => { const names = Object.keys(facts().parts); return names.length === 1 ? names[0] : "s"; };
const partNames = () => Object.keys(facts().parts);
const hasLoss = () => result.computation.losses.length > 0;
/** The last time step with a loss. */
const lastLoss = () => { const { losses } = result.computation; return losses.length ? losses[losses.length - 1] : chosen.T; };
/** The loss that the chain begins from: L, or of a loss at several steps what it has of the last: L_12. */
const followedLoss = () => (result.computation.losses.length > 1 ? "L_" + called(lastLoss()) : "L");

/** The slots of a quantity such as f, in order. */
function slotsOf(name) {
  const found = [];
  facts().nodes.forEach(([own], slot) => { if (own.replace(/\[\d+\]$/, "") === name + "_\ua7fb") found.push(slot); });
  return found;
}

/** The states that get nothing of the gradient of the last loss from the time step after them: links cut by a click, or by
 *  truncation. */
function cutsOfChain() {
  const T = lastLoss(), { k1, k2 } = chosen, end = k1 === null ? 0 : Math.ceil(T / k1) * k1 - k2;
  return [...chosen.cuts.filter((t) => t < T), ...(end > 0 ? [end] : [])];
}

/** All links that are cut, by the time step before them: whether no gradient of any loss passes. Of chunks that overlap, the
 *  earlier one still passes where a later one ends. */
function linksCut() {
  const { k1, k2 } = chosen, found = new Map(), ends = k1 === null ? [] : [...new Set(result.computation.losses.map((t) => Math.ceil(t / k1) * k1))];
  ends.forEach((e, i) => { if (e > k2) found.set(e - k2, !(ends[i - 1] > e - k2)); });
  for (const t of chosen.cuts) found.set(t, true);
  return found;
}

/** The end of the chain: h_0, or the state after the latest link that is cut. */
const endOfChain = () => (result.end ??= Math.max(-1, ...cutsOfChain()) + 1);

/** What is left at time step k of the gradient that the last loss gives to its own. Links that are cut pass nothing on. */
function leftAt(k) {
  const T = lastLoss();
  return k > T || k < endOfChain() ? 0 : result.kept[T - k];
}

/** A product over the chain, in words where it is too small. */
const shownProduct = (x) => (unlessSubnormal(x) || isExactly0() ? shown(x) : "0, or too small for a double");

/** The law beside the chain: its name, what its size is called and its size by lag, also as log10, whether it is a bound, and
 *  the size of one factor; null where there is none. */
function findLaw() {
  const { recurrent, straight } = cellNow(), T = lastLoss(), { computation } = result;
  if (straight) {
    const [part, gate] = straight, slots = slotsOf(gate), at = new Float64Array(T + 1), log10 = new Float64Array(T + 1);
    if (!slots.length) return null;
    let left = Array.from(computation.state(T, computation.aside.grad, part));  // ∂L_T/∂c_T, scaled, from `kept`
    const start = library.hypot(...left);
    let power = 0;  // of 2, by which it was enlarged: a tiny product keeps its digits
    for (let lag = 0; lag <= T; lag++) {
      const size = start ? library.hypot(...left) / start : 0, row = computation.sequence.now[T - lag];
      at[lag] = size * 2 ** -power;
      log10[lag] = Math.log10(size) - power * Math.log10(2);
      const enlarge = size && size < 2 ** -500 ? 2 ** 500 : 1;
      if (enlarge > 1) power += 500;
      left = left.map((g, i) => g * enlarge * row[slots[i]]);
    }
    return { name: "∏ " + gate, gate, part, at, log10, bound: false, number: null };
  }
  if (recurrent.length !== 1 || !(chosen.nonlinearity in NONLINEAR)) return null;
  const number = normOfWeights(computation.p, recurrent), [[[place]]] = recurrent;
  const bound = cellNow().groups.some(({ shape, places }) => shape.length && places.includes(place));  // a matrix, be it 1 × 1
  const size = bound ? "‖W‖" : computation.p[place] < 0 ? "|w|" : "w";
  const byLag = (of) => Float64Array.from({ length: T + 1 }, (_, lag) => of(lag));
  return { name: bound ? "W" : "w", size, at: byLag((lag) => library.pow(number, lag)), log10: byLag((lag) => (lag ? lag * Math.log10(number) : 0)), bound, number };
}
const NONLINEAR = { tanh: "tanh′", tanh_exact: "tanh′", relu: "relu′", identity: "" };

/** The factor by which time step t multiplies the gradient: of a single number its Jacobian, else the ratio of sizes. */
function factorAt(t) {
  if (isScalar()) {
    const row = result.factors || (result.factors = new Map());
    if (!row.has(t)) row.set(t, jacobianAt(result.computation, t)[0][0]);
    return row.get(t);
  }
  const later = leftAt(t), earlier = leftAt(t - 1);
  return later ? earlier / later : earlier ? Infinity : 0;
}

/** What stands above a factor: its parts, [text, class]. One that stands alone is written as asked. */
function termsAt(t, law, written = shown) {
  if (law && law.gate) {
    const slots = slotsOf(law.gate), row = result.computation.sequence.now[t];
    return [[written(slots.reduce((sum, slot) => sum + row[slot], 0) / slots.length), "straight"]];
  }
  if (!isScalar()) return [[written(spectralNorm(jacobianAt(result.computation, t))), "law"]];
  if (!law) return [];
  const w = result.computation.p[cellNow().recurrent[0][0][0]], rest = NONLINEAR[chosen.nonlinearity] && w ? factorAt(t) / w : null;
  return rest === null ? [[written(w), "law"]] : [[shown(w), "law"], ["·" + bracketed(rest, 2), ""]];
}
const namesOfTerms = (law) => (law && law.gate ? "mean " + law.gate : !isScalar() ? "‖J‖"
  : law ? [law.name, NONLINEAR[chosen.nonlinearity]].filter(Boolean).join("·") : "");

// ---- sentences -------------------------------------------------------------------------------------------------------

/** The verdict: what became of the gradient, and how that is to be coloured. */
function headline() {
  if (result.error) {
    const { node, t, backward, slot } = result.error;
    if (t !== null && slot < facts().first) return [node + " = " + shown(result.computation.sequence.now[t][slot]) + " is outside of what the " + (slot < facts().x ? "cell" : "loss") + " takes", "broken"];
    return [(backward ? "The derivative of " : "") + node + " has no real value" + (t === null ? "" : " at t = " + called(t)), "broken"];
  }
  if (!hasLoss()) return [chosen.at === "last" ? "There is no loss: time step " + called(chosen.T) + " has no target" : "There is no loss: no time step up to " + called(chosen.T) + " has a target", ""];
  const T = lastLoss(), k = endOfChain(), lag = T - k;
  if (!lag) return ["The gradient is cut at its first step back in time", ""];
  const left = leftAt(k), word = verdictWord(left), way = plural(lag, "step") + " back";
  if (left === 0 && !isExactly0()) return ["The gradient is 0, or too small for a double, " + way, "vanishes"];
  if (!Number.isFinite(left)) {
    const first = firstNotFinite();
    return ["The gradient " + word + " after " + way + ": " + first.word + " first " + first.where, word.split(" ")[0]];
  }
  const mean = lag > 1 ? ", ×" + shown(meanFactor(left, lag)) + " per step" : "";
  const sentence = left > 0 ? "The gradient " + word + ": ×" + shown(left) + " over " + way + mean : "The gradient " + word + " after " + way;
  return [sentence + (k ? ", then it is cut" : ""), word.split(" ")[0]];
}

/** Where the gradient is not finite, the number that was so first: its word, as a table of the main command has it, where that was,
 *  and what it is. Of the Values in the order of their computation, then of the gradients on their way back. */
function firstNotFinite() {
  const { computation } = result, { sequence: { now } } = computation, { nodes, first } = facts(), T = lastLoss();
  const told = (where, what, value) => ({ word: Number.isNaN(value) ? "NaN" : "infinite", where, what: what + " = " + shown(value) });
  for (let t = 1; t <= T; t++) {
    for (const slot of rankOfNodes(facts()).keys()) {
      const value = now[t][slot], [name, formula] = nodes[slot].map((text) => at(text, called(t)));
      if (!Number.isFinite(value) && slot >= first) return told("in time step " + called(t), name === formula ? name : name + " = " + formula, value);
    }
  }
  const lag = result.kept.findIndex((x) => !Number.isFinite(x)), of = "/∂" + stateName() + "_" + called(T - lag);
  return told("on the way back", "∂" + (isScalar() ? stateName() + "_" + called(T) : followedLoss()) + of, result.kept[lag]);
}

/** Whether a factor is 0, so that the product is 0 and not only too small for a double. */
function isExactly0() {
  for (let t = lastLoss(); isScalar() && t > endOfChain(); t--) if (factorAt(t) === 0) return true;
  return false;
}

/** ‖J_T ⋯ J_(k+1)‖, as in the table of the main command; null where it would take long. */
function chainNorm(T, k) {
  if ((T - k) * facts().state ** 2 > 5000) return null;
  return (result.chain ??= spectralNorm(jacobianProducts(result.computation, T)[T - k][0]));
}

/** The product of the Jacobians, written out where it is short. */
function chainName(T, k) {
  const names = Array.from({ length: T - k }, (_, i) => "J_" + called(T - i));
  return names.length < 4 ? names.join("·") : names[0] + " ⋯ " + names[names.length - 1];
}

/** What can be done where there is no loss: the number of time steps that is nearest, and has one. */
function remedy() {
  const { T, at: where, target } = chosen, have = target.flatMap((row, i) => (row ? [i + 1] : []));
  if (where === "every") return "Choose T = " + have[0] + ", or more";
  const nearest = have.reduce((a, b) => (Math.abs(b - T) < Math.abs(a - T) ? b : a));
  return "Choose T = " + nearest + (have[0] < T ? ", or the loss at every step" : "");
}

/** The chain, its product and the law, in one line. */
function equation() {
  if (result.error) return "";
  if (!hasLoss()) return remedy();
  const T = lastLoss(), k = endOfChain(), lag = T - k, name = stateName(), { law } = result;
  if (!lag) return "";
  const later = name + "_" + called(T), earlier = name + "_" + called(k), left = leftAt(k);
  if (!Number.isFinite(left)) {
    const first = firstNotFinite();
    return (first.word === "NaN" ? "NaN" : "Infinite") + " first " + first.where + ": " + first.what;
  }
  if (isScalar()) {
    let total = 1;
    for (let t = T; t > k; t--) total *= factorAt(t);
    const start = "∂" + later + "/∂" + earlier;
    if (!law) return start + " = " + shown(total);
    const w = result.computation.p[cellNow().recurrent[0][0][0]], alone = library.pow(w, lag), slope = NONLINEAR[chosen.nonlinearity];
    const power = law.name + raised(lag), base = based(w) + raised(lag);
    if (!slope) return start + " = " + power + " = " + base + " = " + shown(total);
    const known = unlessSubnormal(alone) && (unlessSubnormal(total) || isExactly0()), product_ = shownProduct(total);
    return start + " = " + power + " · ∏ " + slope + " = " + powerOfTen(law.log10[lag], Math.sign(w) ** lag) + " · " + (known ? bracketed(total / alone) : "…") + " = " + product_;
  }
  const root = followedLoss(), line = "‖∂" + root + "/∂" + earlier + "‖ / ‖∂" + root + "/∂" + later + "‖ = " + shownProduct(left);
  if (law && law.gate) return line + "; straight along " + law.part + ", gates alone: ∏ " + law.gate + " = " + powerOfTen(law.log10[lag]);
  const size = chainNorm(T, k), chain = line + (size === null ? "" : " ≤ ‖" + chainName(T, k) + "‖ = " + shown(size));
  if (!law) return chain;
  return chain + " ≤ ‖W‖" + raised(lag) + " = " + based(law.number) + raised(lag) + " = " + powerOfTen(law.log10[lag]);
}

/** The signs that are in the picture, each with what it means. */
function signs() {
  const s = stateName(), T = called(lastLoss()), found = lastLoss() === chosen.T ? [["T, k", "T is the last time step, k any before it."]] : [["k", "Any time step before t = " + T + ", the last one with a loss."]];
  if (result.error || !hasLoss()) return found;
  const { law } = result, slope = NONLINEAR[chosen.nonlinearity], root = followedLoss();
  if (s === "s") found.push(["s_t", "All parts of the state after time step t together: " + partNames().map((name) => name + "_t").join(", ") + "."]);
  if (isScalar()) found.push(["∂" + s + "_" + T + "/∂" + s + "_k", "How much " + s + "_" + T + " changes with " + s + "_k: the product of the factors of all time steps between."]);
  else {
    found.push(["‖∂" + root + "/∂" + s + "_k‖", "The length of the gradient at time step k. A factor is the ratio of two such lengths, one time step apart."]);
    found.push(["J_t, ‖J‖", "The Jacobian of time step t: the derivatives of every entry of the state by every entry before it. ‖J‖ is the most by which it can lengthen a gradient (spectral norm)."]);
  }
  if (law && law.gate) found.push(["mean " + law.gate + ", ∏ " + law.gate, "The gate by which " + law.part + " is multiplied at each time step, between 0 and 1: its mean over the units, and its product over the time steps."]);
  else if (law) found.push([law.bound ? "‖W‖" : "w", (law.bound ? "The most by which the recurrent weights can lengthen a gradient" : "The recurrent weight") + ", the same at every time step."]);
  if (isScalar() && law && slope) found.push([slope, "The derivative of " + chosen.nonlinearity + " at this time step, at most 1."]);
  found.push(["too small for a double", "Less than 2×10⁻³⁰⁸, the smallest number that the computer holds with all its digits."]);
  return found;
}

/** The picture for those who cannot see it. */
function described() {
  const [sentence] = headline(), factors = [];
  for (let t = lastLoss(); t > endOfChain() && factors.length < 12 && !result.error && hasLoss(); t--) factors.push(shown(factorAt(t)));
  return sentence + "." + (factors.length ? " Factors from step " + called(lastLoss()) + " back: " + factors.join(", ") + "." : "");
}
