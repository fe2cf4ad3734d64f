// What every page does with a script; without one every page still works.
"use strict";

// One press sends a form once: the server would know by the form's key, but a person should see it.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button) return;
  if (button.getAttribute("aria-disabled") === "true") {
    event.preventDefault();
    return;
  }
  if (event.target.method === "post") {
    button.setAttribute("aria-disabled", "true");
    if (button.dataset.sending) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.sending;
    }
  }
});
// A page that comes back from the browser's history has its buttons again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-disabled]")) {
    button.removeAttribute("aria-disabled");
    if (button.dataset.label) button.textContent = button.dataset.label;
  }
});

const bar = document.querySelector("[data-offline]");
const showLine = () => { if (bar) bar.hidden = navigator.onLine; };
addEventListener("online", showLine);
addEventListener("offline", showLine);
showLine();

document.querySelector("[data-focus]")?.focus();
document.querySelector("[data-again]")?.addEventListener("click", () => location.reload());

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied;
  });
}

// Signing out: nothing personal stays on a shared device, whatever the browser makes of Clear-Site-Data.
async function forget() {
  for (const name of await caches.keys()) if (name.startsWith("personal")) await caches.delete(name);
  for (const name of ["card", "pocket"]) indexedDB.deleteDatabase(name);
}
if (document.querySelector("[data-signed-out]") && "caches" in window) forget();

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
