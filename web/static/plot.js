// Points on a canvas, with zoom, drag and hover. A dot is drawn once a colour and its pixels are then copied: ten
// thousand copies take a few milliseconds, where as many calls to the canvas would take more than a frame.

import { title } from "./format.js";
import { colour } from "./genres.js";

const REACH = 12; // pixels: a point this near to the pointer is the one that is meant
const [LEAST_ZOOM, MOST_ZOOM] = [0.5, 60];
const MARGIN = 0.004; // share of the movies on each side that may lie outside the first view

export class Plot {
  constructor(canvas, movies, { signal, view = {}, highlighted = [], centre, onhover, onchoose }) {
    Object.assign(this, { canvas, movies, view, highlighted, centre, onhover, onchoose });
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.special = new Set([...highlighted, centre].filter(Boolean));
    this.genre = null;
    this.home = frame(movies);
    if (!view.zoom) this.reset();
    this.listen(signal);
  }

  listen(signal) {
    const { canvas } = this;
    const on = (target, type, listener, options) => target.addEventListener(type, listener, { signal, ...options });
    const resized = new ResizeObserver(() => this.resize());
    resized.observe(canvas);
    signal.addEventListener("abort", () => resized.disconnect());
    on(this.dark, "change", () => this.resize());
    on(canvas, "wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    on(canvas, "keydown", (event) => this.press(event));
    on(canvas, "pointerdown", (event) => this.down(event));
    on(canvas, "pointermove", (event) => this.move(event));
    on(canvas, "pointerup", (event) => this.up(event));
    on(canvas, "pointercancel", () => this.pointers.clear());
    on(canvas, "pointerleave", () => this.hover(null));
    this.pointers = new Map();
  }

  // --- the part of the plane that is shown

  reset() {
    Object.assign(this.view, { x: this.home.x, y: this.home.y, zoom: 1 });
    this.draw();
  }

  only(genre) {
    this.genre = genre;
    this.draw();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    if (!this.width) return; // its size is not known yet
    const zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.view.zoom * factor));
    const [planeX, planeY] = this.toPlane(x, y);
    this.view.zoom = zoom;
    const [movedX, movedY] = this.toPlane(x, y); // what lay under the pointer stays there
    this.view.x += planeX - movedX;
    this.view.y += planeY - movedY;
    this.draw();
  }

  pan(x, y) {
    if (!this.width) return;
    this.view.x -= x / this.scale;
    this.view.y += y / this.scale;
    this.draw();
  }

  get scale() {
    return (Math.min(this.width / this.home.width, this.height / this.home.height) || 1) * this.view.zoom;
  }

  toPlane(x, y) {
    return [this.view.x + (x - this.width / 2) / this.scale, this.view.y - (y - this.height / 2) / this.scale];
  }

  toCanvas(movie, scale = this.scale) {
    return [(movie.x - this.view.x) * scale + this.width / 2, (this.view.y - movie.y) * scale + this.height / 2];
  }

  // --- pointers and keys

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.dragged = this.pointers.size > 1;
    this.began = event;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.hover(this.nearest(event.offsetX, event.offsetY), event);
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    if (other) {
      const spread = (pointer) => Math.hypot(pointer.offsetX - other.offsetX, pointer.offsetY - other.offsetY) || 1;
      this.zoom(spread(event) / spread(before), other.offsetX, other.offsetY);
    } else {
      this.dragged ||= Math.hypot(event.offsetX - this.began.offsetX, event.offsetY - this.began.offsetY) > 4;
      if (this.dragged) this.pan(event.offsetX - before.offsetX, event.offsetY - before.offsetY);
    }
    this.pointers.set(event.pointerId, event);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.dragged) return;
    const movie = this.nearest(event.offsetX, event.offsetY);
    if (movie) this.onchoose(movie);
  }

  press(event) {
    const step = 60;
    const actions = {
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), 0: () => this.reset(),
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }

  nearest(x, y) {
    let [found, least] = [null, REACH * REACH];
    const { scale } = this;
    for (const movie of this.movies) {
      if (this.dimmed(movie)) continue;
      const [movieX, movieY] = this.toCanvas(movie, scale);
      const far = (movieX - x) ** 2 + (movieY - y) ** 2;
      if (far < least) [found, least] = [movie, far];
    }
    return found;
  }

  hover(movie) {
    if (movie === this.hovered) return;
    this.hovered = movie;
    this.canvas.classList.toggle("pointing", Boolean(movie));
    this.onhover(movie, ...(movie ? this.toCanvas(movie) : []));
    this.draw();
  }

  dimmed(movie) {
    return this.genre !== null && movie.genres?.[0] !== this.genre && !this.special.has(movie);
  }

  // --- drawing

  resize() {
    const { canvas } = this;
    if (!canvas.clientWidth || !canvas.clientHeight) return; // it is not, or no longer, part of the page
    const pixels = Math.min(2, devicePixelRatio || 1);
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(this.width * pixels), Math.round(this.height * pixels)];
    this.pixels = pixels;
    const style = getComputedStyle(canvas);
    this.ink = style.color;
    this.paper = style.backgroundColor;
    this.font = `600 12px ${style.fontFamily}`;
    this.paint();
  }

  // At the next frame, however often it is asked for until then.
  draw() {
    if (!this.width) return;
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.paint();
    });
  }

  paint() {
    const context = this.canvas.getContext("2d");
    context.putImageData(this.dotted(context), 0, 0);
    context.setTransform(this.pixels, 0, 0, this.pixels, 0, 0);
    for (const movie of this.special) this.ring(context, movie, 13);
    if (this.hovered) this.ring(context, this.hovered, 13);
    this.label(context);
    this.canvas.dataset.painted = "";
  }

  // All dots as one picture. Where two overlap the more opaque pixel wins, which needs no blending.
  dotted(context) {
    const { pixels, view, movies } = this;
    const { width, height } = this.canvas;
    if (this.image?.width !== width || this.image.height !== height) this.image = context.createImageData(width, height);
    const picture = new Uint32Array(this.image.data.buffer);
    picture.fill(0);
    const size = Math.round(pixels * Math.min(9, (movies.length > 4000 ? 4 : 6) * view.zoom ** 0.25));
    const step = pixels * this.scale;
    const [left, top] = [width / 2 - view.x * step - size / 2, height / 2 + view.y * step - size / 2];
    const faded = this.special.size ? 0.4 : 0.85;
    const [plain, dimmed] = [new Map(), new Map()];
    for (const movie of movies) {
      const x = Math.round(left + movie.x * step);
      const y = Math.round(top - movie.y * step);
      if (x < 0 || y < 0 || x + size > width || y + size > height || this.special.has(movie)) continue;
      const dim = this.dimmed(movie);
      const [dots, genre] = [dim ? dimmed : plain, movie.genres?.[0]];
      if (!dots.has(genre)) dots.set(genre, this.dot(genre, size, dim ? 0.06 : faded));
      copy(dots.get(genre), size, picture, y * width + x, width);
    }
    return this.image;
  }

  // The pixels of one dot.
  dot(genre, size, alpha) {
    const context = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
    context.globalAlpha = alpha;
    context.fillStyle = colour(genre, this.dark.matches);
    context.beginPath();
    context.arc(size / 2, size / 2, size / 2, 0, 2 * Math.PI);
    context.fill();
    return new Uint32Array(context.getImageData(0, 0, size, size).data.buffer);
  }

  ring(context, movie, size) {
    const [x, y] = this.toCanvas(movie);
    context.beginPath();
    context.arc(x, y, size / 2, 0, 2 * Math.PI);
    context.fillStyle = colour(movie.genres?.[0], this.dark.matches);
    context.fill();
    context.lineWidth = movie === this.centre ? 3 : 1.5;
    context.strokeStyle = this.ink;
    context.stroke();
  }

  // Titles beside the highlighted points, those that cover neither a point of the list nor an earlier title.
  label(context) {
    context.font = this.font;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const taken = [...this.special].map((movie) => {
      const [x, y] = this.toCanvas(movie);
      return [x - 7, y - 7, x + 7, y + 7];
    });
    for (const movie of [this.centre, ...this.highlighted].filter(Boolean)) {
      const [x, y] = this.toCanvas(movie);
      const text = title(movie).length > 34 ? `${title(movie).slice(0, 32)}…` : title(movie);
      const length = context.measureText(text).width;
      const left = [x + 12, x - 12 - length].find((side) => side > 4 && side + length < this.width - 4) ?? x + 12;
      const box = [left, y - 8, left + length, y + 8];
      if (movie !== this.centre && taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
      taken.push(box);
      context.lineWidth = 4;
      context.strokeStyle = this.paper;
      context.strokeText(text, left, y);
      context.fillStyle = this.ink;
      context.fillText(text, left, y);
    }
  }
}

const OPACITY = 24; // bits below a pixel's opacity

function copy(dot, size, picture, start, width) {
  for (let row = 0, from = 0; row < size; row++) {
    for (let to = start + row * width, end = to + size; to < end; to++, from++) {
      if (dot[from] >>> OPACITY > picture[to] >>> OPACITY) picture[to] = dot[from];
    }
  }
}

// The middle and the size of the part where nearly all movies are: a few far out would press the rest together.
function frame(movies) {
  const side = (key) => {
    const sorted = movies.map((movie) => movie[key]).sort((a, b) => a - b);
    const cut = Math.floor(MARGIN * sorted.length);
    const [low, high] = [sorted[cut], sorted[sorted.length - 1 - cut]];
    return [(low + high) / 2, Math.max(1e-6, 1.12 * (high - low))];
  };
  const [[x, width], [y, height]] = [side("x"), side("y")];
  return { x, y, width, height };
}
