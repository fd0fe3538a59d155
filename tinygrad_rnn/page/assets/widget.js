// The widget in a notebook: the page in a frame. What is set is handed on both ways, as the end of a link.

function render({ model, el }) {
  const frame = document.createElement("iframe");
  for (const [name, text] of Object.entries(model.get("frame"))) frame.setAttribute(name, text);
  const own = String(Math.random());  // of several views of a page, the one that speaks does not follow itself
  const tell = () => frame.contentWindow?.postMessage(model.get("state"), "*");
  const follow = () => { if (model.get("state").by !== own) tell(); };
  const hear = ({ source, data }) => {
    if (source !== frame.contentWindow || typeof data?.link !== "string" || data.turn < model.get("state").turn) return;
    model.set("state", { link: data.link, turn: data.turn, by: own });
    model.save_changes();
  };
  frame.addEventListener("load", tell);
  addEventListener("message", hear);
  model.on("change:state", follow);
  el.append(frame);
  return () => {
    model.off("change:state", follow);
    removeEventListener("message", hear);
  };
}

export default { render };
