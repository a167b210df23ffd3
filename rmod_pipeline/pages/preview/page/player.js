  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  let sounding = null;

  // A blob plays and seeks everywhere; some browsers refuse a long data: address in a media element.
  const ready = (audio) => {
    if (audio.dataset.ready) return;
    audio.dataset.ready = "yes";
    const [head, text] = audio.getAttribute("src").split(",");
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    audio.src = URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(";")) }));
  };

  // A sound as long as the mixture moves the head through the mixture's pictures too.
  const heads = (player) =>
    player.classList.contains("whole") ? [player, player.closest(".pair").querySelector(".time")] : [player];

  const draw = () => {
    if (!sounding) return;
    const { player, audio } = sounding;
    const at = Math.min(audio.currentTime / Number(player.dataset.seconds), 1);
    for (const element of heads(player)) element.style.setProperty("--at", at);
    if (!audio.paused) requestAnimationFrame(draw);
  };

  const stop = () => {
    if (!sounding) return;
    const { player, audio } = sounding;
    sounding = null;
    audio.pause();
    player.classList.remove("playing");
    for (const element of heads(player)) element.classList.remove("started");
    player.querySelector(".play").setAttribute("aria-pressed", "false");
  };

  const play = (player, share = 0) => {
    stop();
    const audio = player.querySelector("audio");
    ready(audio);
    const mine = { player, audio };
    sounding = mine;
    audio.onended = stop;
    player.classList.add("playing");
    player.querySelector(".play").setAttribute("aria-pressed", "true");
    for (const element of heads(player)) element.classList.add("started");
    const start = () => {
      if (sounding !== mine) return; // another sound was asked for while this one was loading
      audio.currentTime = share * Number(player.dataset.seconds);
      audio.play().then(draw, () => sounding === mine && stop());
    };
    if (audio.readyState > 0) start();
    else {
      audio.addEventListener("loadedmetadata", start, { once: true });
      audio.load();
    }
  };

  const toggle = (player) => (sounding && sounding.player === player ? stop() : play(player));

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
