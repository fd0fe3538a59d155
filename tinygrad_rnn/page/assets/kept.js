// What is left of a gradient on its way back through time, and what that is called.
"use strict";

/** ‖∂L_T/∂s_k‖ / ‖∂L_T/∂s_T‖ by lag T - k, as `kept` of tinygrad_rnn.bptt.verdict: T is the last time step with a loss.
 *  part: a part of the state; null for the whole.
 */
function kept(computation, part = null) {
  const { aside, losses, program: { facts, loss_backward, readout_backward } } = computation, T = losses[losses.length - 1];
  aside.zero_grad();
  aside.grad[T][facts.loss] = computation.seed;
  aside.call(loss_backward, T, aside.grad[T - 1]);
  if (readout_backward) aside.call(readout_backward, T, aside.grad[T - 1]);
  const direct = computation.state(T, aside.grad).slice(), norm = library.hypot(...direct);
  aside.zero_grad();
  // Scaled to 1 beforehand: a tiny gradient of the loss must not underflow on the way.
  computation.state(T, aside.grad).set(direct.map((g) => (norm ? g / norm : 0)));
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
