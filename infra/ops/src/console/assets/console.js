// Renews what is marked as live, every two seconds, and says when the console gives no answer.
"use strict";

const every = 2000;
const patience = 10000;
const status = document.getElementById("live");

const busy = () => {
  const focused = document.activeElement;
  return document.hidden || (focused && focused.closest("[data-live]") && focused.matches("input, textarea, select, summary"));
};

const renew = async () => {
  const parts = [...document.querySelectorAll("[data-live]")];
  if (parts.length === 0 || busy()) return;
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), patience);
  try {
    const answer = await fetch(location.href, { signal: ended.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const newer = page.getElementById(part.id);
      if (!newer) continue;
      const open = [...part.querySelectorAll("details[open][id]")].map((details) => details.id);
      for (const id of open) newer.querySelector("#" + CSS.escape(id))?.setAttribute("open", "");
      part.replaceWith(newer);
    }
    status.textContent = answer.ok ? "live" : "the stack gives no answer";
    status.className = answer.ok ? "" : "problem";
  } catch {
    status.textContent = "the console gives no answer";
    status.className = "problem";
  } finally {
    clearTimeout(timer);
  }
};

const loop = async () => {
  await renew();
  setTimeout(loop, every);
};
setTimeout(loop, every);
