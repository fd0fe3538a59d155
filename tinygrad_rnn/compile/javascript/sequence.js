const NONE = new Set();

/** A name or a formula at time step t. */
const at = (text, t) => text.replaceAll("\ua7fb", t).replaceAll("\ua7fc", t - 1);

/** A sequence that a program runs through: a row of numbers per time step, and a row of gradients.
 *
 *  program: the functions of one time step, and the facts about them.
 *  p: the parameters, a Float64Array.
 *  T: the number of time steps.
 *  within: whether the loss of a time step is recorded within it, as its read-out is, or all losses after the last time
 *    step. The order in which contributions are added, and so the last bit of a sum, depends on it.
 */
class Sequence {
  constructor(program, p, T, within = true) {
    const rows = () => Array.from({ length: T + 1 }, () => new Float64Array(program.facts.width));
    Object.assign(this, { program, p, T, within, now: rows(), grad: rows(), p_grad: new Float64Array(p.length) });
    this.with_loss = new Array(T + 1).fill(false);  // whether a time step has a loss
    this.walks = new Int32Array(T + 1).fill(-1);  // by time step, the function that the latest pass called; -1 for none
    this.loss = 0;  // the sum of the losses
    this.beyond = new Float64Array(program.facts.width);  // takes what flows along a link that is cut
    this.passes = 0;
    this.touched = new Int32Array(T + 1);  // by time step, the latest pass that has been there
  }

  /** The slot of the first entry of the state. */
  get state() { return this.program.facts.first; }

  /** Give a time step its input and, if it has a loss, its target. */
  give(t, x, target = null) {
    this.now[t].set(x);
    if (target !== null) this.now[t].set(target, this.program.facts.x);
    this.with_loss[t] = target !== null;
  }

  /** Start from this state. */
  start(h0) { this.now[0].set(h0, this.state); }

  /** Compute all numbers, and return the sum of the losses. */
  forward() {
    const { program, T } = this;
    this.loss = 0;
    this.once(program.outside);
    for (let t = 1; t <= T; t++) {
      this.call(program.cell, t);
      if (!this.with_loss[t]) continue;
      if (program.readout) this.call(program.readout, t);
      if (this.within) this.call(program.loss, t);
    }
    for (let t = 1; t <= T; t++) {
      if (!this.with_loss[t]) continue;
      if (!this.within) this.call(program.loss, t);
      this.loss += this.now[t][program.facts.loss];
    }
    return this.loss;
  }

  /** The whole loss, of a loss over time: the sum of the losses, or their mean. */
  total(loss) {
    const { program: { total, facts }, p } = this;
    if (!total) return loss;
    p[facts.total[0]] = loss;
    for (const [place, entry] of facts.initial) p[place] = this.now[0][this.state + entry];
    this.once(total);
    return p[facts.total[1]];
  }

  /** Before the first backward pass: the whole loss passes on its gradient, 1. Returns that of the loss over time. */
  begin() {
    const { program: { total_backward, facts }, p_grad } = this;
    if (!total_backward) return 1;
    p_grad[facts.total[1]] = 1;
    this.once(total_backward, true);
    for (const [place, entry] of facts.initial) this.grad[0][this.state + entry] += p_grad[place];
    return p_grad[facts.total[0]];
  }

  /** Forget all gradients. */
  zero_grad() {
    this.p_grad.fill(0);
    for (const row of this.grad) row.fill(0);
  }

  /** One backward pass. As in the engine, parameters, inputs and h_0 add up what every pass brings.
   *
   *  seed: the gradient of each loss.
   *  losses: by time step, whether the pass begins at its loss.
   *  from, until: the time step where the pass begins, and the one at whose state it ends.
   *  cuts: time steps whose states get no gradient from the time step after them.
   *  whole: whether every entry of the state of time step `from` has a gradient already, in `grad`.
   *  watch: called with the unit and the time step before each walk, and whether it ends at a cut; at the end with null.
   */
  backward(seed = 1, options = {}) {
    const { losses = this.with_loss, from = this.T, until = 0, cuts = NONE, whole = false, watch = null } = options;
    const { program: { facts, cell_backward, readout_backward, loss_backward }, within } = this;
    this.passes += 1;
    const lose = (t) => {
      const row = this.fresh(t);
      if (readout_backward) for (const [from, to] of facts.computed.readout) row.fill(0, from, to);
      row[facts.loss] = seed;
      if (watch) watch("loss", t, false);
      this.call(loss_backward, t, this.grad[t - 1]);
    };
    if (!within) for (let t = from; t > until; t--) if (losses[t]) lose(t);
    let live = 0;
    for (let t = from; t > until; t--) {
      if (within && losses[t]) lose(t);
      if (readout_backward && losses[t]) {
        if (watch) watch("readout", t, false);
        this.call(readout_backward, t, this.grad[t - 1]);
      }
      const [walk, before] = whole && t === from ? facts.whole : facts.course[live][losses[t] ? 1 : 0];
      const cut = cuts.has(t - 1) || (t - 1 === until && until > 0);
      this.walks[t] = walk;
      live = cut ? 0 : before;
      if (walk >= 0) {
        if (!(whole && t === from)) this.fresh(t);
        const before_grad = cut ? this.beyond : this.fresh(t - 1);
        if (watch) watch("cell", t, cut);
        this.call(cell_backward[walk], t, before_grad);
      }
    }
    if (watch) watch(null, until, false);
  }

  /** After the last backward pass: what lies outside time passes its gradients on. Without any, nothing is to be done. */
  finish() { this.once(this.program.outside_backward, true); }

  /** Call a function of what lies outside time, if the program has one. */
  once(f, backward = false) {
    if (!f) return;
    try {
      f(this.p, this.p_grad);
    } catch (error) {
      if (error instanceof DomainError) Object.assign(error, { t: null, backward, node: this.program.facts.parameters[error.slot] });
      throw error;
    }
  }

  /** The gradients of a time step, at the first touch of a pass without those of an earlier one. */
  fresh(t) {
    const row = this.grad[t];
    if (this.touched[t] !== this.passes) {
      this.touched[t] = this.passes;
      if (t > 0) for (const [from, to] of this.program.facts.computed.cell) row.fill(0, from, to);
    }
    return row;
  }

  /** Call a function of the program for time step t; an error gets to know which that is. */
  call(f, t, before_grad = null) {
    try {
      f(this.p, this.now[t - 1], this.now[t], this.p_grad, before_grad, this.grad[t]);
    } catch (error) {
      if (error instanceof DomainError) {
        const backward = before_grad !== null, [name, formula] = this.program.facts.nodes[error.slot];
        Object.assign(error, { t, backward, node: at((!backward && formula) || name || formula, t) });
      }
      throw error;
    }
  }
}
