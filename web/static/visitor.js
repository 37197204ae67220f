// Who the visitor says they are: a name without a password. What they rate is stored under it, and not here alone.

import * as api from "./api.js";
import { ofLikes } from "./format.js";
import * as ratings from "./ratings.js";

const KEY = "visitor";

let visitor = read(); // {name, user_id, unsent: ids of movies whose rating could not be stored}, or null

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return kept?.name && kept.user_id !== undefined && Array.isArray(kept.unsent) ? kept : null;
  } catch {
    return null; // a browser that keeps nothing, or something that is not ours
  }
}

function become(somebody) {
  visitor = somebody;
  try {
    if (somebody) localStorage.setItem(KEY, JSON.stringify(somebody));
    else localStorage.removeItem(KEY);
  } catch {
    // The name then lasts as long as the page.
  }
}

export const name = () => visitor?.name;

// The fields of a request by which the gateway knows the visitor.
export const fields = () => (visitor ? { user_id: visitor.user_id } : {});

let last = Promise.resolve();
const waiting = []; // the ids of movies of which something was said that has not had its turn

// Does one change of what is stored after the other: they arrive in the order in which the visitor made them.
function inTurn(change) {
  const mine = last.then(change);
  last = mine.catch(() => {});
  return mine;
}

// Goes on under a name. What is stored under it counts; what it lacks of the ratings here is stored when the name is new
// here. Later only what could not be stored is: what was deleted in another browser must not come back from this one.
export const enter = (name, card) =>
  inTurn(async () => {
    const unsent = visitor?.name === name ? new Set(visitor.unsent) : null;
    const { user_id, events } = await api.visitor(name);
    const stored = ratings.opinions(events, card);
    const known = new Set(stored.map((event) => event.movie_id));
    const fresh = ratings.given(card).filter(({ movie_id }) => (unsent ? unsent.has(movie_id) : !known.has(movie_id)));
    if (fresh.length) await api.feedback(fresh.map((rating) => eventOf(user_id, rating)));
    const since = [...waiting]; // said in the meantime: it counts, and the next turns store it
    const ours = new Set([...fresh.map(({ movie_id }) => movie_id), ...since]);
    if (unsent) ratings.retain(ours);
    ratings.join(stored.filter(({ movie_id }) => !ours.has(movie_id)), card);
    become({ name, user_id, unsent: since });
  });

// Ends that in this browser; what is stored stays.
export function leave() {
  become(null);
  ratings.clear();
}

// Stores what the visitor says about a movie, if they have given a name; no stars delete what they said before.
export function keep({ movie_id }, card) {
  const unsent = () => visitor.unsent.filter((id) => id !== movie_id);
  if (visitor) become({ ...visitor, unsent: [...unsent(), movie_id] });
  waiting.push(movie_id);
  return inTurn(async () => {
    waiting.shift();
    if (!visitor) return;
    const rating = ratings.given(card).find((one) => one.movie_id === movie_id);
    if (rating) await api.feedback([eventOf(visitor.user_id, rating)]);
    else if (ofLikes(card)) await api.forget(visitor.name, movie_id);
    if (visitor) become({ ...visitor, unsent: unsent() });
  });
}

const eventOf = (user_id, rating) => ({ user_id, type: "rating" in rating ? "rating" : "like", ...rating });
