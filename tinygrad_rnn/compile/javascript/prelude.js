/** The functions of which CPython takes those of the C library. Whoever has others may put them here. */
const library = {
  exp: Math.exp, log: Math.log, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tanh: Math.tanh, hypot: Math.hypot,
  // In C, 1 to any power and -1 to an infinite one are 1.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b)),
};

/** An operation, or its derivative, has no real value. `slot` is that of its node among the numbers of the time step. */
class DomainError extends Error {
  constructor(slot) {
    super("no finite real value at the node of slot " + slot);
    this.slot = slot;
  }
}
function refuse(slot) { throw new DomainError(slot); }
const div = (a, b, slot) => (b === 0 ? refuse(slot) : a / b);
const log = (a, slot) => (a <= 0 ? refuse(slot) : library.log(a));
const log1p = (a, slot) => (a <= -1 ? refuse(slot) : library.log1p(a));
const sqrt = (a, slot) => (a < 0 ? refuse(slot) : Math.sqrt(a));
const sin = (a, slot) => (Math.abs(a) === Infinity ? refuse(slot) : library.sin(a));
const cos = (a, slot) => (Math.abs(a) === Infinity ? refuse(slot) : library.cos(a));
const pow = (a, b, slot) => ((a === 0 && b < 0) || (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b))
  ? refuse(slot) : library.pow(a, b));
/** The names of the entries of an array, row by row: W[0,0], W[0,1], … */
const grid = (name, ...shape) => shape.reduce((found, size) => found.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])), [[]])
  .map((index) => name + "[" + index + "]");
/** A group of entries, n times. */
const rows = (n, group) => Array.from({ length: n }, (_, i) => group(i)).flat();
const require = (condition, slot) => condition || refuse(slot);
