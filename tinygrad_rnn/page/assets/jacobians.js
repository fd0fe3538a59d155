// The recurrent Jacobians J_t = ∂s_t/∂s_(t-1), their products, and how large they are.
"use strict";

/** J_t, a list of rows. */
function jacobianAt({ sequence, program }, t) {
  const size = program.facts.state, flat = new Float64Array(size * size);
  try {
    program.jacobian(sequence.p, sequence.now[t - 1], sequence.now[t], flat);
  } catch (error) {
    throw Object.assign(error, { t, backward: true });
  }
  return Array.from({ length: size }, (_, i) => flat.subarray(i * size, (i + 1) * size));
}

/** The matrix product a b. */
const product = (a, b) => a.map((row) => Float64Array.from(b[0], (_, j) => {
  let sum = 0;
  for (let k = 0; k < row.length; k++) sum += row[k] * b[k][j];
  return sum;
}));

const identity = (n) => Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));

/** J_T J_(T-1) ⋯ J_(k+1) = ∂s_T/∂s_k for k = T, T-1, … 0, with its last factor: pairs. The first pair is of identities. */
function jacobianProducts(computation, T = computation.T) {
  let chain = identity(computation.program.facts.state);
  const found = [[chain, chain]];
  for (let k = T - 1; k >= 0; k--) {
    const J = jacobianAt(computation, k + 1);
    chain = product(chain, J);
    found.push([chain, J]);
  }
  return found;
}

/** ‖a‖₂, the largest singular value, as `spectral_norm` of tinygrad_rnn.nn.linalg finds it: by squaring a aᵀ again and again. */
function spectralNorm(a) {
  const entries = a.flatMap((row) => Array.from(row));
  if (!entries.every(Number.isFinite)) return Infinity;
  const largest = entries.reduce((most, entry) => Math.max(most, Math.abs(entry)), 0);
  if (!largest) return 0;
  const scaled = a.map((row) => Array.from(row, (entry) => entry / largest));
  const columns = scaled[0].map((_, j) => scaled.map((row) => row[j]));
  let power = a.length <= columns.length ? product(scaled, columns) : product(columns, scaled), logarithm = 0;
  for (let squarings = 0; squarings <= 60; squarings++) {
    const norm = library.hypot(...power.flatMap((row) => Array.from(row)));
    logarithm += library.log(norm) * 2 ** -squarings;
    if (squarings && Math.abs(norm - 1) < 1e-15) break;
    power = power.map((row) => Array.from(row, (entry) => entry * (1 / norm)));
    power = product(power, power);
  }
  return largest * library.exp(logarithm / 2);
}
