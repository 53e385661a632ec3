/**
 * A sentence of the gateway's, in which names of settings and commands stand between backquotes.
 *
 * @module
 */

/**
 * Fill an element with it: what stands between backquotes as code.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {string} text
 * @returns {E}
 */
export function spelt(element, text) {
  const parts = text.split("`").map((part, place) => {
    if (place % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
  element.replaceChildren(...parts);
  return element;
}
