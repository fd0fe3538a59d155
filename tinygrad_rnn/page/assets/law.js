// How the gradient decays with the lag for every ‖W‖, and the law ‖W‖^lag beside it.
"use strict";

/** ‖W‖₂ of the recurrent weights: matrices of places in p, row by row. Where there are several, the largest. */
const normOfWeights = (p, matrices) => matrices.reduce((most, rows) => Math.max(most, spectralNorm(rows.map((row) => row.map((i) => p[i])))), 0);

/** The parameters with all recurrent matrices multiplied by one factor, so that the largest ‖W‖₂ is `norm`. */
function withNorm(p, matrices, norm) {
  const own = normOfWeights(p, matrices), scaled = Float64Array.from(p);
  for (const rows of matrices) {
    rows.forEach((row, i) => row.forEach((place, j) => { scaled[place] = own ? (norm / own) * p[place] : i === j ? norm : 0; }));
  }
  return scaled;
}

/** ‖∂(mean direction of the outputs at T)/∂s_k‖ by lag T - k, as `decay` of tinygrad_rnn.bptt measures it: what is
 *  differentiated is the sum of the entries of the first part of the state over the root of their number. */
function decayCurve(computation, part = null) {
  const { aside, T, program: { facts } } = computation, [first] = Object.keys(facts.parts);
  aside.zero_grad();
  const ends = computation.state(T, aside.grad, first);
  ends.fill(1 / Math.sqrt(ends.length));
  aside.backward(0, { losses: [], from: T, whole: true });
  return Array.from({ length: T + 1 }, (_, lag) => library.hypot(...computation.state(T - lag, aside.grad, part === null ? first : part)));
}

/** The law: a straight line on a logarithmic axis. */
const lawCurve = (start, norm, T) => Array.from({ length: T + 1 }, (_, lag) => start * library.pow(norm, lag));
