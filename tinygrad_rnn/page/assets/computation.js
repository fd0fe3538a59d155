// What the page computes: a program with its numbers, and how the loss is made of those of single time steps.
"use strict";

/** A program with its numbers and settings.
 *
 *  program: of one time step.
 *  given: p, the parameters; h0, the initial state; x and target, a list of numbers for each time step, the target null
 *    where there is none.
 *
 *  Settings, which may be changed at any time: T, the number of time steps; at, whether there is a loss at the "last" time
 *  step or at "every" one; mean, whether the loss is the mean of these or their sum; k1 and k2 of truncated backpropagation, null where nothing is truncated; cuts, time steps whose
 *  states get no gradient from the time step after them; within, as of Sequence.
 */
class Computation {
  constructor(program, given, settings = {}) {
    const { p, h0, x, target } = given;
    Object.assign(this, { program, p: new Float64Array(program.facts.parameters.length), h0: Float64Array.from(h0), x, target });
    Object.assign(this, { T: x.length, at: "last", mean: true, k1: null, k2: null, cuts: new Set(), within: false }, settings);
    this.p.set(p);  // what lies outside time, at the end, is computed
    this.sequence = this.apart = null;
    this.losses = [];  // the time steps with a loss
    this.loss = NaN;
    this.beginning = null;  // the gradient of the loss over time, once it was asked for
  }

  /** The same numbers, with gradients of other backward passes beside those of the loss. */
  get aside() {
    const { program, p, T, within, now, with_loss } = this.sequence;
    if (this.apart === null) this.apart = new Sequence(program, p, T, within);
    return Object.assign(this.apart, { p, within, now, with_loss });
  }

  /** The gradient of each loss. */
  get seed() {
    if (this.beginning === null) {
      const { aside } = this;
      aside.p_grad.fill(0);
      this.beginning = aside.begin();
    }
    return this.mean ? (1 / this.losses.length) * this.beginning : this.beginning;
  }

  /** Compute all numbers; return the loss. */
  forward() {
    const { program, p, T, within } = this;
    if (!this.sequence || this.sequence.T !== T || this.sequence.program !== program) {
      this.sequence = new Sequence(program, p, T, within);
      this.apart = null;
    }
    const { sequence } = this;
    Object.assign(sequence, { p, within });
    sequence.start(this.h0);
    this.losses = [];
    for (let t = 1; t <= T; t++) {
      const target = this.at === "every" || t === T ? this.target[t - 1] : null;
      sequence.give(t, this.x[t - 1], target);
      if (target !== null) this.losses.push(t);
    }
    const sum = sequence.forward();
    this.beginning = null;
    this.loss = sequence.total(this.mean ? sum / this.losses.length : sum);
    return this.loss;
  }

  /** Compute all gradients, truncated where that is set; return those of the parameters. */
  backward() {
    const { sequence, seed, cuts } = this;
    sequence.zero_grad();
    sequence.walks.fill(-1);
    sequence.begin();
    for (const pass of this.passes()) sequence.backward(seed, { ...pass, cuts });
    sequence.finish();
    return sequence.p_grad;
  }

  /** The backward passes: of full backpropagation one; with k1 and k2 one every k1 time steps, through k2 of them. */
  passes() {
    const { T, k1, k2, sequence: { with_loss } } = this;
    if (k1 === null) return [{}];
    const found = [];
    for (let e = k1; e < T + k1; e += k1) {
      const taken = with_loss.map((has, t) => has && e - k1 < t && t <= e);
      found.push({ losses: taken, from: Math.min(e, T), until: Math.max(0, e - k2) });
    }
    return found;
  }

  /** Whether the loss of time step t reaches a use of a parameter at time step k. */
  reaches(k, t) {
    for (const cut of this.cuts) if (k <= cut && cut < t) return false;
    return k <= t && (this.k1 === null || k > Math.ceil(t / this.k1) * this.k1 - this.k2);
  }

  /** The state after time step t: a part of it, as numbers or gradients. */
  state(t, rows = this.sequence.now, part = null) {
    const { state } = this.sequence, { parts, state: size } = this.program.facts;
    const [from, to] = part === null ? [0, size] : parts[part];
    return rows[t].subarray(state + from, state + to);
  }
}
