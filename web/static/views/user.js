// For a user of the log: the movies that they rated, the list that the model makes for them, and its reasons.

import * as api from "../api.js";
import { cards, onward, strip } from "../cards.js";
import { catalogue } from "../catalogue.js";
import { announce, h } from "../dom.js";
import { past, plural } from "../format.js";
import { fill, notice } from "../notice.js";
import { current, go, href, note } from "../route.js";
import { asId } from "../subject.js";
import { capital, facetLabel, facetName, phrase } from "../words.js";

const LENGTH = 18; // of the list
const SHOWN = 14; // movies of the history

export function show(context) {
  const id = context.params.get("user") ?? "";
  const [filters, results] = [h("div", {}), h("div", { class: "results" })];
  const update = () => fill(results, context, () => listFor(context, asId(id)));
  if (id) {
    fill(filters, context, () => narrowing(context, update));
    update();
  } else {
    results.append(h("p", { class: "muted" }, "Type the id of somebody in the log, or take anyone."));
  }
  return h(
    "div",
    { class: "view" },
    h("h1", { tabindex: "-1" }, id ? `User ${id}` : phrase("next")),
    chooser(context, id, results),
    filters,
    results,
  );
}

function chooser(context, id, results) {
  const input = h("input", {
    id: "user-id", name: "user", type: "text", value: id, size: "10", autocomplete: "off",
    required: true, maxlength: "100",
  });
  const anyone = () =>
    fill(results, context, async () => {
      const user = await api.randomUser(context.model);
      if (!context.signal.aborted) go(to({ user }));
    });
  return h(
    "form",
    {
      class: "row",
      onsubmit: (event) => {
        event.preventDefault();
        go(to({ user: input.value.trim() }));
      },
    },
    h("label", { for: "user-id" }, "User"),
    input,
    h("button", { type: "submit", class: "primary" }, "Show"),
    h("button", { type: "button", onclick: anyone }, "Someone at random"),
  );
}

async function narrowing(context, update) {
  const { genres } = await catalogue(context.model);
  const narrow = (changed) => {
    note(to(changed));
    summary.textContent = summarized();
    update();
  };
  const toggle = (genre) => {
    const chosen = genresChosen();
    narrow({ genres: (chosen.includes(genre) ? chosen.filter((other) => other !== genre) : [...chosen, genre]).join("|") });
  };
  const summarized = () => `${capital(facetLabel())}: ${genresChosen().join(", ") || "all"}`;
  const summary = h("summary", {}, summarized());
  return h(
    "div",
    { class: "row" },
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: current().params.has("seen"),
        onchange: (event) => narrow({ seen: event.target.checked ? 1 : "" }),
      }),
      phrase("known"),
    ),
    genres.length > 0 && h(
      "details",
      { class: "genres", open: genresChosen().length > 0 },
      summary,
      h(
        "fieldset",
        { class: "chips" },
        h("legend", { class: "unseen" }, `Only these ${facetLabel()}`),
        genres.map((genre) =>
          h(
            "label",
            {},
            h("input", { type: "checkbox", class: "unseen", checked: genresChosen().includes(genre), onchange: () => toggle(genre) }),
            h("span", {}, genre),
          ),
        ),
      ),
    ),
  );
}

async function listFor(context, id) {
  const { model, card, signal } = context;
  const chosen = genresChosen();
  const ask = {
    user_id: id,
    k: LENGTH,
    ...(current().params.has("seen") && { exclude_seen: false }),
    ...(chosen.length && (facetName() === "genres" ? { genres: chosen } : { where: { [facetName()]: chosen } })),
    ...(card?.options.includes("explain") && { explain: true }),
  };
  const [{ byId }, list, done] = await Promise.all([
    catalogue(model),
    api.predict(model, ask, signal),
    api.predict(model, { user_id: id, history: true }, signal),
  ]);
  const entries = list.data.recommendations;
  const history = done.data.history
    .map((entry) => ({ ...byId.get(String(entry.movie_id)), ...entry }))
    .sort((a, b) => (b.rating ?? 0) - (a.rating ?? 0) || b.ratings - a.ratings);
  const [heading, number] = past(history.length, card);
  announce(`${plural(entries.length, "recommendation")} for user ${id}`);
  return [
    list.data.unknown?.includes("user_id") &&
      notice("Nobody has this id", `User ${id} is not in the log. This is what the model shows to somebody it knows nothing of.`),
    history.length > 0 && h("h2", {}, heading, h("span", { class: "muted" }, number)),
    history.length > 0 && strip(history.slice(0, SHOWN)),
    h("h2", {}, `What ${model} recommends`),
    entries.length
      ? cards(entries, { card })
      : notice("Nothing is left", chosen.length ? phrase("nothing") : phrase("all")),
    onward({ user: id }),
  ];
}

const genresChosen = () => (current().params.get("genres") ?? "").split("|").filter(Boolean);

const to = (changed) => href("user", { ...Object.fromEntries(current().params), ...changed });
