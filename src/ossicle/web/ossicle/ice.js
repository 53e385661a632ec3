/**
 * ICE servers as a gateway tells them: `Link` headers (RFC 8288; RFC 9725 section 4.6).
 *
 *     <turn:host?transport=udp>; rel="ice-server"; username="u"; credential="c"
 *
 * No page, no I/O.
 *
 * @module
 */

/** A gateway names a handful; more would only cost a browser time. */
const MOST = 16;

/**
 * The servers in a header, which may hold several, separated by commas.
 *
 * @param {string | null} header
 * @returns {RTCIceServer[]}
 */
export function iceServers(header) {
  /** @type {RTCIceServer[]} */
  const found = [];
  for (const [, urls = "", rest = ""] of (header ?? "").matchAll(/<([^<>]*)>((?:[^,"]|"[^"]*")*)/g)) {
    const told = new Map(
      [...rest.matchAll(/;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^;,\s]*))/g)].map(
        ([, name = "", quoted, bare = ""]) => /** @type {const} */ ([name.toLowerCase(), quoted ?? bare]),
      ),
    );
    if (told.get("rel") !== "ice-server" || !/^(stun|turn)s?:/.test(urls)) continue;
    const username = told.get("username");
    const credential = told.get("credential");
    // A relay without credentials makes RTCPeerConnection throw.
    if (/^turns?:/.test(urls) && !(username && credential)) continue;
    found.push({ urls, ...(username && credential ? { username, credential } : {}) });
  }
  return found.slice(0, MOST);
}
