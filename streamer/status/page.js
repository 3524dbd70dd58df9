"use strict";
// Brings in the pieces that changed, and keeps the ages up. The page is whole without it.
const root = document.documentElement;
const link = document.getElementById("link");
let ahead = 0; // how far the server's clock is ahead of ours, ms

const UNITS = [[172800, 86400, "d"], [7200, 3600, "h"], [120, 60, "min"], [0, 1, "s"]];
const ago = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const [, by, unit] = UNITS.find(([least]) => whole >= least);
  return `${Math.floor(whole / by)} ${unit}`;
};

const tick = () => {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = ago((Date.now() + ahead - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
};

const show = (message) => {
  const { now, title, pieces, rows, all } = JSON.parse(message.data);
  ahead = now - Date.now();
  document.title = title;
  for (const [id, html] of Object.entries(pieces)) document.getElementById(id).innerHTML = html;
  if (all) document.getElementById("sources").innerHTML = Object.values(rows).join("");
  else for (const [id, html] of Object.entries(rows)) document.getElementById(id).outerHTML = html;
  tick();
};

const say = (how, text) => {
  link.className = how;
  link.textContent = text;
};

const listen = () => {
  const stream = new EventSource("/live");
  stream.onopen = () => say("live", "live");
  stream.onmessage = show;
  stream.onerror = () => {
    say("lost", "not connected");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 10000); // refused; else it tries again by itself
  };
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const code = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "selected";
  }
});

root.classList.add("js");
setInterval(tick, 1000);
listen();
