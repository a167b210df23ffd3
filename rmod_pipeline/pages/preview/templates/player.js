  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  let active = null;

  // Some browsers refuse a long data: URI in a media element; a blob plays and seeks in all of them.
  const useBlob = (audio) => {
    if (audio.dataset.blob) return;
    audio.dataset.blob = "yes";
    const [head, text] = audio.getAttribute("src").split(",");
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    // Chromium pauses what is preloaded in part, and fails to resume a FLAC of a single block.
    audio.preload = "auto";
    audio.src = URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(";")) }));
  };

  // A sound as long as the mixture also moves the playhead in the mixture's pictures.
  const playheads = (player) =>
    player.classList.contains("whole") ? [player, player.closest(".pair").querySelector(".time")] : [player];

  const draw = () => {
    if (!active) return;
    const { player, audio } = active;
    const position = Math.min(audio.currentTime / Number(player.dataset.seconds), 1);
    for (const element of playheads(player)) element.style.setProperty("--at", position);
    if (!audio.paused) requestAnimationFrame(draw);
  };

  const stop = () => {
    if (!active) return;
    const { player, audio } = active;
    active = null;
    audio.pause();
    player.classList.remove("playing");
    for (const element of playheads(player)) element.classList.remove("started");
    player.querySelector(".play").setAttribute("aria-pressed", "false");
  };

  const play = (player, share = 0) => {
    stop();
    const audio = player.querySelector("audio");
    useBlob(audio);
    const request = { player, audio };
    active = request;
    audio.onended = stop;
    player.classList.add("playing");
    player.querySelector(".play").setAttribute("aria-pressed", "true");
    for (const element of playheads(player)) element.classList.add("started");
    const start = () => {
      if (active !== request) return; // another sound was started while this one was loading
      audio.currentTime = share * Number(player.dataset.seconds);
      audio.play().then(draw, () => active === request && stop());
    };
    if (audio.readyState > 0) start();
    else {
      audio.addEventListener("loadedmetadata", start, { once: true });
      audio.load();
    }
  };

  const toggle = (player) => (active && active.player === player ? stop() : play(player));

  for (const player of all(".player")) {
    player.querySelector(".play").addEventListener("click", () => toggle(player));
    for (const area of all(".seek", player)) {
      const scale = area.firstElementChild && area.classList.contains("small") ? area.firstElementChild : area;
      area.addEventListener("click", (event) => {
        const box = scale.getBoundingClientRect();
        play(player, Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.999));
      });
    }
  }
