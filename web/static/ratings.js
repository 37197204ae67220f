// What the visitor has rated: kept in this browser, nowhere else.

const KEY = "ratings";

let ratings = read();

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Map(Array.isArray(kept) ? kept.filter((pair) => Array.isArray(pair) && Number.isFinite(pair[1])) : []);
  } catch {
    return new Map(); // a browser that keeps nothing, or something that is not ours
  }
}

function write() {
  try {
    localStorage.setItem(KEY, JSON.stringify([...ratings]));
  } catch {
    // They then last as long as the page.
  }
}

export const all = () => [...ratings].map(([movie_id, rating]) => ({ movie_id, rating }));
export const of = (movie) => ratings.get(movie.movie_id);
export const has = (movie) => ratings.has(movie.movie_id);

export function rate(movie, rating) {
  ratings.set(movie.movie_id, rating);
  write();
}

export function remove(movieId) {
  ratings.delete(movieId);
  write();
}

export function clear() {
  ratings.clear();
  write();
}
