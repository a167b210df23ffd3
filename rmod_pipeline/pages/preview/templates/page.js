"use strict";
(() => {
  document.documentElement.classList.add("script");
{% include "player.js" %}
  const list = document.getElementById("pairs");
  const pairs = all(".pair");
  let current = null;

  const visible = () => all(".pair:not([hidden])");
  const select = (pair, scroll = true) => {
    if (!pair) return;
    if (current) current.classList.remove("current");
    current = pair;
    current.classList.add("current");
    if (scroll) {
      current.focus({ preventScroll: true });
      current.scrollIntoView({ block: "start" });
    }
  };
  for (const pair of pairs) pair.addEventListener("pointerdown", () => select(pair, false));
  const selectByHash = () => select(document.getElementById(location.hash.slice(1)), false);
  addEventListener("hashchange", selectByHash);

  const filter = document.getElementById("filter");
  const order = document.getElementById("order");
  const count = document.getElementById("count");
  const show = () => {
    const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const pair of pairs) pair.hidden = !terms.every((term) => pair.dataset.searchText.includes(term));
    const shown = visible().length;
    count.value = terms.length ? `${shown} of ${pairs.length} pairs` : `${shown} pair${shown === 1 ? "" : "s"}`;
    document.getElementById("none").hidden = shown > 0;
  };
  const sortValues = {
    key: (pair) => 0,
    loudness: (pair) => (pair.dataset.loudness === "" ? Infinity : -Number(pair.dataset.loudness)),
    tracks: (pair) => -Number(pair.dataset.tracks),
  };
  const sort = () => {
    const value = sortValues[order.value];
    const sorted = [...pairs].sort((a, b) => value(a) - value(b) || (a.dataset.key < b.dataset.key ? -1 : 1));
    list.prepend(...sorted);
  };
  filter.addEventListener("input", show);
  order.addEventListener("change", sort);

  const step = (offset) => {
    const shown = visible();
    const index = shown.indexOf(current);
    select(shown[index < 0 ? 0 : Math.min(Math.max(index + offset, 0), shown.length - 1)]);
  };
  const mix = () => toggle((current || visible()[0]).querySelector('[data-role="mix"]'));
  const details = () => {
    const sections = all("details", current || visible()[0]);
    const open = !sections.every((section) => section.open);
    for (const section of sections) section.open = open;
  };
  const keys = {
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    " ": mix, Escape: stop, d: details, "/": () => filter.focus(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (target.matches("input, select")) {
      if (event.key === "Escape" || (event.key === "Enter" && target === filter)) target.blur();
      return;
    }
    // The space key operates a button or a fold that has the keyboard focus.
    if (event.key === " " && target.matches("button:focus-visible, summary:focus-visible, a:focus-visible")) return;
    if (!visible().length && event.key !== "/") return;
    if (/^[1-9]$/.test(event.key)) {
      const player = all('[data-role="one-shot"]', current || visible()[0])[Number(event.key) - 1];
      if (player) play(player);
    } else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });

  if (location.hash) selectByHash();
  else select(pairs[0], false);
})();
