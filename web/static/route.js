// The address bar is the state: the route of a view, and the parameters of what it shows.

export const current = () => ({ route: location.pathname.slice(1), params: new URLSearchParams(location.search) });

// The address of a view; parameters without a value are left out, and the chosen model is kept.
export function href(route, params = {}) {
  const given = Object.entries({ model: current().params.get("model"), ...params });
  const query = new URLSearchParams(given.filter(([, value]) => value !== undefined && value !== null && value !== ""));
  return `/${route}${query.size ? `?${query}` : ""}`;
}

export function go(address) {
  history.pushState(null, "", address);
  dispatchEvent(new Event("navigate"));
}

// Changes the address alone, for a view that has already changed what it shows.
export const note = (address) => history.replaceState(null, "", address);

// Links within the page change the view without loading the page again.
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
