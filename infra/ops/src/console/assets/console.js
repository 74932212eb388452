// Renews what is marked as live, every two seconds, and says when the console gives no answer.
"use strict";

const every = 2000;
const patience = 10000;
const status = document.getElementById("live");

const busy = () => {
  const focused = document.activeElement;
  return document.hidden || (focused && focused.closest("[data-live]") && focused.matches("input, textarea, select, summary"));
};

const inside = "a[href], button, summary, input, select, textarea";
const scrolled = (part) => [part, ...part.querySelectorAll("*")];

// What an element is known by when the part is a new one: where a link leads to, what a field is called. Its text may
// hold figures that have changed.
const known = (element) => element?.getAttribute("href") ?? (element?.id || element?.getAttribute("name") || element?.textContent);

// Where the user is in a part: what has the focus, and how far it is scrolled.
const placeOf = (part) => ({
  focused: [...part.querySelectorAll(inside)].indexOf(document.activeElement),
  known: known(document.activeElement),
  scrolled: scrolled(part).map((element) => [element.scrollLeft, element.scrollTop]),
});

const restore = (part, place) => {
  scrolled(part).forEach((element, at) => {
    const [left, top] = place.scrolled[at] ?? [0, 0];
    if (left || top) element.scrollTo(left, top);
  });
  if (place.focused < 0) return;
  const all = [...part.querySelectorAll(inside)];
  const same = known(all[place.focused]) === place.known ? all[place.focused] : all.find((one) => known(one) === place.known);
  same?.focus({ preventScroll: true });
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
      const place = placeOf(part);
      part.replaceWith(newer);
      restore(newer, place);
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

// Checks what stands in a form while somebody writes it. A form with `data-check="ADDRESS"` is posted there after a
// pause in typing; the answer is a page, of which the element with the id `faults` is shown in place of the form's own.
// Without script, a button with `formaction="ADDRESS"` shows that page.
const pause = 400;

for (const form of document.querySelectorAll("form[data-check]")) {
  const faults = form.querySelector("#faults");
  let timer = 0;
  let asked = new AbortController();
  const forget = () => {
    clearTimeout(timer);
    asked.abort();
    asked = new AbortController();
  };
  const check = async () => {
    const { signal } = asked;
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.dataset.check, { method: "POST", body, signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const newer = page.getElementById("faults");
      if (signal.aborted) return;
      faults.className = newer ? newer.className : "problem";
      faults.replaceChildren(...(newer ? newer.childNodes : ["Not checked: this page is older than the console. Load it again."]));
    } catch {
      if (signal.aborted) return;
      faults.className = "problem";
      faults.replaceChildren("Not checked: the console gives no answer.");
    }
  };
  form.addEventListener("input", () => {
    forget();
    timer = setTimeout(check, pause);
  });
  form.addEventListener("submit", forget);
}
