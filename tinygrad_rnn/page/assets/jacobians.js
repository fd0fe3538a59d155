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

const dot = (a, b) => a.reduce((sum, entry, i) => sum + entry * b[i], 0);

/** ‖a‖₂, the largest singular value, computed as `spectral_norm` of tinygrad_rnn.nn.linalg does. */
function spectralNorm(a) {
  const entries = a.flatMap((row) => Array.from(row));
  if (!entries.every(Number.isFinite)) return Infinity;
  const largest = entries.reduce((most, entry) => Math.max(most, Math.abs(entry)), 0);
  if (!largest) return 0;
  const rows = a.map((row) => Array.from(row, (entry) => entry / largest));
  const columns = rows[0].map((_, j) => rows.map((row) => row[j]));
  const shorter = rows.length <= columns.length ? rows : columns;
  return largest * Math.sqrt(largestEigenvalue(tridiagonal(shorter.map((row) => shorter.map((other) => dot(row, other))))));
}

/** The diagonal of a tridiagonal matrix with the eigenvalues of the symmetric a, and the squares beside it. */
function tridiagonal(a) {
  const diagonal = [a[0][0]], beside = [];
  while (a.length > 1) {
    const column = a[0].slice(1), norm = library.hypot(...column);
    a = a.slice(1).map((row) => row.slice(1));
    beside.push(norm * norm);
    if (norm > 0) {
      const v = column.map((entry) => entry / norm);
      v[0] += v[0] < 0 || Object.is(v[0], -0) ? -1 : 1;
      const half = dot(v, v) / 2, p = a.map((row) => dot(row, v) / half), overlap = dot(p, v) / (2 * half);
      const q = p.map((entry, i) => entry - overlap * v[i]);
      a = a.map((row, i) => row.map((entry, j) => entry - v[i] * q[j] - q[i] * v[j]));
    }
    diagonal.push(a[0][0]);
  }
  return { diagonal, beside };
}

/** The largest eigenvalue of a tridiagonal matrix that has no negative one: the smallest number that exceeds all, by bisection. */
function largestEigenvalue({ diagonal, beside }) {
  const exceedsAll = (guess) => {
    let pivot = -1;
    return diagonal.every((entry, i) => (pivot = entry - guess - (i ? beside[i - 1] : 0) / pivot) < 0);
  };
  let low = 0, high = diagonal.reduce((sum, entry) => sum + entry, 0);
  for (let middle = high / 2; low < middle && middle < high; middle = (low + high) / 2) {
    if (exceedsAll(middle)) high = middle;
    else low = middle;
  }
  return high;
}
