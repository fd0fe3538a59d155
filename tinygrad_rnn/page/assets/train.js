// Updates of the parameters: plain gradient descent, as `SGD` and `clip_grad_norm_` of tinygrad_rnn.optim.
"use strict";

/** A gradient, or the update that it would make, is NaN or infinite, so that there is none. */
class NoUpdate extends Error {
  constructor(what, parameter, number) {
    super("the " + what + " of " + parameter + (Number.isNaN(number) ? " is not a number" : " is infinite"));
    Object.assign(this, { parameter, number });
  }
}

/** Change the parameters by one update; return the norm of the gradient before clipping.
 *  clip: the largest norm, or null. trained: the places of those that change. */
function update({ program, p, sequence: { p_grad } }, lr, clip = null, trained = [...p.keys()].slice(0, p.length - program.facts.outside.length)) {
  const wrong = trained.find((place) => !Number.isFinite(p_grad[place]));
  if (wrong !== undefined) throw new NoUpdate("gradient", program.facts.parameters[wrong], p_grad[wrong]);
  const gradients = trained.map((place) => p_grad[place]), sizes = () => library.hypot(...gradients.map(Math.abs)), norm = sizes();
  if (clip !== null) {
    let factor = Math.min(1, clip / (norm + 1e-6));
    if (norm === Infinity) {  // of finite numbers: shrunk by the largest, they keep their direction
      const largest = gradients.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
      gradients.forEach((g, i) => { gradients[i] = g / largest; });
      factor = clip / sizes();
    }
    if (factor !== 1) gradients.forEach((g, i) => { gradients[i] = g * factor; });
  }
  const updated = gradients.map((g, i) => p[trained[i]] - lr * g), beyond = updated.findIndex((x) => !Number.isFinite(x));
  if (beyond >= 0) throw new NoUpdate("update", program.facts.parameters[trained[beyond]], updated[beyond]);
  updated.forEach((x, i) => { p[trained[i]] = x; });
  return norm;
}
