// What is left of a gradient on its way back through time, and what that is called.
"use strict";

/** A gradient scaled to norm 1, as `_direction` of tinygrad_rnn.bptt.verdict does: neither a tiny nor a huge one shall leave
 *  the range of doubles on its way back. A single infinite entry is infinitely larger than the others.
 */
function direction(gradient) {
  const isInfinite = (g) => Math.abs(g) === Infinity;
  if (gradient.filter(isInfinite).length === 1 && !gradient.some(Number.isNaN)) return gradient.map((g) => (isInfinite(g) ? Math.sign(g) : 0));
  const scaled = library.hypot(...gradient) === Infinity ? gradient.map((g) => g / 2 ** 600) : gradient, norm = library.hypot(...scaled);
  return scaled.map((g) => (norm ? g / norm : 0));
}

/** ‖∂L_T/∂s_k‖ / ‖∂L_T/∂s_T‖ by lag T - k, as `kept` of tinygrad_rnn.bptt.verdict: T is the last time step with a loss.
 *  part: a part of the state; null for the whole.
 */
function kept(computation, part = null) {
  const { aside, losses, program: { facts, loss_backward, readout_backward } } = computation, T = losses[losses.length - 1];
  aside.zero_grad();
  aside.grad[T][facts.loss] = computation.seed;
  aside.call(loss_backward, T, aside.grad[T - 1]);
  if (readout_backward) aside.call(readout_backward, T, aside.grad[T - 1]);
  const start = direction(computation.state(T, aside.grad).slice());
  aside.zero_grad();
  computation.state(T, aside.grad).set(start);
  aside.backward(0, { losses: [], from: T, whole: true });
  const sizes = Array.from({ length: T + 1 }, (_, lag) => library.hypot(...computation.state(T - lag, aside.grad, part)));
  return sizes.map((each) => (sizes[0] !== 0 ? unlessSubnormal(each) / sizes[0] : each !== 0 ? NaN : 0));
}

/** A number, or 0 where it is subnormal: such a one has lost its digits, and rounding may keep a product from ever getting smaller. */
const unlessSubnormal = (x) => (Math.abs(x) < 2 ** -1022 ? 0 : x);

/** What a gradient does of which `left` is left: a verb. */
function verdictWord(left) {
  const { words, keeps, extreme } = VERDICT;
  if (Number.isNaN(left)) return words.nan;
  if (left === Infinity) return words.infinite;
  if (left === 0) return words.zero;
  if (left < keeps[0]) return left < extreme[0] ? words.vanishes : words.shrinks;
  if (left > keeps[1]) return left > extreme[1] ? words.explodes : words.grows;
  return words.keeps;
}

/** The mean factor per time step (geometric mean). */
const meanFactor = (left, lag) => library.pow(left, 1 / lag);
