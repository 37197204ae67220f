// A colour for each genre: the familiar ones by hand, neighbours in mood with neighbouring hues; others by name.

import { hash } from "./random.js";

const HUES = {
  Horror: 20, Action: 35, Adventure: 55, Western: 70, Comedy: 82, Animation: 105, "Children's": 118, Children: 118,
  War: 135, Documentary: 160, "Sci-Fi": 200, IMAX: 215, Thriller: 235, Drama: 258, "Film-Noir": 275, Crime: 290,
  Mystery: 305, Fantasy: 320, Musical: 338, Romance: 2,
};

export const hue = (genre) => (genre ? HUES[genre] ?? hash(genre) % 360 : 250);

export function colour(genre, dark) {
  return `oklch(${dark ? 0.76 : 0.6} ${genre ? 0.14 : 0.01} ${hue(genre)})`;
}
