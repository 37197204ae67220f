// Map: every movie as a point, the current list highlighted.

import * as api from "../api.js";
import { catalogue } from "../catalogue.js";
import { h } from "../dom.js";
import { facts, title } from "../format.js";
import { colour } from "../genres.js";
import { fill, notice } from "../notice.js";
import { Plot } from "../plot.js";
import { go, href } from "../route.js";
import { listOf, nameOf, picker, requestFor, subjectOf } from "../subject.js";
import { capital, counted, facetLabel, words } from "../words.js";

const LENGTH = 15; // of the list that is highlighted

const places = new Map(); // the part of the map that is shown, by model: choosing a point must not move it

export const stays = true; // choosing a point scrolls nothing

export function show(context) {
  const results = h("div", { class: "results" });
  fill(results, context, () => draw(context));
  return h("div", { class: "view" }, h("h1", { tabindex: "-1" }, `The ${words().many}, as the model sees them`), picker("map", context), results);
}

async function draw(context) {
  const { model, signal, params } = context;
  const { movies, byId } = await catalogue(model);
  if (movies[0]?.x === undefined) return notice("No map", "This model's archive was made without one: make it anew.");
  const subject = subjectOf(params);
  const entries = subject ? listOf((await api.predict(model, requestFor(subject, LENGTH, context.card), signal)).data) : [];
  const inList = entries.map((entry) => byId.get(String(entry.movie_id))).filter(Boolean);
  const centre = subject?.kind === "movie" ? byId.get(String(subject.id)) : undefined;

  const tip = h("div", { class: "tip", hidden: true });
  const canvas = h("canvas", {
    tabindex: "0", role: "img",
    "aria-label": `${counted(movies.length)} on a plane; the highlighted ones are listed below. Plus and minus zoom, arrows move.`,
  });
  if (!places.has(model)) places.set(model, {});
  const plot = new Plot(canvas, movies, {
    signal,
    view: places.get(model),
    highlighted: inList,
    centre,
    onhover: (movie, x, y) => showTip(tip, movie, x, y, canvas),
    onchoose: (movie) => go(href("map", { movie: movie.movie_id })),
  });
  const button = (label, text, action) => h("button", { type: "button", "aria-label": label, onclick: action }, text);
  return [
    h(
      "div",
      { class: "plot" },
      canvas,
      tip,
      h(
        "div",
        { class: "zoom" },
        button("Zoom in", "+", () => plot.zoom(1.5)),
        button("Zoom out", "−", () => plot.zoom(1 / 1.5)),
        button("Show everything", "⤢", () => plot.reset()),
      ),
    ),
    legend(movies, plot),
    subject && h("h2", {}, await nameOf(subject, context)),
    inList.length > 0 && listed(inList),
    !subject && h("p", { class: "muted" }, `Near means alike to the model, as far as two of its dimensions show. Choose a point, ${words().a} or a user.`),
  ];
}

function showTip(tip, movie, x, y, canvas) {
  tip.hidden = !movie;
  if (!movie) return;
  tip.replaceChildren(h("b", {}, title(movie)), h("span", {}, facts(movie)));
  const right = x > canvas.clientWidth / 2;
  tip.style.left = right ? "auto" : `${x + 14}px`;
  tip.style.right = right ? `${canvas.clientWidth - x + 14}px` : "auto";
  tip.style.top = `${y - 10}px`;
}

// The genres in their colours, most frequent first; choosing one dims the others.
function legend(movies, plot) {
  const numbers = new Map();
  for (const { genres = [] } of movies) numbers.set(genres[0], (numbers.get(genres[0]) ?? 0) + 1);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const list = h("div", { class: "legend", role: "group", "aria-label": capital(facetLabel()) });
  for (const [genre] of [...numbers].filter(([name]) => name).sort((a, b) => b[1] - a[1])) {
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = colour(genre, dark);
    const button = h("button", { type: "button", "aria-pressed": "false" }, dot, genre);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of list.children) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(on));
      plot.only(on ? genre : null);
    });
    list.append(button);
  }
  return list;
}

const listed = (movies) =>
  h("ol", { class: "plain" }, movies.map((movie) => h("li", {}, h("a", { href: href("similar", { movie: movie.movie_id }) }, title(movie)), " ", h("span", { class: "muted" }, facts(movie)))));
