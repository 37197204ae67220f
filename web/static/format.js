// Numbers and movies in words.

import { capital, counted, isDate, phrase, words } from "./words.js";

export const count = (value) => Number(value).toLocaleString("en");

export const plural = (value, singular) => `${count(value)} ${singular}${value === 1 ? "" : "s"}`;

export const title = (movie) => movie.title ?? `${capital(words().one)} ${movie.movie_id}`;

const GENRES = 3; // named on a card
const NAMED = 3; // reasons in a list or in an explanation
const LAST_YEAR = 9999; // a larger number of a column of dates is in seconds

const moment = (seconds) => new Date(1000 * seconds).toLocaleString("en", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });

export const facts = (movie) => [movie.year, ...shown(movie.attributes ?? { genres: movie.genres })].filter(Boolean).join(" · ");

// Texts speak for themselves; numbers and flags have the name of their column beside them.
function shown(attributes) {
  return Object.entries(attributes).map(([name, value]) => {
    const column = name.replaceAll("_", " ");
    if (typeof value === "boolean") return value ? column : `not ${column}`;
    if (isDate(name) && typeof value === "number") return `${column} ${Math.abs(value) > LAST_YEAR ? moment(value) : value}`;
    return typeof value === "number" ? `${column} ${count(value)}` : [value].flat().slice(0, GENRES).join(", ");
  });
}

// A score as the model means it: how it is shown, how it is read out, and how full its bar is.
export function score(value, card, kind) {
  if (kind === "similar") {
    const percent = Math.round(100 * Math.max(0, value));
    return { text: `${percent}`, spoken: `closeness ${percent} of 100`, share: value };
  }
  if (card?.target === "like") {
    const percent = Math.round(100 * value);
    // Without ratings nothing says how likely a like is: the number tells what was chosen from what is drawn at random.
    if (ofLikes(card)) return { text: `${percent}`, spoken: `score ${percent} of 100`, share: value };
    return { text: `${percent} %`, spoken: `${percent} percent likely to be liked`, share: value };
  }
  const [low, high] = card?.scale ?? [1, 5];
  const text = value.toFixed(1);
  return { text: `★ ${text}`, spoken: `expected rating ${text} of ${high}`, share: (value - low) / (high - low) };
}

// Whether a model was trained on likes, so that it takes no stars. A model without a card has an error in its place.
export const ofLikes = (card) => Boolean(card) && !card.error && !card.scale;

// What somebody does to say what they think of something.
export const verb = (card) => (ofLikes(card) ? "like" : "rate");

export const opinions = (number, card) => plural(number, ofLikes(card) ? "like" : "rating");

// The same of a log, whose likes are purchases, plays or clicks: nobody says which.
export const rows = (number, card) => plural(number, ofLikes(card) ? "pair" : "rating");

export const takenBy = (movie, card) => `${ofLikes(card) ? "Chosen" : "Rated"} by ${plural(movie.ratings ?? 0, "user")}.`;

// The heading above what a user of the log has done, and how much that is.
export const past = (number, card) =>
  ofLikes(card) ? ["What they chose ", counted(number)] : ["What they liked ", opinions(number, card)];

// Why an entry is in the list: {lead, parts: [{label, amount, named}]} with parts that add up, or null where no part has a
// name. The parts are percentages of the number that orders the list; where they do not fit into it, signed points.
export function listedFor({ rank_score: total, rank_because: reasons = [] }) {
  const largest = labelled(reasons).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const inFavour = largest.filter((part) => part.share > 0).slice(0, NAMED);
  const rest = total - sum(inFavour, "share");
  const fit = total > 0 && rest / total > -0.005; // together they may exceed it by what rounding hides
  const [lead, parts] = fit
    ? ["Listed because of", percentages(inFavour, Math.max(0, rest), total)]
    : ["Its place in the list:", points(largest.slice(0, NAMED), total)];
  return parts.some((part) => part.named) ? { lead, parts } : null;
}

// Why the score differs from that of an unknown user: [{label, amount, named}]; the parts add up to the last one.
export function movedBy({ personal: total, because: reasons = [] }) {
  const parts = points(labelled(reasons), total);
  return parts.some((part) => part.named) ? parts : [];
}

const labelled = (reasons) =>
  reasons
    .filter((reason) => reason.share && !reason.remainder)
    .map((reason) => ({ label: label(reason), share: reason.share, named: true }));

function label(reason) {
  if (reason.everybody) return phrase("everybody");
  return reason.feature ? `their ${reason.feature}` : title(reason);
}

function percentages(parts, rest, total) {
  return inUnits(parts, rest, total / 100).map((part) => ({ ...part, amount: `${part.units}\u00a0%` }));
}

function points(parts, total) {
  if (!parts.length) return [];
  const rest = total - sum(parts, "share");
  const largest = Math.max(...[...parts.map((part) => part.share), rest, total].map(Math.abs));
  const decimals = Math.max(2, 1 - Math.floor(Math.log10(largest))); // two significant digits of the largest part
  const all = inUnits(parts, rest, 10 ** -decimals);
  const signed = (units) => `${units < 0 ? "−" : "+"}${(Math.abs(units) / 10 ** decimals).toFixed(decimals)}`;
  return [...all, { label: "in all", units: sum(all, "units") }].map((part) => ({ ...part, amount: signed(part.units) }));
}

// The parts and "all else" in whole units that add up to the whole; a part of less than one unit is left out.
function inUnits(parts, rest, unit) {
  const all = [...parts, { label: "all else", share: rest }];
  const units = rounded(all.map((part) => part.share / unit));
  return all.map((part, place) => ({ ...part, units: units[place] })).filter((part) => part.units);
}

// Whole numbers that add up to the rounded sum of the numbers: those with the largest remainders are rounded up.
function rounded(numbers) {
  const whole = numbers.map(Math.floor);
  const remainder = (place) => numbers[place] - whole[place];
  const missing = Math.round(numbers.reduce((a, b) => a + b, 0)) - whole.reduce((a, b) => a + b, 0);
  const order = [...numbers.keys()].sort((a, b) => remainder(b) - remainder(a));
  for (const place of order.slice(0, missing)) whole[place] += 1;
  return whole;
}

const sum = (parts, name) => parts.reduce((total, part) => total + part[name], 0);
