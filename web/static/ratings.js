// The visitor's ratings, in stars, as this browser keeps them.

import { ofLikes } from "./format.js";

const KEY = "stars";
const OLD_KEY = "ratings"; // an earlier page kept ratings on the log's scale there
export const MOST = 5; // stars
const LIKED = 4; // stars from which on a movie is liked

let stars = read(); // by movie id

function read() {
  try {
    localStorage.removeItem(OLD_KEY);
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    const ours = (pair) => Array.isArray(pair) && pair[1] >= 1 && pair[1] <= MOST;
    return new Map(Array.isArray(kept) ? kept.filter(ours) : []);
  } catch {
    return new Map(); // a browser that keeps nothing, or something that is not ours
  }
}

function write() {
  try {
    localStorage.setItem(KEY, JSON.stringify([...stars]));
  } catch {
    // They then last as long as the page.
  }
}

export const ids = () => [...stars.keys()];
export const any = () => stars.size > 0;
export const of = (movie) => stars.get(movie.movie_id) ?? 0;
export const likes = (movie) => of(movie) >= LIKED;

// The ratings for a request: likes for a model that was trained on likes, else ratings on the scale of its log.
export function given(card) {
  if (ofLikes(card)) return [...stars].filter(([, number]) => number >= LIKED).map(([movie_id]) => ({ movie_id }));
  return [...stars].map(([movie_id, number]) => ({ movie_id, rating: onScale(number, card?.scale ?? [1, MOST]) }));
}

// Five stars are the best that the log's scale has, and steps between them are equal.
function onScale(number, [low, high]) {
  const step = high / MOST;
  return low >= 0 && low <= step ? number * step : low + ((number - 1) * (high - low)) / (MOST - 1);
}

// The stars of a rating on the log's scale, the other way round.
function inStars(rating, [low, high]) {
  const step = high / MOST;
  const number = low >= 0 && low <= step ? rating / step : 1 + ((rating - low) * (MOST - 1)) / (high - low);
  return Math.min(MOST, Math.max(1, Math.round(number)));
}

// Of events, those that say what somebody thinks of a movie, as the model of this card takes them.
export function opinions(events, card) {
  const types = ofLikes(card) ? ["like", "purchase"] : ["rating"];
  return events.filter(({ type }) => types.includes(type));
}

// Takes over stored opinions, the oldest first.
export function join(stored, card) {
  const starsOf = ({ rating }) => (rating === undefined ? MOST : inStars(rating, card?.scale ?? [1, MOST]));
  for (const event of stored) stars.set(event.movie_id, starsOf(event));
  write();
}

// Forgets the stars of all other movies.
export function retain(ids) {
  stars = new Map([...stars].filter(([id]) => ids.has(id)));
  write();
}

export function rate(movie, number) {
  if (number) stars.set(movie.movie_id, number);
  else stars.delete(movie.movie_id);
  write();
}

export function clear() {
  stars.clear();
  write();
}
