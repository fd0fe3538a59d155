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

/** The parts of the state in the order in which their decay is shown: h first, which is what others read of a cell. */
const measured = ({ facts: { parts } }) => Object.keys(parts).sort((a, b) => Number(b === "h") - Number(a === "h"));

/** ‖∂(mean direction of h_T)/∂(a part of s_k)‖ by lag T - k for every part that is `measured`, as `decay` of
 *  tinygrad_rnn.bptt: what is differentiated is the sum of the entries of h_T over the root of their number. */
function decayCurves(computation) {
  const { aside, T, program } = computation, parts = measured(program), ends = computation.state(T, aside.grad, parts[0]);
  aside.zero_grad();
  ends.fill(1 / Math.sqrt(ends.length));
  aside.backward(0, { losses: [], from: T, whole: true });
  return parts.map((part) => Array.from({ length: T + 1 }, (_, lag) => library.hypot(...computation.state(T - lag, aside.grad, part))));
}

/** The law: a straight line on a logarithmic axis. */
const lawCurve = (start, norm, T) => Array.from({ length: T + 1 }, (_, lag) => start * library.pow(norm, lag));
