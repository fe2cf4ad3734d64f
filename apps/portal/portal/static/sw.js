// Keeps the files of one release, the pages for everybody, and the member's own pages that must work without a network.
// VERSION and FILES stand above: the server writes them.
"use strict";

const SHARED = `shared-${VERSION}`;
const PERSONAL = "personal-1";
const PAGES = ["/offline", "/verify"];
const KEPT_FOR_ALL = ["/", "/verify", "/offline", "/join"];
const KEPT_FOR_ME = ["/member/card"];
const AT_ONCE = ["/verify", "/member/card"]; // shown as they were, and renewed for the next time
const PATIENCE_MS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(SHARED);
    await cache.addAll(FILES);
    await Promise.all(PAGES.map(async (path) => keep(cache, path, await fetch(path, { credentials: "same-origin" }))));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("shared-") && name !== SHARED) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method !== "GET") {
    // What is kept may be wrong after a change: the next view asks anew.
    event.waitUntil(caches.delete(PERSONAL));
    return;
  }
  if (url.pathname.startsWith("/static/")) event.respondWith(kept(request));
  else if (request.mode === "navigate") event.respondWith(navigated(request, url));
});

// A file's address has its release in it: what is kept is right for good.
async function kept(request) {
  return (await caches.match(request)) || fetch(request);
}

async function navigated(request, url) {
  const forMe = KEPT_FOR_ME.includes(url.pathname);
  const forAll = KEPT_FOR_ALL.includes(url.pathname) && !url.search;
  try {
    if (AT_ONCE.includes(url.pathname)) {
      const there = await caches.match(url.pathname);
      if (there) {
        renew(request, url.pathname, forMe ? PERSONAL : SHARED);
        return there;
      }
    }
    const response = await timely(fetch(request), forMe || forAll);
    if (response.ok && !response.redirected && (forMe || forAll)) {
      const cache = await caches.open(forMe ? PERSONAL : SHARED);
      await keep(cache, url.pathname, response.clone());
    }
    return response;
  } catch {
    const cache = await caches.open(forMe ? PERSONAL : SHARED);
    return (await cache.match(url.pathname)) || (await caches.match("/offline")) || Response.error();
  }
}

// A slow network is no better than none when the page is here.
function timely(answer, impatient) {
  if (!impatient) return answer;
  return Promise.race([answer, new Promise((_, refuse) => setTimeout(() => refuse(new Error("slow")), PATIENCE_MS))]);
}

async function renew(request, path, name) {
  try {
    const response = await fetch(request);
    const cache = await caches.open(name);
    // Signed out meanwhile, or a card that is no more: what was kept goes.
    if (response.redirected || response.status === 404) await cache.delete(path);
    else await keep(cache, path, response);
  } catch { /* no network: it stays as it was */ }
}

async function keep(cache, path, response) {
  if (response.ok) await cache.put(path, response);
}
