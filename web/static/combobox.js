// A search box with suggestions, after the ARIA combobox pattern: focus stays in the box, arrows move the choice.

import * as api from "./api.js";
import { announce, busy, h, uniqueId } from "./dom.js";
import { facts, title } from "./format.js";
import { capital, counted, words } from "./words.js";

export function combobox({ label, placeholder, model, onchoose }) {
  const [listId, inputId] = [uniqueId("list"), uniqueId("search")];
  let found = [];
  let active = -1;
  let asking = new AbortController();
  let wanted = false; // from typing on, until Escape or another place takes the suggestions away

  const list = h("ul", { id: listId, role: "listbox", "aria-label": capital(words().many), hidden: true });
  const input = h("input", {
    id: inputId, type: "text", role: "combobox", placeholder, autocomplete: "off", spellcheck: "false",
    enterkeyhint: "search", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId,
    oninput: ask, onkeydown: press, onblur: close, onfocus: () => found.length && open(),
  });

  async function ask() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    wanted = true;
    const query = input.value.trim();
    if (!query) return show([]);
    busy(list, true);
    try {
      const movies = await api.search(model, query, signal);
      if (signal.aborted) return;
      show(movies, query);
    } catch (error) {
      if (!signal.aborted) show([], query, error.message);
    }
  }

  function show(movies, query, trouble) {
    busy(list, false);
    found = movies;
    list.replaceChildren(
      ...movies.map((movie, place) =>
        h(
          "li",
          {
            id: `${listId}-${place}`, role: "option", "aria-selected": "false",
            onpointerdown: (event) => event.preventDefault(), // the box keeps the focus
            onclick: () => choose(place),
          },
          h("span", {}, title(movie)),
          h("span", { class: "muted" }, facts(movie)),
        ),
      ),
    );
    if (!query || !wanted) return close();
    const nothing = trouble ?? `No ${words().one} found for “${query}”.`;
    if (!movies.length) {
      list.replaceChildren(h("li", { class: "nothing", role: "option", "aria-disabled": "true", "aria-selected": "false" }, nothing));
    }
    announce(movies.length ? `${counted(movies.length)} found` : nothing);
    open();
    move(movies.length ? 0 : -1);
  }

  function move(to) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = to;
    const option = list.children[active];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function press(event) {
    const last = found.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (last < 0) return;
      event.preventDefault();
      open();
      const next = active + (event.key === "ArrowDown" ? 1 : -1);
      move(next > last ? 0 : next < 0 ? last : next);
    } else if (event.key === "Enter" && !list.hidden && found[active]) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Escape") {
      if (list.hidden) clear();
      close();
    }
  }

  function choose(place) {
    const movie = found[place];
    clear();
    onchoose(movie);
  }

  function clear() {
    asking.abort();
    input.value = "";
    show([]);
  }

  function open() {
    wanted = true;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function close() {
    wanted = false;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    move(-1);
  }

  return h("div", { class: "combobox" }, h("label", { for: inputId }, label), input, list);
}
