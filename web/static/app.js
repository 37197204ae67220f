// Starts the page: which models there are, which view the address asks for.

import * as api from "./api.js";
import { forget } from "./catalogue.js";
import { h } from "./dom.js";
import { current, followLinks, go, href } from "./route.js";
import { compare } from "./views/compare.js";
import { map } from "./views/map.js";
import { similar } from "./views/similar.js";
import { user } from "./views/user.js";
import { you } from "./views/you.js";

const VIEWS = { similar, user, you, compare, map };
const TITLES = { similar: "Similar movies", user: "For a user", you: "For you", compare: "Compare", map: "Map" };
const PREFERRED = "fm"; // where the address names no model: it knows ids and features, and answers for both

const main = document.getElementById("main");
let cards = [];
let showing = new AbortController();
let shown; // the view

function render({ focus = false } = {}) {
  showing.abort();
  showing = new AbortController();
  const { view, params } = current();
  const model = chosenModel(params);
  const context = {
    params,
    model,
    cards,
    card: cards.find((card) => card.name === model && !card.error),
    signal: showing.signal,
    refresh: start,
  };
  for (const link of document.querySelectorAll("nav [data-view]")) {
    link.href = href(link.dataset.view);
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("nav [aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  document.getElementById("models").replaceChildren(view === "compare" ? "" : modelChoice(model));
  document.title = `${TITLES[view]} · Recommender`;
  main.replaceChildren(VIEWS[view](context));
  const stay = view === "map" && shown === "map"; // choosing a point moves nothing
  shown = view;
  if (focus && !stay) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function chosenModel(params) {
  const names = cards.map((card) => card.name);
  const asked = params.get("model");
  if (names.includes(asked) || !names.length) return asked ?? PREFERRED;
  const there = cards.filter((card) => !card.error).map((card) => card.name);
  return [PREFERRED, ...there, ...names].find((name) => (there.length ? there : names).includes(name));
}

function modelChoice(model) {
  if (!cards.length) return h("span", {});
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "unseen" }, "Model"),
    cards.map((card) =>
      h(
        "label",
        { title: card.error?.message ?? `version ${card.version}: ${card.score}` },
        h("input", {
          type: "radio", name: "model", value: card.name, checked: card.name === model, class: "unseen",
          onchange: () => switchTo(card.name),
        }),
        h("span", { class: card.error ? "missing" : undefined }, card.name),
      ),
    ),
  );
}

function switchTo(model) {
  const { view, params } = current();
  go(href(view, { ...Object.fromEntries(params), model }));
  document.querySelector(`input[name=model][value="${model}"]`)?.focus();
}

async function start() {
  forget();
  try {
    cards = await api.models();
  } catch {
    cards = []; // the view asks too, and says what is wrong
  }
  render();
}

followLinks();
addEventListener("navigate", () => render({ focus: true }));
start();
