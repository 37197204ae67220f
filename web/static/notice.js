// Regions that show an answer when it arrives, or an error with its remedy.

import * as api from "./api.js";
import { busy, h } from "./dom.js";

const TITLES = {
  Offline: "No connection",
  ServerDown: "The model server is not running",
  ServerBusy: "The model server is busy",
  ServerSlow: "The model server is slow",
  ModelNotRegistered: "This model is not registered",
  UnknownId: "Not known to this model",
  NoUser: "Nobody is named",
  NothingGiven: "Nothing yet",
  StoreDown: "Nothing can be stored now",
  TooManyRequests: "A little slower, please",
};
const HINTS = {
  ServerDown: "“make serve” starts it. This page goes on by itself as soon as it answers.",
  Offline: "“make web” starts it. This page goes on by itself as soon as it answers.",
  ModelNotRegistered: "“make archive register MODEL=… VERSION=…” adds it. The other models can still be asked.",
};
const PASSING = new Set(["Offline", "ServerDown", "ServerBusy", "TooManyRequests"]);
const PATIENCE = 1500; // milliseconds between two questions whether the server is back

export const notice = (heading, text, ...more) =>
  h("div", { class: "notice" }, h("h2", {}, heading), text && h("p", {}, text), more);

const turns = new WeakMap();

// Show what `work` gives; the earlier content stays until then, and is busy from the call on.
export async function fill(region, context, work) {
  busy(region, true);
  const turn = (turns.get(region) ?? 0) + 1;
  turns.set(region, turn);
  const late = () => context.signal.aborted || turns.get(region) !== turn; // something newer is under way
  try {
    const content = await work();
    if (late()) return;
    region.replaceChildren(...[content].flat().filter(Boolean));
  } catch (error) {
    if (late() || error.name === "AbortError") return;
    if (!(error instanceof api.Problem)) console.error(error);
    region.replaceChildren(problem(error, context));
  }
  busy(region, false);
}

export function problem(error, context) {
  const box = notice(
    TITLES[error.type] ?? "That did not work",
    error.message,
    HINTS[error.type] && h("p", { class: "muted" }, HINTS[error.type]),
    h("button", { type: "button", onclick: () => context.refresh() }, "Try again"),
  );
  box.setAttribute("role", "alert");
  if (PASSING.has(error.type)) waitForServer(context);
  return box;
}

async function waitForServer(context) {
  if (context.waiting) return;
  context.waiting = true;
  while (!context.signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    const back = await api.health().then((state) => state.torchserve === "up", () => false);
    if (back && !context.signal.aborted) return context.refresh();
  }
}
