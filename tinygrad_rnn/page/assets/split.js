// Where the gradient of a parameter came from: by use step, loss step and lag. One backward pass per loss.
"use strict";

/** The contributions to ∂L/∂(parameters `which`), indices of entries, as `anatomy` of tinygrad_rnn.bptt; nothing is truncated.
 *  For every loss step t, and every use step k from t down to 1, take(k, t, cell) is called, `cell` being a list of the entries,
 *  the same at each call. What reaches a parameter by way of something outside time counts where that is used. What the whole
 *  loss has outside time is in none of them. */
function split(computation, which, take) {
  const { aside, seed, T, losses } = computation, mask = new Array(T + 1).fill(false), cell = new Float64Array(which.length);
  const hasOutside = computation.program.facts.outside.length > 0;
  for (const t of losses) {
    let at = t;  // the time step whose uses come next
    mask[t] = true;
    aside.p_grad.fill(0);
    const watch = (unit, now) => {
      if (unit !== null && now === at) return;
      aside.finish();
      for (let i = 0; i < which.length; i++) {
        cell[i] = aside.p_grad[which[i]];
        aside.p_grad[which[i]] = 0;
      }
      if (hasOutside) aside.p_grad.fill(0);
      for (; at > now; at--) {
        take(at, t, cell);
        cell.fill(0);
      }
    };
    aside.backward(seed, { losses: mask, from: t, watch });
    mask[t] = false;
  }
}

/** The number of time steps up to the last loss in which one of these parameters is used, be it by way of something outside time. */
function countUses({ aside, losses, program: { facts } }, which) {
  const isUsed = (unit) => {
    aside.p_grad.fill(0);
    const parents = (facts.edges[unit] || []).flatMap(([, ...own]) => own), places = parents.flatMap((parent) => placesOf(parent, facts));
    for (const place of places) if (place >= facts.width) aside.p_grad[place - facts.width] = NaN;
    aside.finish();  // NaN gets wherever a gradient does
    return which.some((place) => Number.isNaN(aside.p_grad[place]));
  };
  return isUsed("cell") ? losses[losses.length - 1] : isUsed("readout") || isUsed("loss") ? losses.length : 0;
}

/** What ∂L/∂(parameters `which`) has from outside time: of a penalty on the weights. */
function outsideTime(computation, which) {
  const { aside } = computation;
  aside.p_grad.fill(0);
  aside.begin();
  aside.finish();
  return Float64Array.from(which, (place) => aside.p_grad[place]);
}

/** The sums of a split: by use step, by loss step, by lag, in all, what truncation keeps and what it cuts; and the first three of
 *  what it keeps alone. Each is a list of entries. They are added in the order of the passes, the last use first. */
class SplitSums {
  constructor(computation, size) {
    const { T } = computation, zeros = () => new Float64Array(size), list = (n) => Array.from({ length: n }, zeros);
    this.computation = computation;
    Object.assign(this, { by_use: list(T + 1), by_loss: list(T + 1), by_lag: list(T), total: zeros(), kept: zeros(), cut: zeros() });
    Object.assign(this, { kept_by_use: list(T + 1), kept_by_loss: list(T + 1), kept_by_lag: list(T) });
  }

  add(k, t, cell) {
    const reaches = this.computation.reaches(k, t);
    for (const sum of [this.by_use[k], this.by_loss[t], this.by_lag[t - k], this.total, reaches ? this.kept : this.cut]) addTo(sum, cell);
    if (reaches) for (const sum of [this.kept_by_use[k], this.kept_by_loss[t], this.kept_by_lag[t - k]]) addTo(sum, cell);
  }
}

function addTo(sum, cell) { for (let i = 0; i < sum.length; i++) sum[i] += cell[i]; }
