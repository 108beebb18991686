"use strict";
// Makes the page live: everything here also works without it, by reloading pages.

document.documentElement.classList.add("scripted");

// A choice of language or colours, or of a filter, takes effect at once.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.matches("[data-submit]")) field.form.requestSubmit();
  if (field.matches("[data-filters] select")) field.form.requestSubmit();
});

// Filters that are left empty stay out of the address.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-filters]")) return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("[data-filters] :disabled")) field.disabled = false;
});

// A part of the page that is fetched again every few seconds.
class Live {
  constructor(part) {
    this.name = part.dataset.live;
    this.every = Number(part.dataset.every) * 1000;
    this.switch = document.querySelector("[data-live-switch]");
    this.wait(this.every);
  }

  get part() {
    return document.querySelector(`[data-live="${this.name}"]`);
  }

  // Nothing moves while somebody reads, types or points at it.
  get isBusy() {
    const part = this.part;
    const chosen = document.getSelection();
    return document.hidden
      || (this.switch && !this.switch.checked)
      || part.contains(document.activeElement)
      || part.matches(":hover")
      || (!chosen.isCollapsed && part.contains(chosen.anchorNode));
  }

  wait(pause) {
    setTimeout(() => this.turn(), pause);
  }

  async turn() {
    let pause = this.every;
    try {
      if (!this.isBusy) await this.refresh();
    } catch {
      pause = this.every * 4;
    }
    if (this.part) this.wait(pause);
  }

  async refresh() {
    const answer = await fetch(location.href, { headers: { "X-Fragment": this.name } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(`[data-live="${this.name}"]`);
    const part = this.part;
    if (!fresh || this.isBusy || fresh.innerHTML === part.innerHTML) return undefined;
    const known = new Set([...part.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
    const opened = [...part.querySelectorAll("details")].map((each) => each.open);
    part.replaceWith(fresh);
    [...fresh.querySelectorAll("details")].forEach((each, n) => { each.open = opened[n] ?? false; });
    if (known.size) {
      for (const row of fresh.querySelectorAll("[data-id]")) {
        if (!known.has(row.dataset.id)) row.classList.add("fresh");
      }
    }
    return undefined;
  }
}

for (const part of document.querySelectorAll("[data-live]")) new Live(part);

// In a list the arrow keys go from row to row.
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = event.target.closest?.(".rows tbody tr");
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const link = next?.querySelector("th a");
  if (link) {
    event.preventDefault();
    link.focus();
  }
});

// A file that is chosen is shown before it is sent, where it can be edited.
document.addEventListener("change", async (event) => {
  const field = event.target;
  if (!field.matches("[data-text-into]") || !field.files.length) return;
  document.getElementById(field.dataset.textInto).value = await field.files[0].text();
  field.value = "";
});

// The place of a fault is selected in the text.
document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-line]");
  const text = place && document.getElementById(place.hash.slice(1));
  if (!text) return;
  event.preventDefault();
  const lines = text.value.split("\n");
  const line = Math.max(1, Number(place.dataset.line));
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  text.scrollTop = (line - 4) * Number.parseFloat(getComputedStyle(text).lineHeight);
  text.scrollIntoView({ block: "center" });
});
