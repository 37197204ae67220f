// The subject of a list: a movie, a user of the log, or the visitor ("you"). Two views share it.

import { Problem } from "./api.js";
import { catalogue } from "./catalogue.js";
import { combobox } from "./combobox.js";
import { h, uniqueId } from "./dom.js";
import { opinions, title, verb } from "./format.js";
import * as ratings from "./ratings.js";
import { go, href } from "./route.js";
import * as visitor from "./visitor.js";
import { capital, words } from "./words.js";

// An id as the log has it: a number where it is written as one ("007" is a text). The handler takes either for either.
export const asId = (text) => (/^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text);

export function subjectOf(params) {
  if (params.get("movie")) return { kind: "movie", id: asId(params.get("movie")) };
  if (params.get("user")) return { kind: "user", id: asId(params.get("user")) };
  if (params.has("you")) return { kind: "you" };
  return null;
}

export function requestFor(subject, k, card) {
  if (subject.kind === "movie") return { movie_id: subject.id, k };
  if (subject.kind === "user") return { user_id: subject.id, k };
  const given = ratings.given(card);
  if (!given.length) throw new Problem("NothingGiven", `${capital(verb(card))} ${words().a} under “For you”: this list is made of that.`);
  return { ...visitor.fields(), ratings: given, k };
}

export const listOf = (answer) => answer.similar ?? answer.recommendations ?? [];

export async function nameOf(subject, { model, card }) {
  if (subject.kind === "user") return `For user ${subject.id}`;
  if (subject.kind === "you") return `For you, from ${opinions(ratings.given(card).length, card)}`;
  const movie = (await catalogue(model)).byId.get(String(subject.id));
  return `Like ${movie ? title(movie) : `${words().one} ${subject.id}`}`;
}

// Choose another subject for the same view.
export function picker(route, context) {
  const id = uniqueId("user");
  const user = h("input", { id, name: "user", type: "text", size: "8", autocomplete: "off", required: true, maxlength: "100" });
  return h(
    "div",
    { class: "picker" },
    combobox({
      label: `${capital(words().many)} like`,
      placeholder: `Type ${words().a}`,
      model: context.model,
      onchoose: (movie) => go(href(route, { movie: movie.movie_id })),
    }),
    h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          go(href(route, { user: user.value.trim() }));
        },
      },
      h("label", { for: id }, "or for user"),
      user,
      h("button", { type: "submit" }, "Show"),
    ),
    ratings.any() && h("a", { class: "button", href: href(route, { you: 1 }) }, "or for you"),
  );
}
