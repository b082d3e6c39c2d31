// The static reference, with the address that this page came from.

export function prepare() {
  for (const place of document.querySelectorAll("[data-origin]")) {
    place.prepend(location.origin);
  }
}
