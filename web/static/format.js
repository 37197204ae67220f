// Numbers and movies in words.

export const count = (value) => Number(value).toLocaleString("en");

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export const title = (movie) => movie.title ?? `Movie ${movie.movie_id}`;

const GENRES = 3; // more of them make no card clearer
const NAMED = 3; // nor do more reasons

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

// Whether a model was trained on likes: then there are no stars to give it.
export const ofLikes = (card) => Boolean(card) && !card.scale;

export const opinions = (number, card) => plural(number, ofLikes(card) ? "like" : "rating");

// Parts of the number that put an entry into the list, largest first: [{label, percent}], together 100 %. What has no
// name has no label.
export function listedFor({ rank_score: total, rank_because: reasons = [] }) {
  if (!(total > 0)) return [];
  const named = reasons
    .filter((reason) => reason.share > 0 && !reason.remainder)
    .sort((a, b) => b.share - a.share)
    .slice(0, NAMED)
    .map((reason) => ({ label: label(reason), share: Math.round((100 * reason.share) / total) }))
    .filter((part) => part.share > 0);
  const rest = named.reduce((left, part) => left - part.share, 100);
  const all = rest ? [...named, { share: rest }] : named;
  return all.map((part) => ({ label: part.label, percent: `${minus(part.share)}\u00a0%` }));
}

// What moved the score away from that of somebody unknown: [{label, points}], which add up to the last.
export function movedBy({ personal, because: reasons = [] }) {
  const parts = reasons
    .filter((reason) => !reason.remainder)
    .map((reason) => ({ label: label(reason), points: Math.round(100 * reason.share) }))
    .filter((part) => part.points);
  if (!parts.length) return [];
  const total = Math.round(100 * personal);
  const rest = parts.reduce((left, part) => left - part.points, total);
  const all = [...parts, rest && { label: "all else", points: rest }, { label: "in all", points: total }];
  return all.filter(Boolean).map((part) => ({ label: part.label, points: signed(part.points / 100) }));
}

function label(reason) {
  if (reason.everybody) return "what everybody watches";
  return reason.feature ? `their ${reason.feature}` : title(reason);
}

const minus = (number) => (number < 0 ? `−${-number}` : `${number}`);
const signed = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;
