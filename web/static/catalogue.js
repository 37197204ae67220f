// The movies of a model, fetched once and looked up by id.

import * as api from "./api.js";

const kept = new Map();

export function catalogue(model) {
  if (!kept.has(model)) {
    const loading = api.movies(model).then((movies) => ({
      movies,
      byId: new Map(movies.map((movie) => [String(movie.movie_id), movie])),
      popular: [...movies].sort((a, b) => b.ratings - a.ratings),
      genres: [...new Set(movies.flatMap((movie) => movie.genres ?? []))].sort(),
    }));
    loading.catch(() => kept.delete(model)); // so that the next view asks again
    kept.set(model, loading);
  }
  return kept.get(model);
}

export const forget = () => kept.clear();
