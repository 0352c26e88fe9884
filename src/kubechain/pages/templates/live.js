"use strict";
(() => {
  const address = document.body.dataset.events;
  const link = document.getElementById("link");
  const filters = document.getElementById("filters");
  if (!address) return;

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  };

  function replace(old, fresh) {
    // What a person has opened stays open, and a form that waits keeps what was typed: a request never changes.
    if (old.classList.contains("ask")) return;
    for (const each of old.querySelectorAll("details[id][open]")) {
      const same = fresh.querySelector(`#${CSS.escape(each.id)}`);
      if (same) same.open = true;
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.closest("[id]") : null;
    old.replaceWith(fresh);
    if (focused && focused !== old) document.getElementById(focused.id)?.focus();
  }

  function show(update) {
    const made = new Map();
    for (const [id, html] of Object.entries(update.html)) {
      const old = document.getElementById(id);
      const fresh = parsed(html);
      if (old) replace(old, fresh);
      else made.set(id, fresh);
    }
    for (const [box, ids] of Object.entries(update.order)) {
      const parent = document.getElementById(box);
      const wanted = new Set(ids);
      for (const each of [...parent.children]) if (!wanted.has(each.id)) each.remove();
      ids.forEach((id, place) => {
        const part = made.get(id) || document.getElementById(id);
        if (part && parent.children[place] !== part) parent.insertBefore(part, parent.children[place] || null);
      });
    }
    document.dispatchEvent(new Event("kubechain:changed"));
    ages();
    filter();
  }

  function say(text, kind) {
    link.textContent = text;
    link.className = kind;
  }

  function ages() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
      time.textContent = seconds < 60 ? `${seconds}s` : seconds < 3600 ? `${Math.floor(seconds / 60)}m`
        : seconds < 86400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86400)}d`;
    }
  }

  function filter() {
    if (!filters) return;
    const rows = [...document.querySelectorAll("#rows > tr")];
    for (const name of ["namespace", "agent", "state"]) {
      const select = filters.elements[name];
      const known = new Set([...select.options].map((option) => option.value));
      for (const value of new Set(rows.map((row) => row.dataset[name])))
        if (value && !known.has(value)) select.add(new Option(value, value));
    }
    const words = filters.elements.words.value.trim().toLowerCase();
    for (const row of rows)
      row.hidden = ["namespace", "agent", "state"].some((name) => filters.elements[name].value && filters.elements[name].value !== row.dataset[name])
        || !row.textContent.toLowerCase().includes(words);
  }

  if (filters) {
    filters.addEventListener("input", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    setInterval(ages, 10000);
  }
  say("connecting", "waiting");
  const events = new EventSource(address);
  events.addEventListener("open", () => say("live", "good"));
  events.addEventListener("error", () => say("kubechain ui has ended, or cannot be reached: reconnecting", "bad"));
  events.addEventListener("parts", (event) => show(JSON.parse(event.data)));
  events.addEventListener("trouble", (event) => {
    const trouble = JSON.parse(event.data);
    if (!trouble.text) say("live", "good");
    else if (trouble.isOver) { say(trouble.text, "bad"); events.close(); }
    else say(`reconnecting: ${trouble.text}`, "waiting");
  });
})();
