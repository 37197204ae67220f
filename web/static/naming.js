// Asks the visitor for a name.

import * as visitor from "./visitor.js";
import { h, uniqueId } from "./dom.js";
import { fill } from "./notice.js";

// `done` is called when what is stored under the name is here.
export function naming(context, done) {
  const id = uniqueId("name");
  const input = h("input", { id, name: "name", type: "text", size: "14", autocomplete: "off", required: true, maxlength: "60", pattern: ".*\\S.*" });
  const trouble = h("div", {});
  const enter = (event) => {
    event.preventDefault();
    fill(trouble, context, async () => {
      await visitor.enter(input.value.trim(), context.card);
      if (!context.signal.aborted) done();
      return [];
    });
  };
  return h(
    "div",
    {},
    h("form", { class: "row", onsubmit: enter }, h("label", { for: id }, "Your name"), input, h("button", { type: "submit" }, "Remember me")),
    h("p", { class: "muted" }, "Any name will do, and there is no password: whoever types the same name sees, changes and deletes the same."),
    trouble,
  );
}
