/**
 * How the sound gets there, while it does: losses, jitter buffers, round trip.
 *
 * @module
 */

/** @import { Carried, Transport, WireStats } from "../ossicle.js" */

/** @type {Record<Transport, string>} */
export const NAMES = { websocket: "WebSocket", webrtc: "WebRTC" };

const PATHS = {
  host: "directly", prflx: "directly", srflx: "through a NAT", "relay/udp": "through a relay, over UDP",
  "relay/tcp": "through a relay, over TCP", "relay/tls": "through a relay, over TLS",
};

/** @param {number | null | undefined} value @param {string} unit */
const figure = (value, unit) =>
  value === null || value === undefined ? "–" : `${value < 10 && unit === "ms" ? value.toFixed(1) : Math.round(value)} ${unit}`.trim();

/** @type {Array<[string, (sound: Carried) => string]>} */
const ROWS = [
  ["Packets", ({ packets }) => String(packets)],
  ["Lost", ({ lost, packets }) => `${lost}${lost ? ` (${((100 * lost) / (packets + lost)).toFixed(1)} %)` : ""}`],
  ["Recovered", ({ recovered }) => (recovered === null ? "–" : String(recovered))],
  ["Made up", ({ concealed }) => String(concealed)],
  ["Jitter buffer", ({ buffer_ms }) => figure(buffer_ms, "ms")],
  ["Bitrate", ({ bitrate }) => figure(bitrate === null ? null : bitrate / 1000, "kbit/s")],
];

/**
 * Draw it.
 *
 * @param {HTMLElement} place
 * @param {WireStats | null} stats null: nothing runs
 * @param {boolean} over it does not any more: these are its last figures
 */
export function drawNetwork(place, stats, over) {
  if (!stats) {
    place.replaceChildren(paragraph("Start, and see what is lost on the way and how long it takes."));
    return;
  }
  const way = stats.path ? `, ${PATHS[/** @type {keyof typeof PATHS} */ (stats.path)] ?? stats.path}` : "";
  const trip = stats.round_trip_ms === null ? "" : ` Round trip ${figure(stats.round_trip_ms, "ms")}.`;
  const head = paragraph(`${NAMES[stats.transport]}${way}${over ? ", as it was at the end" : ""}.${trip}`);
  if (stats.transport === "websocket") {
    place.replaceChildren(head, paragraph("Nothing is lost here: what is late keeps back what comes behind it."));
    return;
  }
  const table = document.createElement("table");
  const top = table.createTHead().insertRow();
  for (const name of ["", "Your voice", "Its voice"]) {
    const cell = document.createElement(name ? "th" : "td");
    if (name) cell.scope = "col";
    cell.textContent = name;
    top.append(cell);
  }
  const body = table.createTBody();
  for (const [name, tell] of ROWS) {
    const row = body.insertRow();
    const title = document.createElement("th");
    title.scope = "row";
    title.textContent = name;
    row.append(title);
    for (const sound of [stats.in, stats.out]) row.insertCell().textContent = sound ? tell(sound) : "–";
  }
  place.replaceChildren(head, table);
}

/** @param {string} text */
function paragraph(text) {
  const made = document.createElement("p");
  made.className = "note";
  made.textContent = text;
  return made;
}
