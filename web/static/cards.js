// Lists of movies.

import { cover } from "./cover.js";
import { h } from "./dom.js";
import { facts, listedFor, movedBy, score, title } from "./format.js";
import { href } from "./route.js";

// A grid of cards; each links to the movies that are like it.
export function cards(entries, { card, kind, fresh } = {}) {
  return h(
    "ol",
    { class: "cards" },
    entries.map((entry) =>
      h(
        "li",
        { class: "card" },
        h(
          "a",
          { href: href("similar", { movie: entry.movie_id }) },
          cover(entry),
          h(
            "span",
            { class: "card-text" },
            h("span", { class: "card-title" }, title(entry)),
            h("span", { class: "muted" }, facts(entry)),
            entry.score !== undefined && meter(score(entry.score, card, kind)),
            fresh?.has(String(entry.movie_id)) && h("span", { class: "tag" }, "new"),
          ),
        ),
        listed(listedFor(entry)),
        moved(movedBy(entry), entry, card),
      ),
    ),
  );
}

function meter({ text, spoken, share }) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", Math.min(1, Math.max(0, share)));
  return h(
    "span",
    { class: "meter" },
    bar,
    h("span", { "aria-hidden": "true" }, text),
    h("span", { class: "unseen" }, spoken),
  );
}

// Why an entry is in the list.
function listed(found) {
  if (!found) return null;
  return h(
    "p",
    { class: "because" },
    found.lead,
    found.parts.flatMap(({ label, amount, named }, place) => [place ? ", " : " ", named ? h("b", {}, label) : label, `\u00a0${amount}`]),
  );
}

// Why an entry has its score, which does not order the list.
function moved(parts, entry, card) {
  if (!parts.length) return null;
  const unit = card?.target === "like" ? "log-odds" : "points";
  return h(
    "details",
    { class: "because" },
    h("summary", {}, `Why ${score(entry.score, card).text}`),
    h("p", {}, `In ${unit}, beside somebody unknown:`),
    h("dl", {}, parts.map(({ label, amount }) => h("div", {}, h("dt", {}, label), h("dd", {}, amount)))),
  );
}

// Small covers in one row, with the rating that a user gave.
export function strip(entries) {
  return h(
    "ul",
    { class: "strip" },
    entries.map((entry) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: href("similar", { movie: entry.movie_id }) },
          cover(entry),
          h("span", { class: "strip-title" }, title(entry)),
          entry.rating !== undefined && h("span", { class: "muted" }, `★ ${entry.rating}`),
        ),
      ),
    ),
  );
}

// The movie that the view is about.
export function hero(movie, ...beside) {
  return h(
    "section",
    { class: "hero" },
    cover(movie),
    h("div", {}, h("h1", { tabindex: "-1" }, title(movie)), h("p", { class: "muted" }, facts(movie)), beside),
  );
}

// Links to other views of the same list.
export function onward(params) {
  return h(
    "p",
    { class: "onward" },
    h("a", { href: href("compare", params) }, "Compare the models"),
    h("a", { href: href("map", params) }, "Show on the map"),
  );
}
