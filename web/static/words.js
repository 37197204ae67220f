// What the page calls what is in the catalogue: movies, or what the models' cards say.

const OF_MOVIES = {
  next: "What would somebody watch next?",
  everybody: "what everybody watches",
  known: "Seen movies too",
  unknown: "Not seen",
  all: "They have seen everything.",
  nothing: "No movie matches: choose other genres, or show seen movies too.",
};

let [a, one, many] = ["a movie", "movie", "movies"];
let facet = "genres"; // the column whose values give colours and narrow lists
let dates; // the column that says in seconds when something was new

export function use(cards) {
  const card = cards.find((each) => each.words);
  if (!card) return;
  ({ one, many, a = `a ${one}` } = card.words); // an earlier archive says no article
  dates = card.newest_by;
  const texts = Object.entries(card.columns ?? {}).filter(([, kind]) => kind === "category" || kind === "tags");
  facet = texts.some(([name]) => name === "genres") ? "genres" : texts[0]?.[0] ?? "genres";
}

export const words = () => ({ a, one, many });
export const isDate = (column) => column === dates;
export const facetName = () => facet;
export const facetLabel = () => facet.replaceAll("_", " ");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const counted = (number) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// A phrase of OF_MOVIES, for whatever is in the catalogue.
export function phrase(name) {
  if (one === "movie") return OF_MOVIES[name];
  return {
    next: `Which ${one} would somebody choose next?`,
    everybody: "what everybody chooses",
    known: `Known ${many} too`,
    unknown: "Not known",
    all: `They know all ${many}.`,
    nothing: `Nothing matches: choose others, or show known ${many} too.`,
  }[name];
}

// An entry of an answer as the page reads it: its id is `movie_id`, and where it has no genres its facet stands for them.
export function inOneWord(entry) {
  if (entry.item_id !== undefined) entry.movie_id = entry.item_id;
  if (entry.attributes && !entry.genres) entry.genres = [entry.attributes[facet] ?? []].flat();
  entry.because?.forEach(inOneWord);
  entry.rank_because?.forEach(inOneWord);
  return entry;
}
