// Similar: the movies that are like a given one.

import * as api from "../api.js";
import { cards, hero, onward } from "../cards.js";
import { catalogue } from "../catalogue.js";
import { combobox } from "../combobox.js";
import { announce, h } from "../dom.js";
import { takenBy, title } from "../format.js";
import { fill, notice } from "../notice.js";
import { go, href } from "../route.js";
import { asId } from "../subject.js";
import { capital, counted, words } from "../words.js";

const LENGTH = 18; // of the list
const SUGGESTED = 12; // movies to start from

export function show(context) {
  const id = context.params.get("movie");
  const results = h("div", { class: "results" });
  fill(results, context, () => (id ? moviesLike(context, asId(id)) : suggestions(context)));
  const search = combobox({
    label: id ? `Another ${words().one}` : `${capital(words().a)} that you like`,
    placeholder: "Type a title, typos are fine",
    model: context.model,
    onchoose: (movie) => go(href("similar", { movie: movie.movie_id })),
  });
  const intro = h("h1", { class: "intro", tabindex: "-1" }, `Name ${words().a}. See what is like it.`);
  return h("div", { class: "view" }, !id && intro, search, results);
}

async function moviesLike({ model, signal, card }, id) {
  const [{ byId }, { data }] = await Promise.all([
    catalogue(model),
    api.predict(model, { movie_id: id, k: LENGTH }, signal),
  ]);
  const movie = byId.get(String(id)) ?? { movie_id: id };
  announce(`${counted(data.similar.length)} like ${title(movie)}`);
  return [
    hero(movie, h("p", {}, takenBy(movie, card)), onward({ movie: id })),
    h("h2", {}, `${capital(words().many)} like it `, h("span", { class: "muted" }, "closeness from 0 to 100")),
    data.similar.length
      ? cards(data.similar, { card, kind: "similar" })
      : notice("Nothing is like it", `The model knows too little of this ${words().one}.`),
  ];
}

async function suggestions({ model }) {
  const { popular } = await catalogue(model);
  return [h("h2", {}, "Or start from one of these"), cards(popular.slice(0, SUGGESTED))];
}
