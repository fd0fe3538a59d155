// Updates of the parameters: plain gradient descent, as `SGD` and `clip_grad_norm_` of tinygrad_rnn.optim.
"use strict";

/** A gradient is NaN or infinite, so that there is no update. */
class NoUpdate extends Error {
  constructor(parameter, gradient) {
    super("the gradient of " + parameter + (Number.isNaN(gradient) ? " is not a number" : " is infinite"));
    Object.assign(this, { parameter, gradient });
  }
}

/** Change the parameters by one update; return the norm of the gradient before clipping.
 *  clip: the largest norm, or null. trained: the places of those that change. */
function update({ program, p, sequence: { p_grad } }, lr, clip = null, trained = [...p.keys()].slice(0, p.length - program.facts.outside.length)) {
  const wrong = trained.find((place) => !Number.isFinite(p_grad[place]));
  if (wrong !== undefined) throw new NoUpdate(program.facts.parameters[wrong], p_grad[wrong]);
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
  gradients.forEach((g, i) => { p[trained[i]] -= lr * g; });
  return norm;
}
