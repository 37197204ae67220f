// Your data: what the system knows of a visitor who has given a name, and a button that deletes it.

import * as api from "../api.js";
import { catalogue } from "../catalogue.js";
import { announce, h } from "../dom.js";
import { opinions, plural, title, verb } from "../format.js";
import { naming } from "../naming.js";
import { fill, notice } from "../notice.js";
import { href } from "../route.js";
import * as visitor from "../visitor.js";
import { capital, words } from "../words.js";

const VERBS = { rating: "rated", like: "liked", click: "opened", purchase: "bought" };

export function show(context) {
  const results = h("div", { class: "results" });
  const heading = h("h1", { tabindex: "-1" });
  const begin = () => {
    heading.textContent = visitor.name() ? `What the system knows about “${visitor.name()}”` : "What does the system know about you?";
    return fill(results, context, () => (visitor.name() ? knownOf(context, results, begin) : nobody(context, begin)));
  };
  begin();
  return h("div", { class: "view" }, heading, results);
}

const nobody = (context, done) => [
  h("p", {}, `Nothing that has a name. What you ${verb(context.card)} is in this browser only, and lists that you were shown are stored without a name.`),
  h("p", {}, `With a name, what you ${verb(context.card)} is stored, and the next training learns from it.`),
  naming(context, done),
];

async function knownOf(context, results, begin) {
  const [{ byId }, { events, impressions, archives }] = await Promise.all([
    catalogue(context.model),
    api.visitor(visitor.name(), context.signal),
  ]);
  const leave = () => {
    visitor.leave();
    begin();
  };
  return [
    h("p", {}, `Stored: ${plural(events.length, "event")}, and ${plural(impressions, "list")} that you were shown.`),
    h("ul", {}, archives.map((archive) => h("li", {}, inArchive(archive, context)))),
    deletion(context, results, begin),
    h("p", {}, h("button", { type: "button", onclick: leave }, `I am not “${visitor.name()}”`), " ", h("span", { class: "muted" }, "This browser then knows no name and nothing that you said; what is stored stays.")),
    h("h2", {}, "What you did ", h("span", { class: "muted" }, "the latest first")),
    events.length
      ? h("ol", { class: "plain" }, events.reverse().map((event) => h("li", {}, said(event, byId.get(String(event.movie_id))))))
      : notice("Nothing yet", `${capital(verb(context.card))} ${words().a} under “For you”.`),
  ];
}

function said({ type, rating, movie_id, timestamp }, movie = { movie_id }) {
  const when = new Date(1000 * timestamp).toLocaleDateString("en", { dateStyle: "medium" });
  return [
    `${VERBS[type]} `,
    h("a", { href: href("similar", { movie: movie_id }) }, title(movie)),
    rating === undefined ? "" : `: ★ ${rating}`,
    " ",
    h("span", { class: "muted" }, when),
  ];
}

function inArchive({ model, version, ratings: number, problem }, { cards }) {
  if (problem) return `${model}: not known. ${problem}`;
  if (!number) return `${model} ${version} has learnt nothing from you.`;
  return `${model} ${version} has learnt from ${opinions(number, cards.find((card) => card.name === model))} of yours. They stay in it until a version replaces it that was trained after the deletion.`;
}

// Asks once more before it deletes.
function deletion(context, results, begin) {
  const row = h("div", { class: "row" });
  const ask = () => row.replaceChildren(h("button", { type: "button", class: "primary", onclick: sure }, "Delete all of this"));
  const sure = () => {
    const yes = h("button", { type: "button", class: "primary", onclick: forget }, "Yes, delete it");
    row.replaceChildren(h("span", {}, "It cannot be brought back."), yes, h("button", { type: "button", onclick: ask }, "Keep it"));
    yes.focus();
  };
  const forget = () =>
    fill(results, context, async () => {
      const { events, impressions, archives } = await api.forget(visitor.name());
      const text = `${plural(events, "event")} and ${plural(impressions, "list")} were deleted.`;
      announce(text);
      visitor.leave();
      const again = h("button", { type: "button", onclick: begin }, "Go on");
      return notice("You are forgotten", text, h("ul", {}, archives.map((archive) => h("li", {}, inArchive(archive, context)))), again);
    });
  ask();
  return row;
}
