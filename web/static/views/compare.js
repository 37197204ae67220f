// Compare: the same request to every model, and where they agree.

import * as api from "../api.js";
import { catalogue } from "../catalogue.js";
import { cover } from "../cover.js";
import { h } from "../dom.js";
import { count, facts, rows as rowsOf, score, title } from "../format.js";
import { fill, problem } from "../notice.js";
import { href } from "../route.js";
import { listOf, nameOf, picker, requestFor, subjectOf } from "../subject.js";
import { words } from "../words.js";

const LENGTH = 10; // of each list
const METRICS = [
  ["rmse", "RMSE"],
  ["log_loss", "Log loss"],
  ["auc", "AUC"],
  ["ndcg@10", "NDCG@10"],
  ["recall@20", "Recall@20"],
];

export const everyModel = true; // no choice of a model

export function show(context) {
  const results = h("div", { class: "results" });
  fill(results, context, () => sideBySide(context));
  return h(
    "div",
    { class: "view" },
    h("h1", { tabindex: "-1" }, "One request, every model"),
    picker("compare", context),
    results,
  );
}

async function sideBySide(context) {
  const subject = subjectOf(context.params) ?? { kind: "movie", id: (await catalogue(context.model)).popular[0].movie_id };
  const names = context.cards.length ? context.cards.map((card) => card.name) : [context.model];
  const answers = await Promise.all(names.map((name) => ask(name, subject, context)));
  if (answers.every((answer) => answer.error)) throw answers[0].error;
  const votes = agreement(answers);
  const all = [...votes.values()].filter((number) => number === names.length).length;
  return [
    h("h2", {}, await nameOf(subject, context)),
    h("p", { class: "muted" }, `${all} of ${LENGTH} ${words().many} are in every list.`),
    h(
      "div",
      { class: "columns" },
      answers.map((answer, place) => column(context, names[place], answer, votes, subject)),
    ),
  ];
}

async function ask(name, subject, { cards, signal }) {
  try {
    return await api.predict(name, requestFor(subject, LENGTH, cards.find((card) => card.name === name)), signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { error };
  }
}

// In how many lists each movie is.
function agreement(answers) {
  const votes = new Map();
  for (const { data } of answers) {
    for (const { movie_id } of data ? listOf(data) : []) votes.set(movie_id, (votes.get(movie_id) ?? 0) + 1);
  }
  return votes;
}

function column(context, name, answer, votes, subject) {
  const card = context.cards.find((other) => other.name === name);
  if (answer.error) {
    return h("section", { class: "column", "aria-label": name }, h("h3", {}, name), problem(answer.error, context));
  }
  const kind = subject.kind === "movie" ? "similar" : undefined;
  const entries = listOf(answer.data);
  return h(
    "section",
    { class: "column", "aria-label": name },
    h("h3", {}, name, h("span", { class: "tag" }, `version ${answer.version}`)),
    h("p", { class: "latency" }, h("b", {}, `${answer.modelTime.toFixed(1)} ms`), ` in the model server, ${answer.time.toFixed(0)} ms in all`),
    h(
      "ol",
      { class: "ranked" },
      entries.map((entry) => ranked(entry, card, kind, votes.get(entry.movie_id), context.cards.length)),
    ),
    entries.length === 0 && h("p", {}, "Nothing."),
    card && !card.error && about(card),
  );
}

function ranked(entry, card, kind, lists, models) {
  const { text, spoken } = score(entry.score, card, kind);
  return h(
    "li",
    { class: lists === models && models > 1 ? "shared" : undefined, "data-lists": String(lists) },
    h(
      "a",
      { href: href("similar", { movie: entry.movie_id }), title: facts(entry) },
      cover(entry),
      h("span", { class: "ranked-title" }, title(entry)),
      lists > 1 &&
        h("span", { class: "votes" }, h("span", { "aria-hidden": "true" }, "●".repeat(lists)), h("span", { class: "unseen" }, `in ${lists} lists`)),
      h("span", { class: "muted", "aria-hidden": "true" }, text),
      h("span", { class: "unseen" }, spoken),
    ),
  );
}

function about(card) {
  const measured = card.metrics.test ?? card.metrics.validation ?? {};
  const rows = [
    ["A score is a", card.score],
    card.data.name && ["Trained on", `${card.data.name}: ${rowsOf(card.data.ratings, card)} of ${count(card.users)} users`],
    measured.rows && ["Measured on", `${rowsOf(measured.rows, card)} kept apart`],
    ...METRICS.filter(([key]) => Number.isFinite(measured[key])).map(([key, label]) => [label, measured[key].toFixed(3)]),
  ];
  return h(
    "dl",
    { class: "about" },
    rows.filter(Boolean).map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}
