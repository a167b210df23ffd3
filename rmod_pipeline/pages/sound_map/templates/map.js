"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { kinds, x, y, kind, path, seconds, licence, licences, sound } = data;
  const count = x.length;
  const canvas = $("map"), context = canvas.getContext("2d");
  const card = $("card"), player = $("player");
  const words = path.map((each, i) => `${each} ${kinds[kind[i]].name} ${licences[licence[i]]}`.toLowerCase());
  const name = (i) => path[i].slice(path[i].lastIndexOf("/") + 1);
  const fullPath = (i) => data.root + path[i];

  // What is shown.
  const hidden = new Set(); // kinds
  let matches = null; // a Uint8Array per sound while something is searched for
  const pins = [];
  let current = -1;
  let width = 0, height = 0, ratio = 1;
  const view = { scale: 1, x: 0.5, y: 0.5 }; // the centre, in units of the map
  const MOST_ZOOM = 400, NEAR = 18, EDGE = 28;

  // Shapes, around 0 with about the same area. A kind has a shape and a colour, so that colour alone decides nothing.
  const SHAPES = ["M4.2 0A4.2 4.2 0 1 1-4.2 0A4.2 4.2 0 1 1 4.2 0Z", "M-3.7-3.7H3.7V3.7H-3.7Z", "M0-5.2L5 3.6H-5Z", "M0-5.4L5.4 0L0 5.4L-5.4 0Z"];
  const addShape = (shape, px, py, r) => {
    if (shape === 0) { context.moveTo(px + r, py); context.arc(px, py, r, 0, 7); }
    else if (shape === 1) context.rect(px - 0.88 * r, py - 0.88 * r, 1.76 * r, 1.76 * r);
    else if (shape === 2) { context.moveTo(px, py - 1.24 * r); context.lineTo(px + 1.19 * r, py + 0.86 * r); context.lineTo(px - 1.19 * r, py + 0.86 * r); context.closePath(); }
    else { context.moveTo(px, py - 1.28 * r); context.lineTo(px + 1.28 * r, py); context.lineTo(px, py + 1.28 * r); context.lineTo(px - 1.28 * r, py); context.closePath(); }
  };
  let colours = [], ink = "", paper = "";
  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    colours = kinds.map((each) => style.getPropertyValue(`--k${each.colour}`).trim());
    ink = style.getPropertyValue("--ink").trim();
    paper = style.getPropertyValue("--paper").trim();
  };
  const mark = (k) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-6 -6 12 12");
    svg.setAttribute("class", "mark");
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    shape.setAttribute("d", SHAPES[kinds[k].shape]);
    shape.style.fill = `var(--k${kinds[k].colour})`;
    svg.append(shape);
    return svg;
  };

  // From units of the map to pixels and back.
  const unit = () => (Math.min(width, height) - 2 * EDGE) * view.scale;
  const toX = (value) => width / 2 + (value - view.x) * unit();
  const toY = (value) => height / 2 - (value - view.y) * unit();
  const isShown = (i) => !hidden.has(kind[i]) && (!matches || matches[i]);
  const radius = () => Math.min((count < 500 ? 5.5 : count < 6000 ? 3.8 : 2.6) * Math.sqrt(Math.sqrt(view.scale)), 11);

  const draw = () => {
    waiting = false;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const r = radius();
    const strokes = (picked) => {
      for (let k = 0; k < kinds.length; k++) {
        if (hidden.has(k)) continue;
        context.beginPath();
        for (const i of members[k]) {
          if (picked !== (!matches || matches[i] === 1)) continue;
          const px = toX(x[i]), py = toY(y[i]);
          if (px > -12 && px < width + 12 && py > -12 && py < height + 12) addShape(kinds[k].shape, px, py, r);
        }
        context.fillStyle = colours[k];
        context.fill();
      }
    };
    if (matches) { context.globalAlpha = 0.13; strokes(false); }
    context.globalAlpha = 0.85;
    strokes(true);
    context.globalAlpha = 1;
    for (const i of pins) if (!hidden.has(kind[i])) ring(i, r + 3.5, 1.5);
    if (current >= 0) {
      context.beginPath();
      addShape(kinds[kind[current]].shape, toX(x[current]), toY(y[current]), r * 1.6);
      context.fillStyle = colours[kind[current]];
      context.fill();
      ring(current, r * 1.6 + 4, 2);
    }
    placeCard();
  };
  const ring = (i, r, line) => {
    context.beginPath();
    context.arc(toX(x[i]), toY(y[i]), r, 0, 7);
    context.lineWidth = line + 2;
    context.strokeStyle = paper;
    context.stroke();
    context.lineWidth = line;
    context.strokeStyle = ink;
    context.stroke();
  };
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
  };
  const members = kinds.map(() => []);
  for (let i = 0; i < count; i++) members[kind[i]].push(i);

  // Sounds.
  const addresses = new Map();
  const addressOf = (i) => {
    if (!sound[i]) return data.folder === null ? "" : data.folder + path[i].split("/").map(encodeURIComponent).join("/");
    if (!addresses.has(i)) {
      const bytes = Uint8Array.from(atob(sound[i]), (letter) => letter.charCodeAt(0));
      addresses.set(i, URL.createObjectURL(new Blob([bytes], { type: data.mime })));
    }
    return addresses.get(i);
  };
  let wanted = -1;
  const play = (i) => {
    const address = addressOf(i);
    wanted = i;
    player.dataset.sound = address ? path[i] : "";
    if (!address) { tell("This sound is not in the page."); return; }
    player.src = address;
    player.play().then(
      () => { $("blocked").hidden = true; },
      (error) => {
        if (wanted !== i || error.name === "AbortError") return; // another sound was started meanwhile
        if (error.name === "NotAllowedError") $("blocked").hidden = false;
        else tell(`The browser cannot play ${path[i]}`);
      });
  };
  const stop = () => { wanted = -1; player.pause(); };
  for (const kindOfEvent of ["pointerdown", "keydown"]) {
    addEventListener(kindOfEvent, () => { $("blocked").hidden = true; }, { capture: true });
  }
  let telling = 0;
  const tell = (text) => {
    $("toast").textContent = text;
    $("toast").hidden = false;
    clearTimeout(telling);
    telling = setTimeout(() => { $("toast").hidden = true; }, 2500);
  };

  // The sound under the pointer or the keys.
  const choose = (i, options = {}) => {
    if (i === current && !options.again) return;
    current = i;
    canvas.classList.toggle("on-point", i >= 0);
    card.hidden = i < 0;
    if (i >= 0) {
      const k = kind[i], shape = card.querySelector("path");
      shape.setAttribute("d", SHAPES[kinds[k].shape]);
      shape.style.fill = `var(--k${kinds[k].colour})`;
      card.querySelector("b").textContent = name(i);
      card.querySelector(".more").textContent = describe(i);
      card.querySelector(".path").textContent = path[i].slice(0, -name(i).length);
      if (options.speak) $("status").textContent = `${name(i)}, ${describe(i)}`;
      play(i);
    }
    redraw();
  };
  const describe = (i) => `${kinds[kind[i]].label}, ${seconds[i].toFixed(2)} s, ${licences[licence[i]] || "licence unknown"}`;
  const placeCard = () => {
    if (current < 0) return;
    const box = card.getBoundingClientRect(), px = toX(x[current]), py = toY(y[current]);
    const left = px + 16 + box.width < width ? px + 16 : px - 16 - box.width;
    const top = Math.min(Math.max(py - box.height / 2, 6), height - box.height - 6);
    card.style.transform = `translate(${Math.round(Math.max(left, 4))}px, ${Math.round(Math.max(top, 4))}px)`;
  };
  const find = (px, py, most = NEAR) => {
    let best = -1, least = most * most;
    for (let i = 0; i < count; i++) {
      const dx = toX(x[i]) - px, dy = toY(y[i]) - py, distance = dx * dx + dy * dy;
      if (distance < least && isShown(i)) { least = distance; best = i; }
    }
    return best;
  };

  // Pins.
  const copy = async (text, about) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea"), focused = document.activeElement;
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      focused?.focus();
    }
    tell(`Copied ${about}`);
  };
  const pin = (i) => {
    const place = pins.indexOf(i);
    if (place >= 0) pins.splice(place, 1);
    else { pins.push(i); copy(fullPath(i), path[i]); }
    listPins();
    redraw();
  };
  const listPins = () => {
    $("pins").replaceChildren(...pins.map((i) => {
      const item = document.createElement("li"), again = document.createElement("button");
      const text = document.createElement("span");
      text.textContent = name(i);
      again.type = "button";
      again.title = path[i];
      again.append(mark(kind[i]), text);
      again.addEventListener("click", () => { show(i); choose(i, { again: true }); });
      const copier = document.createElement("button"), remover = document.createElement("button");
      copier.type = remover.type = "button";
      copier.textContent = "Copy";
      copier.setAttribute("aria-label", `Copy the path of ${name(i)}`);
      copier.addEventListener("click", () => copy(fullPath(i), path[i]));
      remover.textContent = "×";
      remover.setAttribute("aria-label", `Unpin ${name(i)}`);
      remover.addEventListener("click", () => pin(i));
      item.append(again, copier, remover);
      return item;
    }));
    $("empty").hidden = pins.length > 0;
    $("copy-pins").hidden = pins.length < 2;
  };
  $("copy-pins").addEventListener("click", () => copy(pins.map(fullPath).join("\n"), `${pins.length} paths`));

  // Kinds.
  const buttons = kinds.map((each, k) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const label = document.createElement("span"), number = document.createElement("em");
    label.textContent = each.label;
    number.textContent = members[k].length.toLocaleString("en");
    button.type = "button";
    button.dataset.kind = each.name;
    button.append(mark(k), label, number);
    button.addEventListener("click", (event) => {
      if (event.shiftKey) for (let other = 0; other < kinds.length; other++) (other === k ? hidden.delete(other) : hidden.add(other));
      else if (!hidden.delete(k)) hidden.add(k);
      refresh();
    });
    item.append(button);
    $("kinds").append(item);
    return button;
  });
  $("every").addEventListener("click", () => { hidden.clear(); refresh(); });
  $("none-of-them").addEventListener("click", () => { kinds.forEach((_, k) => hidden.add(k)); refresh(); });
  const refresh = () => {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(!hidden.has(k))));
    let shown = 0;
    for (let i = 0; i < count; i++) shown += isShown(i);
    $("count").textContent = shown === count ? `${count.toLocaleString("en")} sounds` : `${shown.toLocaleString("en")} of ${count.toLocaleString("en")}`;
    if (current >= 0 && !isShown(current)) choose(-1);
    redraw();
  };

  // Search.
  $("search").addEventListener("input", () => {
    const parts = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    matches = parts.length ? Uint8Array.from(words, (text) => parts.every((part) => text.includes(part))) : null;
    refresh();
  });
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    for (let step = 1; step <= count; step++) {
      const i = (current + step + count) % count;
      if (isShown(i)) { show(i); choose(i, { again: true, speak: true }); return; }
    }
  });

  // Zoom and pan.
  const limit = () => {
    view.scale = Math.min(Math.max(view.scale, 0.7), MOST_ZOOM);
    view.x = Math.min(Math.max(view.x, -0.1), 1.1);
    view.y = Math.min(Math.max(view.y, -0.1), 1.1);
    redraw();
  };
  const zoom = (factor, px = width / 2, py = height / 2) => {
    const before = unit(), ax = view.x + (px - width / 2) / before, ay = view.y - (py - height / 2) / before;
    view.scale = Math.min(Math.max(view.scale * factor, 0.7), MOST_ZOOM);
    view.x = ax - (px - width / 2) / unit();
    view.y = ay + (py - height / 2) / unit();
    limit();
  };
  const showAll = () => { Object.assign(view, { scale: 1, x: 0.5, y: 0.5 }); redraw(); };
  const show = (i) => {
    const px = toX(x[i]), py = toY(y[i]);
    if (px < 40 || px > width - 40 || py < 40 || py > height - 40) { view.x = x[i]; view.y = y[i]; limit(); }
  };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      if (button.dataset.zoom === "all") showAll();
      else zoom(button.dataset.zoom === "in" ? 1.6 : 1 / 1.6);
    });
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(-Math.max(Math.min(event.deltaY, 120), -120) * 0.0022), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  const pointers = new Map();
  let travelled = 0, before = -1;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    travelled = 0;
    before = current;
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = at(event), last = pointers.get(event.pointerId);
    if (!last) { choose(find(place.x, place.y)); return; }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, value]) => value);
    if (others.length) {
      const other = others[0];
      const factor = Math.hypot(place.x - other.x, place.y - other.y) / (Math.hypot(last.x - other.x, last.y - other.y) || 1);
      zoom(factor, (place.x + other.x) / 2, (place.y + other.y) / 2);
      travelled = 99;
    } else {
      travelled += Math.hypot(place.x - last.x, place.y - last.y);
      if (travelled > 4) {
        canvas.classList.add("moving");
        view.x -= (place.x - last.x) / unit();
        view.y += (place.y - last.y) / unit();
        limit();
      }
    }
    pointers.set(event.pointerId, place);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    canvas.classList.remove("moving");
  };
  canvas.addEventListener("pointerup", (event) => {
    const wasClick = pointers.size === 1 && travelled <= 4;
    release(event);
    if (!wasClick) return;
    const place = at(event), i = find(place.x, place.y);
    choose(i, { again: true });
    // A finger has no hover: its first touch plays, the second one pins.
    if (i >= 0 && (event.pointerType !== "touch" || i === before)) pin(i);
  });
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", (event) => { if (!pointers.has(event.pointerId) && document.activeElement !== canvas) choose(-1); });

  // Keys.
  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const step = ([dx, dy]) => {
    const from = current >= 0 ? { x: x[current], y: y[current] } : { x: view.x, y: view.y };
    let best = -1, least = Infinity;
    for (let i = 0; i < count; i++) {
      if (i === current || !isShown(i)) continue;
      const ahead = (x[i] - from.x) * dx + (y[i] - from.y) * dy, aside = Math.abs((x[i] - from.x) * dy) + Math.abs((y[i] - from.y) * dx);
      if (current >= 0 && (ahead <= 0 || aside > 1.5 * ahead)) continue;
      const distance = Math.hypot(ahead, 2 * aside);
      if (distance < least) { least = distance; best = i; }
    }
    if (best >= 0) { show(best); choose(best, { speak: true }); }
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (DIRECTIONS[event.key]) step(DIRECTIONS[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && current >= 0) play(current);
    else if (event.key === "p" && current >= 0) pin(current);
    else if (event.key === "+" || event.key === "=") zoom(1.6);
    else if (event.key === "-") zoom(1 / 1.6);
    else if (event.key === "0") showAll();
    else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") { stop(); choose(-1); }
    else if (event.key === "/" && document.activeElement.tagName !== "INPUT") { event.preventDefault(); $("search").focus(); }
  });

  new ResizeObserver(() => {
    const box = canvas.parentElement.getBoundingClientRect();
    ratio = Math.min(devicePixelRatio || 1, 3);
    width = box.width;
    height = box.height;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    redraw();
  }).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  readColours();
  listPins();
  refresh();
  // For tests of this page.
  window.soundMap = { count, placeOf: (i) => ({ x: toX(x[i]), y: toY(y[i]) }), current: () => current, view, isShown };
})();
