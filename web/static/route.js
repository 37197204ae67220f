// The address bar is the state: a view, and what it shows.

export const VIEWS = ["similar", "user", "you", "compare", "map"];

export function current() {
  const view = location.pathname.slice(1);
  return { view: VIEWS.includes(view) ? view : "similar", params: new URLSearchParams(location.search) };
}

// The address of a view; parameters without a value are left out, and the chosen model is kept.
export function href(view, params = {}) {
  const given = Object.entries({ model: current().params.get("model"), ...params });
  const query = new URLSearchParams(given.filter(([, value]) => value !== undefined && value !== null && value !== ""));
  return `/${view}${query.size ? `?${query}` : ""}`;
}

export function go(address) {
  history.pushState(null, "", address);
  dispatchEvent(new Event("navigate"));
}

// For a view that changes by itself and only wants the address to follow.
export const note = (address) => history.replaceState(null, "", address);

// Links of the page change the view without loading it anew.
export function followLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || link.origin !== location.origin || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    go(link.href);
  });
  addEventListener("popstate", () => dispatchEvent(new Event("navigate")));
}
