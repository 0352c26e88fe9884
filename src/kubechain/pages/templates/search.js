"use strict";
(() => {
  const form = document.getElementById("search");
  if (!form) return;
  const words = document.getElementById("words");
  const found = document.getElementById("found");
  const chips = [...form.querySelectorAll("[data-filter]")];
  const talk = document.getElementById("talk");
  const texts = new WeakMap();
  let opened = [];
  let place = -1;
  form.hidden = false;

  const textOf = (entry) => {
    if (!texts.has(entry)) texts.set(entry, entry.textContent.toLowerCase());
    return texts.get(entry);
  };

  function ranges(entry, wanted) {
    const list = [];
    const walker = document.createTreeWalker(entry, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      for (let at = text.indexOf(wanted); at >= 0 && list.length < 200; at = text.indexOf(wanted, at + wanted.length)) {
        if (at + wanted.length > node.data.length) break;
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        list.push(range);
      }
    }
    return list;
  }

  function mark(matches, wanted) {
    if (!window.CSS || !CSS.highlights) return;
    CSS.highlights.delete("found");
    if (wanted.length < 2) return;
    const list = matches.slice(0, 400).flatMap((entry) => ranges(entry, wanted));
    if (list.length) CSS.highlights.set("found", new Highlight(...list));
  }

  function open(matches, wanted) {
    for (const each of opened) each.open = false;
    opened = [];
    if (wanted.length < 2) return;
    for (const entry of matches.slice(0, 50))
      for (const each of entry.querySelectorAll("details:not([open])"))
        if (each.textContent.toLowerCase().includes(wanted)) { each.open = true; opened.push(each); }
  }

  function apply() {
    const wanted = words.value.trim().toLowerCase();
    const filters = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.filter);
    const entries = [...talk.children];
    const matches = entries.filter((entry) => {
      const has = (entry.dataset.has || "").split(" ");
      return (!filters.length || filters.some((filter) => has.includes(filter))) && (!wanted || textOf(entry).includes(wanted));
    });
    const kept = new Set(matches);
    for (const entry of entries) entry.hidden = !kept.has(entry);
    const isSearch = wanted || filters.length;
    found.textContent = isSearch ? `${matches.length} of ${entries.length}` : "";
    mark(matches, wanted);
    open(matches, wanted);
    place = -1;
    return matches;
  }

  let timer = 0;
  words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 60); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const shown = [...talk.children].filter((entry) => !entry.hidden);
    if (!shown.length) return;
    place = (place + 1) % shown.length;
    shown[place].scrollIntoView({ block: "start" });
    found.textContent = `${place + 1} of ${shown.length}`;
  });
  for (const chip of chips)
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) {
      event.preventDefault();
      words.focus();
    }
  });

  // A link of the timeline opens what it leads to.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") each.open = true;
      if (each.hidden && talk.contains(each)) each.hidden = false;
    }
    if (target) target.scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  document.addEventListener("kubechain:changed", () => { if (found.textContent) apply(); });
})();
