"use strict";
// The list of all cases. Foreign text reaches the page through textContent only.
(() => {
  const WORDS = { p: "✓ passed", f: "✕ failed", r: "↻ recovered", s: "– skipped", q: "◌ quarantined", m: "! missing" };
  const TONES = { p: "good", f: "bad", r: "warn", s: "muted", q: "muted", m: "warn" };
  const RANK = "fmrqsp";
  const MOST_ROWS = 250000; // 36 px each: browsers stop at some 17 million px
  const byId = (id) => document.getElementById(id);

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function seconds(ms) {
    if (ms < 100) return ms + " ms";
    if (ms < 9995) return (ms / 1000).toFixed(2) + " s";
    if (ms < 59950) return (ms / 1000).toFixed(1) + " s";
    const whole = Math.round(ms / 1000);
    return Math.floor(whole / 60) + "m " + (whole % 60) + "s";
  }

  async function unpack(id) {
    const packed = atob(byId(id).textContent.trim());
    const bytes = new Uint8Array(packed.length);
    for (let place = 0; place < packed.length; place++) bytes[place] = packed.charCodeAt(place);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function addCopyButton(box) {
    const button = element("button", "copy", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      const code = box.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
    box.append(button);
  }

  function commandBox(command) {
    const box = element("div", "command");
    box.append(element("code", "", command));
    addCopyButton(box);
    return box;
  }

  // A closed cause gets its buttons when it is opened: most never are.
  const addCopyButtons = (within) => within.querySelectorAll(".command:not(:has(.copy))").forEach(addCopyButton);
  document.querySelectorAll("details.cause").forEach((cause) => {
    cause.addEventListener("toggle", () => { if (cause.open) addCopyButtons(cause); });
  });
  document.querySelectorAll(".command").forEach((box) => {
    if (!box.closest("details.cause:not([open])")) addCopyButton(box);
  });
  function openTarget() {
    const target = location.hash.startsWith("#cause-") && byId(location.hash.slice(1));
    if (target) target.open = true;
  }
  addEventListener("hashchange", openTarget);
  openTarget();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

  const list = byId("list");
  if (!list) return;
  if (typeof DecompressionStream === "undefined") {
    byId("count").textContent = "This browser cannot unpack the list of all tests; everything above is complete.";
    return;
  }

  async function start() {
    const data = await unpack("case-data");
    const total = data.name.length;
    const groups = data.group.map((words) => words.toLowerCase());
    const groupAt = Uint32Array.from(data.of);
    const buffer = new Uint32Array(total);
    let lowered = null;
    // One text of all names: to lower it and to search in it is one call of the browser's own code instead of 100,000.
    function lowerNames() {
      if (lowered) return lowered;
      const text = data.name.join("\n").toLowerCase() + "\n", starts = new Uint32Array(total + 1);
      for (let index = 0; index < total; index++) starts[index + 1] = text.indexOf("\n", starts[index]) + 1;
      return (lowered = { text, starts });
    }
    const narrow = matchMedia("(max-width: 760px)");
    const spacer = list.firstElementChild;
    const state = { text: "", verdicts: new Set(), shard: "", sort: "verdict", key: "" };
    let remembering = 0;
    const sorted = new Map();
    const blocks = new Map();
    const rows = [], drawn = [];
    let shown = buffer.subarray(0, 0), active = -1;
    const rowHeight = () => (narrow.matches ? 76 : 36);
    const groupOf = (index) => data.group[data.of[index]];
    const fileOf = (index) => data.groupFile[data.of[index]];
    const shardOf = (index) => (data.shard ? data.shard[index] : -1);
    const partOf = (index) => (shardOf(index) < 0 ? "" : data.part + data.shards[shardOf(index)]);
    const nodeId = (index) => groupOf(index) + data.name[index];
    const keyOf = (index) => data.suites[data.groupSuite[data.of[index]]] + "/" + nodeId(index);

    function hits(word) {
      // 1 for every case that has the word in its group, in its name, or across the end of the one and the start of the
      // other, which only a word with a colon can be.
      const { text, starts } = lowerNames();
      const inGroup = groups.map((words) => (words.includes(word) ? 1 : 0));
      const found = new Uint8Array(total);
      let index = 0;
      if (inGroup.includes(1)) for (let one = 0; one < total; one++) found[one] = inGroup[groupAt[one]];
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, starts[index])) {
        while (starts[index + 1] <= at) index++;
        found[index++] = 1;
        if (index >= total) break;
      }
      const tails = tailsOf(word);
      if (tails) {
        for (index = 0; index < total; index++) {
          if (found[index]) continue;
          for (const tail of tails[groupAt[index]]) if (text.startsWith(tail, starts[index])) found[index] = 1;
        }
      }
      return found;
    }

    // What a name must start with to make the word whole that its group ends in, for each group; null for no group.
    function tailsOf(word) {
      // Every group ends in colons, so that only a part of the word that does can be its end.
      const cuts = [];
      for (let cut = 1; cut < word.length; cut++) if (word[cut - 1] === ":") cuts.push(cut);
      if (!cuts.length) return null;
      const tails = groups.map((words) => cuts.filter((cut) => words.endsWith(word.slice(0, cut))).map((cut) => word.slice(cut)));
      return tails.some((ends) => ends.length) ? tails : null;
    }

    function keepHits(found, word) {
      const { text, starts } = lowerNames(), tails = tailsOf(word);
      const inGroup = groups.map((words) => words.includes(word));
      for (let index = 0; index < total; index++) {
        if (!found[index] || inGroup[groupAt[index]]) continue;
        const name = text.slice(starts[index], starts[index + 1]);
        if (name.includes(word)) continue;
        if (!tails || !tails[groupAt[index]].some((tail) => name.startsWith(tail))) found[index] = 0;
      }
    }

    function inOrder(sort) {
      // Sorted once for each order: what is searched for changes with every key, the order does not.
      if (sorted.has(sort)) return sorted.get(sort);
      let order = Uint32Array.from({ length: total }, (_, index) => index);
      if (sort === "time") order.sort((a, b) => data.ms[b] - data.ms[a] || a - b);
      if (sort === "verdict") {
        const places = [...RANK].map(() => []);
        for (let index = 0; index < total; index++) places[RANK.indexOf(data.verdict[index])].push(index);
        order = Uint32Array.from(places.flat());
      }
      sorted.set(sort, order);
      return order;
    }

    function choose() {
      // The longest word leaves the fewest cases, and of those alone the others are asked.
      const words = state.text.toLowerCase().split(/\s+/).filter(Boolean).sort((a, b) => b.length - a.length);
      const found = words.length ? hits(words[0]) : null;
      for (const word of words.slice(1)) keepHits(found, word);
      const shard = state.shard === "" ? null : +state.shard;
      const order = inOrder(state.sort), hasVerdicts = state.verdicts.size > 0;
      let count = 0;
      for (let place = 0; place < total; place++) {
        const index = order[place];
        if (found && !found[index]) continue;
        if (hasVerdicts && !state.verdicts.has(data.verdict[index])) continue;
        if (shard !== null && shardOf(index) !== shard) continue;
        buffer[count++] = index;
      }
      const cut = count > MOST_ROWS ? " (the first " + MOST_ROWS.toLocaleString("en") + " listed)" : "";
      byId("count").textContent = count.toLocaleString("en") + " of " + total.toLocaleString("en") + " tests" + cut;
      shown = buffer.subarray(0, Math.min(count, MOST_ROWS));
      active = -1;
      list.scrollTop = 0;
      list.removeAttribute("aria-activedescendant");
      list.setAttribute("aria-rowcount", String(count));
      redraw();
    }

    function redraw() {
      spacer.style.height = shown.length * rowHeight() + "px";
      drawn.fill(-1);
      draw();
    }

    // Row elements are made once and told anew what they show: making them again costs most of a search.
    function draw() {
      const height = rowHeight();
      const first = Math.max(Math.floor(list.scrollTop / height) - 1, 0);
      const last = Math.min(first + Math.ceil(list.clientHeight / height) + 2, shown.length);
      while (rows.length < last - first) { rows.push(makeRow()); drawn.push(-1); }
      // Each place has its element, so that scrolling by a row fills one element and leaves the others.
      const wanted = new Array(rows.length).fill(-1);
      for (let place = first; place < last; place++) wanted[place % rows.length] = place;
      wanted.forEach((place, at) => {
        const row = rows[at];
        if (place < 0) row.remove();
        else {
          if (!row.isConnected) spacer.append(row);
          if (drawn[at] !== place) fillRow(row, place, height);
          row.classList.toggle("active", place === active);
        }
        drawn[at] = place;
      });
    }

    function makeRow() {
      const row = element("div", "row");
      row.setAttribute("role", "row");
      const name = element("span", "name mono");
      name.append(element("span", "file"), element("span"));
      row.append(element("span"), name, element("span", "shard"), element("span", "time num"));
      for (const cell of row.children) cell.setAttribute("role", "cell");
      row.addEventListener("click", () => { move(row.place); show(shown[row.place]); });
      return row;
    }

    function fillRow(row, place, height) {
      const index = shown[place], verdict = data.verdict[index], group = groupOf(index);
      const [mark, name, part, time] = row.children, [file, own] = name.children;
      row.place = place;
      row.id = "row-" + place;
      row.setAttribute("aria-rowindex", String(place + 1));
      row.style.top = place * height + "px";
      mark.className = "verdict " + TONES[verdict];
      mark.textContent = WORDS[verdict];
      name.title = nodeId(index);
      file.hidden = !group;
      file.textContent = narrow.matches ? group.slice(0, -2) : group;
      own.textContent = data.name[index];
      part.textContent = partOf(index);
      time.textContent = verdict === "m" ? "" : seconds(data.ms[index]);
    }

    function move(place) {
      if (!shown.length) return;
      active = Math.min(Math.max(place, 0), shown.length - 1);
      const top = active * rowHeight();
      if (top < list.scrollTop) list.scrollTop = top;
      else if (top + rowHeight() > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight() - list.clientHeight;
      draw();
      list.setAttribute("aria-activedescendant", "row-" + active);
    }

    // Texts come in blocks, each unpacked when a case of it is opened first; two of them are kept.
    async function textsOf(index) {
      const block = data.textStarts.findLastIndex((first) => first <= index);
      if (block < 0) return {};
      if (!blocks.has(block)) {
        if (blocks.size > 1) blocks.delete(blocks.keys().next().value);
        blocks.set(block, unpack("case-texts-" + block));
      }
      return (await blocks.get(block))[index] ?? {};
    }

    async function show(index) {
      const more = await textsOf(index);
      const body = byId("case-body"), verdict = data.verdict[index];
      byId("case-name").textContent = nodeId(index);
      const parts = verdict === "m" ? [WORDS[verdict]] : [WORDS[verdict], seconds(data.ms[index])];
      if (partOf(index)) parts.push(partOf(index));
      body.replaceChildren(element("p", "", parts.join(" · ")));
      if (more.note) body.append(element("p", "", more.note));
      for (const attempt of more.attempts ?? []) body.append(element("p", "muted", attempt));
      for (const [title, text] of more.texts ?? []) {
        body.append(element("h3", "", title));
        const block = element("pre", "", text);
        block.tabIndex = 0;
        body.append(block);
      }
      if (more.replay) body.append(element("h3", "", "Reproduce"), commandBox(more.replay));
      if (more.url) {
        const link = element("a", "", "Show the file");
        link.href = more.url;
        body.append(link);
      }
      if (more.cut) body.append(element("p", "muted", "The text is left out here to keep the page small; the run's artifacts have it."));
      remember(keyOf(index));
      if (!byId("case").open) byId("case").showModal();
    }

    function remember(key) {
      clearTimeout(remembering);
      state.key = key;
      const said = new URLSearchParams();
      if (state.text) said.set("q", state.text);
      if (state.verdicts.size) said.set("v", [...state.verdicts].join(""));
      if (state.shard !== "") said.set("s", data.shards[state.shard]);
      if (state.sort !== "verdict") said.set("sort", state.sort);
      if (key) said.set("t", key);
      const hash = said.toString();
      history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
    }

    function recall() {
      if (location.hash.startsWith("#cause-") || !location.hash.includes("=")) return false;
      const said = new URLSearchParams(location.hash.slice(1));
      state.text = said.get("q") ?? "";
      state.verdicts = new Set([...(said.get("v") ?? "")].filter((one) => one in WORDS));
      const shard = data.shards.indexOf(said.get("s") ?? "");
      state.shard = shard < 0 ? "" : String(shard);
      if (shard >= 0) fillShards();
      state.sort = ["name", "time", "verdict"].includes(said.get("sort")) ? said.get("sort") : "verdict";
      controls();
      choose();
      const key = said.get("t");
      const index = key === null ? -1 : data.name.findIndex((_, one) => keyOf(one) === key);
      if (index >= 0) show(index);
      return true;
    }

    function controls() {
      byId("search").value = state.text;
      byId("sort").value = state.sort;
      byId("shard").value = state.shard;
      byId("chips").querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(state.verdicts.has(one.value))));
    }

    function changed() { choose(); remember(""); }

    for (const verdict of RANK) {
      const count = data.verdict.split(verdict).length - 1;
      if (!count) continue;
      const chip = element("button", "", WORDS[verdict] + " " + count.toLocaleString("en"));
      chip.type = "button";
      chip.value = verdict;
      chip.setAttribute("aria-pressed", "false");
      chip.addEventListener("click", () => {
        if (!state.verdicts.delete(verdict)) state.verdicts.add(verdict);
        controls();
        changed();
      });
      byId("chips").append(chip);
    }
    function fillShards() {
      if (byId("shard").length > 1) return;
      data.shards.forEach((label, index) => byId("shard").append(new Option(data.part + label, String(index))));
    }
    // Hundreds of choices are made when somebody is about to choose.
    if (data.shards.length <= 20) fillShards();
    for (const about of ["focus", "pointerdown"]) byId("shard").addEventListener(about, fillShards);
    byId("shard").hidden = data.shards.length < 2;
    byId("search").addEventListener("input", (event) => {
      state.text = event.target.value;
      choose();
      // Not with every key: to change the address takes longer than to search, and Safari refuses to after 100 times.
      clearTimeout(remembering);
      remembering = setTimeout(() => remember(state.key), 150);
    });
    byId("sort").addEventListener("change", (event) => { state.sort = event.target.value; changed(); });
    byId("shard").addEventListener("change", (event) => { state.shard = event.target.value; changed(); });
    byId("close").addEventListener("click", () => byId("case").close());
    byId("case").addEventListener("close", () => remember(""));
    list.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    list.addEventListener("keydown", (event) => {
      const page = Math.floor(list.clientHeight / rowHeight());
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
      if (step) { event.preventDefault(); move(active + step); }
      else if (event.key === "Enter" && active >= 0) show(shown[active]);
    });
    narrow.addEventListener("change", redraw);
    addEventListener("resize", draw);
    addEventListener("hashchange", recall);
    byId("tools").hidden = false;
    // As high as its rows where they are few; never changed by a search, which would move all that stands below.
    list.style.height = "min(" + (Math.max(total, 2) * rowHeight() + 2) + "px, 62vh, 620px)";
    list.classList.remove("still");
    spacer.replaceChildren();
    if (!recall()) choose();
    // The first key pressed must not wait for 100,000 names.
    setTimeout(lowerNames, 200);
  }

  start().catch((error) => { byId("count").textContent = "The list of all tests cannot be shown: " + error.message; });
})();
