// Chooses the movies to ask about: well-known ones, which the visitor has probably seen, and far from the movies of the
// earlier questions on the map, so that each answer tells something new.

const POOL = 250; // best known movies

export function nextQuestions(popular, asked, howMany) {
  const pool = popular.slice(0, POOL).filter((movie) => !asked.some((other) => other.movie_id === movie.movie_id));
  const placed = [...asked];
  const chosen = [];
  while (chosen.length < howMany && pool.length) {
    const place = best(pool, placed);
    const [movie] = pool.splice(place, 1);
    chosen.push(movie);
    placed.push(movie);
  }
  return chosen;
}

function best(pool, placed) {
  let [found, highest] = [0, -1];
  pool.forEach((movie, place) => {
    const far = placed.length ? Math.min(...placed.map((other) => Math.hypot(movie.x - other.x, movie.y - other.y))) : 1;
    const worth = far * Math.sqrt(movie.ratings);
    if (worth > highest) [found, highest] = [place, worth];
  });
  return found;
}
