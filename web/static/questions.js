// Which movies to ask about. An answer tells much if the visitor is likely to have one (the movie is well known) and
// if it says something that the earlier answers did not (it lies far from them on the map).

const POOL = 250; // best known movies

export function nextQuestions(popular, asked, howMany) {
  const pool = popular.slice(0, POOL).filter((movie) => !asked.some((one) => one.movie_id === movie.movie_id));
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
    const far = placed.length ? Math.min(...placed.map((one) => Math.hypot(movie.x - one.x, movie.y - one.y))) : 1;
    const worth = far * Math.sqrt(movie.ratings);
    if (worth > highest) [found, highest] = [place, worth];
  });
  return found;
}
