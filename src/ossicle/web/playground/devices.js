/**
 * Which microphone listens, and what the browser really does to its sound.
 *
 * @module
 */

import { Microphone } from "../ossicle.js";

/** @import { Transport } from "../ossicle.js" */

/**
 * What was granted, beside what was asked for.
 *
 * @param {Microphone} mic
 * @param {Transport} transport
 */
export function showGranted(mic, transport) {
  const real = /** @type {Record<string, unknown>} */ (mic.granted);
  for (const place of document.querySelectorAll("[data-granted]")) {
    const value = real[/** @type {HTMLElement} */ (place).dataset.granted ?? ""];
    place.textContent = value === undefined ? "not told" : value ? "on" : "off";
  }
  const sent = transport === "webrtc" ? "sent as Opus" : "sent as 16 kHz";
  const place = /** @type {HTMLElement} */ (document.getElementById("granted"));
  place.textContent = `${mic.label || "Microphone"}, ${mic.sampleRate / 1000} kHz, ${sent}`;
}

/** Those there are; the chosen one stays chosen. */
export async function showDevices() {
  const choice = /** @type {HTMLSelectElement} */ (document.getElementById("device"));
  const chosen = choice.value;
  const found = (await Microphone.devices()).filter((device) => device.deviceId && device.label);
  const first = /** @type {HTMLOptionElement} */ (choice.options[0]);
  choice.replaceChildren(first, ...found.map((device) => new Option(device.label, device.deviceId)));
  choice.value = found.some((device) => device.deviceId === chosen) ? chosen : "";
}
