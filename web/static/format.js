// Numbers and movies in words.

export const count = (value) => Number(value).toLocaleString("en");

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export const title = (movie) => movie.title ?? `Movie ${movie.movie_id}`;

const GENRES = 3; // more of them make no card clearer

export const facts = (movie) => [movie.year, movie.genres?.slice(0, GENRES).join(", ")].filter(Boolean).join(" · ");

// A score as the model means it: how it is shown, how it is read out, and how full its bar is.
export function score(value, card, kind) {
  if (kind === "similar") {
    const percent = Math.round(100 * Math.max(0, value));
    return { text: `${percent}`, spoken: `closeness ${percent} of 100`, share: value };
  }
  if (card?.target === "like") {
    const percent = Math.round(100 * value);
    return { text: `${percent} %`, spoken: `${percent} percent likely to be liked`, share: value };
  }
  const [low, high] = card?.scale ?? [1, 5];
  const text = value.toFixed(1);
  return { text: `★ ${text}`, spoken: `expected rating ${text} of ${high}`, share: (value - low) / (high - low) };
}

// What speaks for an entry, strongest first: [{label, percent}], each of everything that speaks for it. The shares are
// points of the score; those below zero speak against it, and the remainder has no name.
export function reasons(entry) {
  const speaksFor = (entry.because ?? []).filter((reason) => reason.share > 0);
  const all = speaksFor.reduce((sum, reason) => sum + reason.share, 0);
  return speaksFor
    .filter((reason) => !reason.remainder)
    .sort((a, b) => b.share - a.share)
    .slice(0, 3)
    .map((reason) => ({
      label: String(reason.title ?? (reason.feature && `their ${reason.feature}`) ?? `movie ${reason.movie_id}`),
      percent: Math.round((100 * reason.share) / all),
    }))
    .filter((reason) => reason.percent > 0);
}
