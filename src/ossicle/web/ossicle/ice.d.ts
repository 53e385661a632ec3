/**
 * ICE servers as a gateway tells them: `Link` headers (RFC 8288; RFC 9725 section 4.6).
 *
 *     <turn:host?transport=udp>; rel="ice-server"; username="u"; credential="c"
 *
 * No page, no I/O.
 *
 * @module
 */
/**
 * The servers in a header, which may hold several, separated by commas.
 *
 * @param {string | null} header
 * @returns {RTCIceServer[]}
 */
export declare function iceServers(header: string | null): RTCIceServer[];
