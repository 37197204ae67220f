// A cover for a movie: the genres give the colours, the year their strength (old movies are nearly black and white), the
// title the picture. Always the same for the same movie.

import { svg } from "./dom.js";
import { hue } from "./genres.js";
import { hash, stream } from "./random.js";

const [W, H] = [80, 120];

// Each picture: (paint, random) -> shapes. paint.deep lies behind; mid, light and pale stand out more and more.
const PICTURES = [
  function sun(paint, random) {
    const [x, y, horizon] = [20 + 40 * random(), 34 + 16 * random(), 70 + 16 * random()];
    return [
      circle(x, y, 17 + 8 * random(), paint.light),
      rect(0, horizon, W, H, paint.mid),
      rect(0, horizon + 14, W, H, paint.deep, 0.55),
    ];
  },
  function arcs(paint, random) {
    const [x, y] = [random() < 0.5 ? 0 : W, random() < 0.5 ? 0 : H];
    const fills = [paint.mid, paint.deep, paint.light, paint.deep, paint.pale];
    return fills.map((fill, ring) => circle(x, y, 94 - 18 * ring, fill));
  },
  function stripes(paint, random) {
    const [width, lean] = [7 + 7 * random(), random() < 0.5 ? -1 : 1];
    const fills = [paint.mid, paint.light, paint.pale];
    return [-1, 0, 1, 2].map((step) =>
      line(W / 2 + step * 2.4 * width - 60 * lean, H + 20, W / 2 + step * 2.4 * width + 60 * lean, -20, width, fills[(step + 3) % 3]),
    );
  },
  function hills(paint, random) {
    const rolls = [0, 1, 2].map((row) => ellipse(W * random(), 92 + 15 * row, 58, 30, [paint.mid, paint.light, paint.mid][row]));
    return [circle(16 + 48 * random(), 26 + 12 * random(), 8, paint.pale), ...rolls];
  },
  function dots(paint, random) {
    const shapes = [];
    for (let row = 0; row < 6; row++) {
      for (let column = 0; column < 4; column++) {
        const fill = [paint.mid, paint.mid, paint.light, paint.pale][Math.floor(4 * random())];
        shapes.push(circle(10 + 20 * column, 10 + 20 * row, 3 + 6 * random(), fill));
      }
    }
    return shapes;
  },
  function city(paint, random) {
    const towers = [0, 1, 2, 3, 4].map((place) => {
      const height = 30 + 55 * random();
      return rect(16 * place, H - height, 16, height, [paint.mid, paint.light][place % 2]);
    });
    return [circle(18 + 44 * random(), 24, 9, paint.pale), ...towers];
  },
  function pair(paint, random) {
    const [x, y] = [26 + 6 * random(), 44 + 10 * random()];
    return [circle(x, y, 24, paint.mid), circle(W - x, H - y, 24, paint.light), circle(W / 2, H / 2, 7, paint.pale)];
  },
  function ladder(paint, random) {
    const [height, shift] = [9 + 4 * random(), 20 * random()];
    return [0, 1, 2, 3, 4].map((step) =>
      rect(8 + ((13 * step + shift) % 40), 14 + 20 * step, 24, height, [paint.mid, paint.light, paint.pale][step % 3]),
    );
  },
  function moon(paint, random) {
    const [x, y, size] = [30 + 20 * random(), 40 + 20 * random(), 20 + 6 * random()];
    return [circle(x, y, size, paint.pale), circle(x + size / 2.2, y - size / 4, size * 0.86, paint.deep), rect(0, 100, W, 20, paint.mid)];
  },
  function diamonds(paint, random) {
    const [x, y] = [W / 2, 46 + 26 * random()];
    return [44, 31, 19, 8].map((size, ring) =>
      svg("polygon", {
        points: `${x},${y - 1.3 * size} ${x + size},${y} ${x},${y + 1.3 * size} ${x - size},${y}`,
        fill: [paint.mid, paint.deep, paint.light, paint.pale][ring],
      }),
    );
  },
  function waves(paint, random) {
    return [0, 1, 2, 3].map((row) => {
      const [y, swing] = [40 + 22 * row, (row % 2 ? 1 : -1) * (8 + 10 * random())];
      return svg("path", {
        d: `M0 ${y} Q20 ${y - swing} 40 ${y} T80 ${y} V${H} H0 Z`,
        fill: [paint.light, paint.mid, paint.pale, paint.mid][row],
      });
    });
  },
  function window(paint, random) {
    const [x, y] = [14 + 8 * random(), 18 + 10 * random()];
    const lit = Math.floor(6 * random());
    return [0, 1, 2, 3, 4, 5].map((pane) =>
      rect(x + 26 * (pane % 2), y + 30 * Math.floor(pane / 2), 22, 26, pane === lit ? paint.pale : pane % 4 ? paint.mid : paint.light),
    );
  },
  function beam(paint, random) {
    const [x, spread] = [14 + 52 * random(), 16 + 14 * random()];
    return [
      svg("polygon", { points: `${x},-6 ${W / 2 - spread - 14},${H} ${W / 2 + spread + 14},${H}`, fill: paint.mid }),
      ellipse(W / 2, 104, spread + 12, 8, paint.light),
      circle(W / 2, 88, 9, paint.pale),
    ];
  },
];

export function cover(movie) {
  const random = stream(hash(`${movie.title ?? movie.movie_id}${movie.year}`));
  const [first, second] = [hue(movie.genres?.[0]), hue(movie.genres?.[1] ?? movie.genres?.[0])];
  const strength = movie.year ? Math.min(1, Math.max(0.12, (movie.year - 1930) / 50)) : 1;
  const [turn, shade] = [16 * random() - 8, 0.1 * random() - 0.05];
  const colour = (light, chroma, hue) => `oklch(${(light + shade).toFixed(3)} ${(chroma * strength).toFixed(3)} ${(hue + turn).toFixed(0)})`;
  const dull = first > 55 && first < 130 ? 0.09 : 0; // dark yellow is mud
  const tones = [colour(0.36 + dull, 0.075, first), colour(0.53 + dull, 0.11, first), colour(0.74, 0.12, second), colour(0.92, 0.04, second)];
  if (random() < 0.3) tones.reverse(); // a bright cover now and then
  const [deep, mid, light, pale] = tones;
  const paint = { deep, mid, light, pale };
  const picture = PICTURES[Math.floor(random() * PICTURES.length)];
  return svg(
    "svg",
    { class: "cover", viewBox: `0 0 ${W} ${H}`, "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" },
    rect(0, 0, W, H, paint.deep),
    picture(paint, random),
  );
}

const round = (value) => Math.round(10 * value) / 10;
const circle = (cx, cy, r, fill) => svg("circle", { cx: round(cx), cy: round(cy), r: round(r), fill });
const ellipse = (cx, cy, rx, ry, fill) => svg("ellipse", { cx: round(cx), cy: round(cy), rx: round(rx), ry: round(ry), fill });
const rect = (x, y, width, height, fill, opacity = 1) =>
  svg("rect", { x: round(x), y: round(y), width: round(width), height: round(height), fill, opacity });
const line = (x1, y1, x2, y2, width, stroke) =>
  svg("line", { x1: round(x1), y1, x2: round(x2), y2, "stroke-width": round(width), stroke });
