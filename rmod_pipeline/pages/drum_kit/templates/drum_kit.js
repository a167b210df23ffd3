  const kit = JSON.parse(document.getElementById("kit").textContent);
  const patterns = JSON.parse(document.getElementById("patterns").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const [run, choice, tempo, force] = ["run", "pattern", "tempo", "velocity"].map((id) => document.getElementById(id));
  const buttons = Object.fromEntries(all(".pad").map((button) => [button.dataset.pad, button]));
  const keys = Object.fromEntries(all(".pad[aria-keyshortcuts]").map((button) => [button.getAttribute("aria-keyshortcuts"), button.dataset.pad]));
  const rows = all(".row").map((row) => ({ pad: row.dataset.pad, steps: all(".step", row) }));
  const LOOK_AHEAD = 0.12, FADE = 0.004;
  const SOFT = 45, ON = 85, HARD = 115;

  let context = null, loading = null, timer = 0, nextStep = 0, nextTime = 0;
  const turns = {}, sounding = [];

  // Browsers make sound only after a gesture, so nothing is decoded before the first one.
  const open = () => {
    if (!context) {
      context = new AudioContext();
      loading = Promise.all(
        Object.values(kit.pads).flatMap((pad) =>
          pad.sounds.map(async (sound) => {
            const bytes = Uint8Array.from(atob(sound.data.split(",")[1]), (letter) => letter.charCodeAt(0));
            sound.buffer = await context.decodeAudioData(bytes.buffer);
          })
        )
      );
    }
    if (context.state === "suspended") context.resume();
    return loading;
  };

  const choose = (name, velocity) => {
    const { sounds } = kit.pads[name];
    turns[name] = (turns[name] ?? -1) + 1;
    if (kit.roundRobin) return sounds[turns[name] % sounds.length];
    return sounds.find((sound) => velocity <= sound.to) ?? sounds[sounds.length - 1];
  };

  // A hit ends the one of its pad, or of its choke group, that still sounds.
  const hit = (name, velocity, time) => {
    const pad = kit.pads[name], sound = choose(name, velocity);
    if (!sound.buffer) return;
    const group = pad.choke || name;
    for (const other of sounding.filter((each) => each.group === group)) {
      other.gain.gain.setTargetAtTime(0, time, FADE);
      other.source.stop(time + 12 * FADE);
    }
    const source = new AudioBufferSourceNode(context, { buffer: sound.buffer });
    const gain = new GainNode(context, { gain: (velocity + 1) / 128 });
    source.connect(gain).connect(context.destination);
    source.start(time);
    const entry = { group, source, gain };
    sounding.push(entry);
    source.onended = () => sounding.splice(sounding.indexOf(entry), 1);
    setTimeout(() => flash(name), Math.max(0, 1000 * (time - context.currentTime)));
  };

  const flash = (name) => {
    const button = buttons[name];
    button.classList.add("hit");
    setTimeout(() => button.classList.remove("hit"), 90);
  };

  const press = async (name) => {
    await open();
    hit(name, Number(force.value), context.currentTime);
  };

  const show = (step, velocity) => {
    step.dataset.velocity = velocity;
    step.classList.toggle("soft", velocity > 0 && velocity < ON);
    step.classList.toggle("on", velocity >= ON && velocity < HARD);
    step.classList.toggle("hard", velocity >= HARD);
  };

  const load = (pattern) => {
    for (const row of rows) row.steps.forEach((step, index) => show(step, pattern.steps[row.pad][index]));
    tempo.value = pattern.bpm;
    document.getElementById("bpm").value = pattern.bpm;
  };

  const schedule = () => {
    while (nextTime < context.currentTime + LOOK_AHEAD) {
      const at = nextStep, time = nextTime;
      for (const row of rows) {
        const velocity = Number(row.steps[at].dataset.velocity);
        if (velocity) hit(row.pad, velocity, time);
      }
      setTimeout(() => timer && mark(at), Math.max(0, 1000 * (time - context.currentTime)));
      nextStep = (nextStep + 1) % rows[0].steps.length;
      nextTime += 15 / Number(tempo.value);
    }
  };

  const mark = (at) => {
    for (const row of rows) row.steps.forEach((step, index) => step.classList.toggle("now", index === at));
  };

  const toggle = async () => {
    if (timer) {
      clearInterval(timer);
      timer = 0;
      mark(-1);
    } else {
      await open();
      nextStep = 0;
      nextTime = context.currentTime + 0.05;
      timer = setInterval(schedule, 25);
    }
    run.setAttribute("aria-pressed", String(Boolean(timer)));
  };

  for (const [name, button] of Object.entries(buttons)) {
    button.addEventListener("pointerdown", () => press(name));
    // Enter on a pad that has the focus; a click of the pointer was a pointerdown already.
    button.addEventListener("click", (event) => event.detail === 0 && press(name));
  }
  for (const row of rows)
    for (const step of row.steps)
      step.addEventListener("click", () => {
        const velocity = Number(step.dataset.velocity);
        show(step, velocity === 0 ? ON : velocity === ON ? HARD : velocity === HARD ? SOFT : 0);
      });
  run.addEventListener("click", toggle);
  choice.addEventListener("change", () => load(patterns[Number(choice.value)]));
  tempo.addEventListener("input", () => (document.getElementById("bpm").value = tempo.value));
  force.addEventListener("input", () => (document.getElementById("hit").value = force.value));
  document.getElementById("clear").addEventListener("click", () => rows.forEach((row) => row.steps.forEach((step) => show(step, 0))));
  addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    const name = keys[event.key.toLowerCase()];
    if (name) press(name);
    if (event.key === " " && !event.target.matches(".step, .pad, #clear")) {
      event.preventDefault();
      if (event.target !== run) toggle();
      else run.click();
    }
  });
  load(patterns[0]);
