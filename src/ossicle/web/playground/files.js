/**
 * Files into the page, by a drop, and out of it, as downloads.
 *
 * @module
 */

/** @import { Transcript } from "../ossicle.js" */

import { FORMATS } from "./subtitles.js";

/**
 * @param {HTMLElement} place
 * @param {(file: File) => void} take
 */
export function dropZone(place, take) {
  for (const name of ["dragenter", "dragover"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
  }
  place.addEventListener("dragleave", (event) => {
    if (!place.contains(/** @type {Node | null} */ (event.relatedTarget))) place.classList.remove("over");
  });
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
}

/**
 * @param {readonly Transcript[]} finals
 * @param {string} format
 */
export function save(finals, format) {
  const how = FORMATS[format];
  if (!how) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([how.make(finals)], { type: how.kind }));
  link.download = `transcript.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
