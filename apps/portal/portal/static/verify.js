// The check of cards by camera: keys and status list are kept on this device, the judgement needs no network.
import { SeenProofs, readKeys, readStatusList, verify } from "./cose.js";
import { read } from "./qrread.js";
import { open } from "./store.js";

const root = document.querySelector("[data-verify]");
const part = (name) => root.querySelector(`[data-${name}]`);
const video = part("video"), verdict = part("verdict"), viewer = part("viewer"), before = part("before"), aim = part("aim");
const store = open("verify");
const seen = new SeenProofs();
const RENEW_MS = 10 * 60_000, PAUSE_MS = 120, WIDTH = 640;
let keys = null, statuses = null, stream = null, looking = false;

async function trust(jwks, list) {
  keys = await readKeys(jwks);
  statuses = await readStatusList(list, keys);
  const day = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
  part("kept-at").textContent = day.format(new Date(statuses.issuedAt * 1000));
  part("kept").hidden = false;
  part("unready").hidden = true;
}

async function renew() {
  try {
    const [jwks, list] = await Promise.all([
      fetch("/verify/keys", { cache: "no-store" }).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer))),
      fetch("/verify/status-list", { cache: "no-store" }).then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(answer))),
    ]);
    await trust(jwks, new Uint8Array(list));
    await store.put("trusted", { jwks, list });
  } catch {
    part("unready").hidden = keys !== null;
  }
}

async function judge(text) {
  looking = false;
  const result = await verify(text.trim(), { keys: keys ?? new Map(), statuses, now: Date.now() / 1000, seen });
  show(keys === null ? { colour: "amber", reason: "not_ready" } : result);
}

function show({ colour, reason }) {
  verdict.className = `verdict ${colour}`;
  for (const icon of verdict.querySelectorAll("[data-icon]")) icon.hidden = icon.dataset.icon !== colour;
  part("title").textContent = root.querySelector(`template[data-colour="${colour}"]`).content.textContent;
  part("reason").textContent = root.querySelector(`template[data-reason="${reason}"]`).content.textContent;
  verdict.dataset.result = `${colour} ${reason}`;
  verdict.hidden = false;
  viewer.hidden = stream !== null || viewer.hidden;
  part("next").focus();
  navigator.vibrate?.(colour === "green" ? 60 : [120, 80, 120]);
}

async function start() {
  part("denied").hidden = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 1280 } } });
  } catch {
    part("denied").hidden = false;
    return;
  }
  video.srcObject = stream;
  await video.play();
  before.hidden = true;
  aim.hidden = false;
  look();
}

async function look() {
  looking = true;
  const detector = "BarcodeDetector" in window && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")
    ? new BarcodeDetector({ formats: ["qr_code"] }) : null;
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
  while (looking && stream) {
    if (video.videoWidth && !document.hidden) {
      const text = detector ? (await detector.detect(video))[0]?.rawValue : seenOn(canvas, context);
      if (text) return judge(text);
    }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

function seenOn(canvas, context) {
  const side = Math.min(video.videoWidth, video.videoHeight), size = Math.min(side, WIDTH);
  canvas.width = canvas.height = size;
  context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, size, size);
  return read(context.getImageData(0, 0, size, size).data, size, size);
}

part("start").addEventListener("click", start);
part("next").addEventListener("click", () => {
  verdict.hidden = true;
  viewer.hidden = false;
  part("typed").value = "";
  if (stream) look(); else part("typed").focus();
});
part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  if (part("typed").value.trim()) judge(part("typed").value);
});
addEventListener("online", renew);
addEventListener("pagehide", () => stream?.getTracks().forEach((track) => track.stop()));
setInterval(renew, RENEW_MS);

const kept = await store.get("trusted");
if (kept) await trust(kept.jwks, new Uint8Array(kept.list)).catch(() => {});
part("start").disabled = false;
await renew();
