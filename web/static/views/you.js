// For you: the visitor rates movies, and the list changes with each rating.

import * as api from "../api.js";
import { cards, onward } from "../cards.js";
import { catalogue } from "../catalogue.js";
import { combobox } from "../combobox.js";
import { cover } from "../cover.js";
import { announce, h, uniqueId } from "../dom.js";
import { facts, ofLikes, plural, title, verb } from "../format.js";
import { naming } from "../naming.js";
import { fill, notice, problem } from "../notice.js";
import { nextQuestions } from "../questions.js";
import * as ratings from "../ratings.js";
import { href } from "../route.js";
import * as visitor from "../visitor.js";
import { capital, phrase, words } from "../words.js";

const LENGTH = 12; // of the list
const AT_ONCE = 6; // questions

export function show(context) {
  const [questions, list] = [h("div", { class: "results" }), h("div", { class: "results" })];
  const [summary, trouble] = [h("div", {}), h("div", {})];
  const state = { asked: [], shown: new Set(), asking: new AbortController() };

  // Makes the list anew, as soon as what was said is `kept`.
  const follow = (kept) => {
    state.asking.abort();
    state.asking = new AbortController();
    const signal = AbortSignal.any([state.asking.signal, context.signal]);
    return fill(list, { ...context, signal }, async () => {
      await kept;
      summarize();
      return listForYou({ ...context, signal }, state);
    });
  };

  const tell = (error) => trouble.replaceChildren(problem(error, context));

  const rate = (movie, stars) => {
    ratings.rate(movie, stars);
    follow(visitor.keep(movie, context.card).then(() => trouble.replaceChildren(), tell)); // in trouble it follows too
  };

  const ask = (movies) => {
    state.asked.push(...movies);
    grid.append(...movies.map((movie) => question(movie, context.card, rate, skip)));
  };

  const skip = (movie, item) => {
    const [next] = nextQuestions(state.popular, state.asked, 1);
    if (!next) return item.remove();
    state.asked.push(next);
    const replacement = question(next, context.card, rate, skip);
    item.replaceWith(replacement);
    replacement.querySelector("input").focus();
  };

  const grid = h("ul", { class: "questions" });
  const more = h("button", { type: "button", onclick: () => ask(nextQuestions(state.popular, state.asked, AT_ONCE)) }, `More ${words().many}`);
  const search = combobox({
    label: "Or any other",
    placeholder: `Type ${words().a} ${ofLikes(context.card) ? "that you like" : "to rate"}`,
    model: context.model,
    onchoose: (movie) => {
      state.asked.push(movie);
      const item = question(movie, context.card, rate, skip);
      grid.prepend(item);
      item.querySelector("input").focus();
    },
  });

  const begin = () =>
    fill(questions, context, async () => {
      if (visitor.name()) await visitor.enter(visitor.name(), context.card).catch(tell);
      const { popular, byId } = await catalogue(context.model);
      const rated = ratings.ids().map((id) => byId.get(String(id))).filter(Boolean);
      Object.assign(state, { popular, asked: [] });
      grid.replaceChildren();
      ask(rated);
      ask(nextQuestions(popular, rated, AT_ONCE));
      return [grid, h("div", { class: "row" }, more, search)];
    });

  const start = async () => {
    state.shown = new Set();
    follow();
    await begin();
    if (visitor.name()) follow(); // what is stored has come
  };
  const remember = h("details", {}, h("summary", {}, "Remember me"), naming(context, start));

  const summarize = () => {
    const count = ratings.given(context.card).length;
    const noun = ofLikes(context.card) ? "like" : "rating";
    const kept = count ? `${plural(count, noun)}, kept` : "What you say is kept";
    if (visitor.name()) {
      summary.replaceChildren(
        h("p", { class: "muted" }, `${kept} under the name “${visitor.name()}”. `, h("a", { href: href("known") }, "See or delete it")),
      );
      return;
    }
    const clear = () => {
      ratings.clear();
      start();
    };
    summary.replaceChildren(
      h(
        "div",
        { class: "row" },
        h("span", { class: "muted" }, `${kept} in this browser only.`),
        ratings.any() && h("button", { type: "button", onclick: clear }, `Clear my ${noun}s`),
      ),
      remember,
    );
  };

  start();
  return h(
    "div",
    { class: "view" },
    h("h1", { tabindex: "-1" }, `${capital(verb(context.card))} a few. The list follows.`),
    summary,
    trouble,
    h("div", { class: "split" }, h("section", { "aria-label": `${capital(words().many)} to ${verb(context.card)}` }, questions), h("section", { "aria-label": "Your list" }, list)),
  );
}

async function listForYou({ model, card, signal }, state) {
  const given = ratings.given(card);
  if (!given.length) {
    const what = ofLikes(card) ? `Choose ${words().a} that you like.` : `Give a star to ${words().a} that you know.`;
    return [h("h2", {}, "Your list"), notice("Nothing yet", `${what} One is enough to begin; five tell a lot.`)];
  }
  const ask = { ...visitor.fields(), ratings: given, k: LENGTH, ...(card?.options.includes("explain") && { explain: true }) };
  const { data, time } = await api.predict(model, ask, signal);
  const ids = data.recommendations.map((entry) => String(entry.movie_id));
  const fresh = new Set(state.shown.size ? ids.filter((id) => !state.shown.has(id)) : []);
  state.shown = new Set(ids);
  announce(`Your list has changed: ${plural(fresh.size, `new ${words().one}`)}`);
  return [
    h("h2", {}, "Your list ", h("span", { class: "muted" }, `${model}, in ${Math.round(time)} ms`)),
    cards(data.recommendations, { card, fresh }),
    onward({ you: 1 }),
  ];
}

function question(movie, card, rate, skip) {
  const item = h(
    "li",
    {},
    cover(movie),
    h(
      "div",
      {},
      h("span", { class: "card-title" }, title(movie)),
      h("span", { class: "muted" }, facts(movie)),
      ofLikes(card) ? likeOf(movie, rate) : starsOf(movie, rate),
    ),
    h("button", { type: "button", class: "quiet", onclick: () => skip(movie, item), "aria-label": `${phrase("unknown")}: ${title(movie)}` }, phrase("unknown")),
  );
  return item;
}

function starsOf(movie, rate) {
  const name = uniqueId("stars");
  const star = (number) =>
    h(
      "label",
      {},
      h("input", { type: "radio", name, class: "unseen", checked: ratings.of(movie) === number, onchange: () => rate(movie, number) }),
      h("span", { "aria-hidden": "true" }, "★"),
      h("span", { class: "unseen" }, plural(number, "star")),
    );
  const legend = h("legend", { class: "unseen" }, `Your rating of ${title(movie)}`);
  return h("fieldset", { class: "stars" }, legend, Array.from({ length: ratings.MOST }, (_, place) => star(place + 1)));
}

function likeOf(movie, rate) {
  const change = (event) => rate(movie, event.target.checked ? ratings.MOST : 0);
  return h(
    "label",
    { class: "like" },
    h("input", { type: "checkbox", class: "unseen", checked: ratings.likes(movie), onchange: change }),
    h("span", { "aria-hidden": "true" }, "♥ "),
    "I like it",
    h("span", { class: "unseen" }, `: ${title(movie)}`),
  );
}
