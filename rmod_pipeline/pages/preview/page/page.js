"use strict";
(() => {
  document.documentElement.classList.add("script");
{% include "player.js" %}
  const list = document.getElementById("pairs");
  const pairs = all(".pair");
  let here = null;

  const visible = () => all(".pair:not([hidden])");
  const go = (pair, scroll = true) => {
    if (!pair) return;
    if (here) here.classList.remove("here");
    here = pair;
    here.classList.add("here");
    if (scroll) {
      here.focus({ preventScroll: true });
      here.scrollIntoView({ block: "start" });
    }
  };
  for (const pair of pairs) pair.addEventListener("pointerdown", () => go(pair, false));
  const follow = () => go(document.getElementById(location.hash.slice(1)), false);
  addEventListener("hashchange", follow);

  const filter = document.getElementById("filter");
  const order = document.getElementById("order");
  const count = document.getElementById("count");
  const show = () => {
    const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const pair of pairs) pair.hidden = !terms.every((term) => pair.dataset.words.includes(term));
    const left = visible().length;
    count.value = terms.length ? `${left} of ${pairs.length} pairs` : `${left} pair${left === 1 ? "" : "s"}`;
    document.getElementById("none").hidden = left > 0;
  };
  const by = {
    key: (pair) => 0,
    loudness: (pair) => (pair.dataset.loudness === "" ? Infinity : -Number(pair.dataset.loudness)),
    tracks: (pair) => -Number(pair.dataset.tracks),
  };
  const sort = () => {
    const value = by[order.value];
    const sorted = [...pairs].sort((a, b) => value(a) - value(b) || (a.dataset.key < b.dataset.key ? -1 : 1));
    list.prepend(...sorted);
  };
  filter.addEventListener("input", show);
  order.addEventListener("change", sort);

  const step = (by) => {
    const shown = visible();
    const at = shown.indexOf(here);
    go(shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]);
  };
  const mix = () => toggle((here || visible()[0]).querySelector('[data-role="mix"]'));
  const details = () => {
    const folds = all("details", here || visible()[0]);
    const open = !folds.every((fold) => fold.open);
    for (const fold of folds) fold.open = open;
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
    // A button or a fold that was reached by keyboard keeps its own space.
    if (event.key === " " && target.matches("button:focus-visible, summary:focus-visible, a:focus-visible")) return;
    if (!visible().length && event.key !== "/") return;
    if (/^[1-9]$/.test(event.key)) {
      const player = all('[data-role="one-shot"]', here || visible()[0])[Number(event.key) - 1];
      if (player) play(player);
    } else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });

  if (location.hash) follow();
  else go(pairs[0], false);
})();
