// Where the gradient of a parameter came from: by use step, loss step and lag. One backward pass per loss.
"use strict";

/** The contributions to ∂L/∂(parameters `which`), indices of entries: by loss step a list with one for each use step 1 … T,
 *  each a list of entries. As `anatomy` of tinygrad_rnn.bptt; nothing is truncated. What reaches a parameter by way of
 *  something outside time counts where that is used. What the whole loss has outside time is in none of them. */
function split(computation, which) {
  const { aside, seed, T, losses } = computation;
  return losses.map((t) => {
    const cells = Array.from({ length: t }, () => new Float64Array(which.length)), mask = new Array(T + 1).fill(false);
    mask[t] = true;
    let at = t;  // the time step whose uses come next
    aside.p_grad.fill(0);
    const watch = (unit, now) => {
      if (unit !== null && now === at) return;
      const cell = cells[at - 1];
      aside.finish();
      for (let i = 0; i < which.length; i++) {
        cell[i] = aside.p_grad[which[i]];
        aside.p_grad[which[i]] = 0;
      }
      if (computation.program.facts.outside.length) aside.p_grad.fill(0);
      at = now;
    };
    aside.backward(seed, { losses: mask, from: t, watch });
    return { t, cells };
  });
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
function splitSums(computation, parts) {
  const { T } = computation, size = parts.length ? parts[0].cells[0].length : 0, zeros = () => new Float64Array(size);
  const list = (n) => Array.from({ length: n }, zeros);
  const sums = { by_use: list(T + 1), by_loss: list(T + 1), by_lag: list(T), total: zeros(), kept: zeros(), cut: zeros() };
  const keptSums = { by_use: list(T + 1), by_loss: list(T + 1), by_lag: list(T) };
  for (const { t, cells } of parts) {
    for (let k = t; k > 0; k--) {
      const reaches = computation.reaches(k, t), cell = cells[k - 1];
      const groups = [sums.by_use[k], sums.by_loss[t], sums.by_lag[t - k], sums.total, reaches ? sums.kept : sums.cut];
      if (reaches) groups.push(keptSums.by_use[k], keptSums.by_loss[t], keptSums.by_lag[t - k]);
      for (const group of groups) for (let i = 0; i < size; i++) group[i] += cell[i];
    }
  }
  return { ...sums, kept_by_use: keptSums.by_use, kept_by_loss: keptSums.by_loss, kept_by_lag: keptSums.by_lag };
}
