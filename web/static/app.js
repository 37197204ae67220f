// Starts the page: asks for the models, and shows the view that the address names.

import * as api from "./api.js";
import { forget } from "./catalogue.js";
import { busy, h } from "./dom.js";
import { current, followLinks, go, href } from "./route.js";
import { use, words } from "./words.js";
import LIST from "./views.json" with { type: "json" };

// Each view with the function `show` of its module; the first is shown where the address names none.
const VIEWS = await Promise.all(LIST.map(async (view) => ({ ...view, ...(await import(`./views/${view.route}.js`)) })));
const PREFERRED = "fm"; // where the address names no model: it knows ids and features, and answers for both

const main = document.getElementById("main");
const links = VIEWS.map(({ route, nav }) => h("a", { href: href(route), "data-view": route }, nav));
let cards = [];
let showing = new AbortController();
let shown; // the view
let starts = 0;

function render({ focus = false } = {}) {
  showing.abort();
  showing = new AbortController();
  const { route, params } = current();
  const view = viewOf(route);
  const model = chosenModel(params);
  const context = {
    params,
    model,
    cards,
    card: cards.find((card) => card.name === model && !card.error),
    signal: showing.signal,
    refresh: start,
  };
  for (const link of links) {
    link.href = href(link.dataset.view);
    if (link.dataset.view === view.route) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("nav [aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  document.getElementById("models").replaceChildren(view.everyModel ? "" : modelChoice(model));
  document.title = `${view.title.replace("movies", words().many)} · Recommender`;
  main.replaceChildren(view.show(context));
  const stay = view.stays && shown === view;
  shown = view;
  if (focus && !stay) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

const viewOf = (route) => VIEWS.find((view) => view.route === route) ?? VIEWS[0];

// The model that the address names, or else the preferred one, or else the first: of those that answer, or may soon.
function chosenModel(params) {
  const names = cards.map((card) => card.name);
  const named = params.get("model");
  if (names.includes(named) || !names.length) return named ?? PREFERRED;
  const those = (are) => cards.filter(are).map((card) => card.name);
  const groups = [those(({ error }) => !error), those(({ error }) => error?.type !== "ModelNotRegistered"), names];
  const candidates = groups.find((group) => group.length);
  return candidates.includes(PREFERRED) ? PREFERRED : candidates[0];
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
  const { route, params } = current();
  go(href(viewOf(route).route, { ...Object.fromEntries(params), model }));
  document.querySelector(`input[name=model][value="${model}"]`)?.focus();
}

async function start() {
  const turn = ++starts;
  busy(main, true);
  forget();
  // Without an answer the view's own request fails too, and the view shows the reason.
  const answer = await api.models().catch(() => []);
  if (turn !== starts) return; // a later one goes on
  cards = answer;
  use(cards);
  render();
  busy(main, false);
}

document.querySelector("nav").append(...links);
followLinks();
addEventListener("navigate", () => render({ focus: true }));
start();
