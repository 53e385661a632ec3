/**
 * What a page can measure of the way to its gateway, as samples: the judgement is the gateway's
 * (`POST /v1/probe/findings`), by the same code as `ossicle probe`.
 *
 *     const seen = await measure({ key: "", idleS: 30, signal, told: (part, done) => {} });
 *
 * A page sees less than a program: it opens no socket of its own, cannot send a WebSocket ping,
 * and is not told when TLS was resumed. What it cannot see stays "not tried", with the reason.
 * Whatever answers is a stranger: every step has a limit, and ends with a sentence.
 *
 * @module
 */

/**
 * @typedef {{state: string, why: string, cold_ms: number | null, resumed_ms: number | null}} Tried
 * @typedef {{url: string, username: string, credential: string}} Server
 * @typedef {{at_ms: number, peer: string, udp_port: number | null, ice: boolean,
 *   ice_servers: Server[], most_bytes: number, most_s: number, ledger: Record<string, number>}} Offer
 * @typedef {{url: string, passes: boolean, why: string, ms: number}} Relayed
 * @typedef {{key: string, idleS: number, signal: AbortSignal,
 *   told: (part: string, done: number) => void}} Wishes
 */

const PATH = "/v1/probe";
const STEP_S = 5;
const ROUNDS = 30;
const APART_MS = 20;
const LEAST_UP = 64 * 1024;
const MOST_UP = 4 << 20;
const BULK_MS = 2_000;
const MOST_RELAYS = 4;

/** What is measured, in this order; the page shows a line for each. */
export const PARTS = ["reaching it", "wires", "WebRTC", "round trips", "buffering", "bandwidth", "silence"];

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Something with an end, whatever the other side does.
 * @template T @param {Promise<T>} work @param {number} seconds @param {string} text @returns {Promise<T>} */
function within(work, seconds, text) {
  let timer = 0;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(text)), seconds * 1_000);
  });
  return /** @type {Promise<T>} */ (Promise.race([work, late]).finally(() => clearTimeout(timer)));
}

/** @param {unknown} error */
const words = (error) => (error instanceof Error ? error.message : String(error)).slice(0, 200);

/** @param {Partial<Tried>} [known] @returns {Tried} */
const tried = (known = {}) => ({ state: "not_tried", why: "", cold_ms: null, resumed_ms: null, ...known });

/** Samples of everything, as `ossicle.advisor.measured.Measured` has them.
 * @param {Wishes} wishes @returns {Promise<Record<string, any>>} */
export async function measure(wishes) {
  const began = performance.now();
  const seen = empty();
  const run = new Run(wishes, seen);
  try {
    await run.all();
  } catch (error) {
    if (!wishes.signal.aborted) throw error;
    seen.out_of_time = Math.max(0.1, (performance.now() - began) / 1_000);
  }
  seen.took_s = (performance.now() - began) / 1_000;
  return seen;
}

/** @returns {Record<string, any>} */
function empty() {
  const secure = location.protocol === "https:";
  return {
    url: location.origin,
    host: location.hostname,
    port: Number(location.port) || (secure ? 443 : 80),
    secure,
    is_ossicle: false,
    wires: {
      tcp: tried(),
      tls: tried({ why: secure ? "" : "this page came without TLS" }),
      http: tried(),
      websocket: tried(),
      http2: tried({ why: "a browser speaks HTTP/2 over TLS only" }),
      grpc: tried({ why: "no browser speaks gRPC; gRPC-Web is the next line" }),
      grpcweb: tried(),
      udp: tried({ why: "a page sees UDP by WebRTC only, and that was not tried" }),
      quic: tried({ why: "a page cannot open QUIC by itself" }),
      ice: tried(),
      turn: tried(),
      webtransport: transport(),
    },
    tcp_ms: [], rtt_ms: [], rtt_over: "", rtt_why: "", skews_ms: [], datagrams: 0,
    datagram_rtt_ms: [], ice_rtt_ms: [], relays: [], down: flow(), up: flow(), down_pieces: [],
    up_pieces: [], pieces_why: {}, silences: [], idle_s: 0, ledger: {}, lies: [], refused: "",
    peer: "", took_s: 0, out_of_time: 0,
  };
}

const flow = () => ({ bytes: 0, ms: 0, why: "" });

/** WebTransport, honestly: what the browser has, and that no gateway of this version offers it. */
function transport() {
  const has = "WebTransport" in globalThis
    ? "this browser has it"
    : isSecureContext
      ? "this browser does not have it"
      : "this browser shows it to pages over TLS only";
  return tried({ state: "not_offered", why: has });
}

class Run {
  /** @param {Wishes} wishes @param {Record<string, any>} seen */
  constructor(wishes, seen) {
    this.wishes = wishes;
    this.seen = seen;
    /** @type {Record<string, string>} */
    this.headers = wishes.key ? { authorization: `Bearer ${wishes.key}` } : {};
  }

  async all() {
    const offer = await this.part("reaching it", () => this.reach());
    if (!offer) return;
    await this.part("wires", () => this.wires());
    const silence = this.silence(offer);
    silence.catch(() => {}); // awaited below; what fails before must not be "unhandled"
    try {
      await this.part("WebRTC", () => this.calls(offer));
      await this.part("round trips", () => this.rounds());
      await this.part("buffering", () => this.pieces());
      await this.part("bandwidth", () => this.flows(offer));
    } finally {
      await silence;
    }
  }

  /** @template T @param {string} name @param {() => Promise<T>} work @returns {Promise<T>} */
  async part(name, work) {
    this.wishes.signal.throwIfAborted();
    this.wishes.told(name, 0);
    try {
      return await work();
    } finally {
      this.wishes.told(name, 1);
    }
  }

  /** @param {string} path @param {RequestInit} [init] */
  fetch(path, init = {}) {
    const limit = AbortSignal.any([this.wishes.signal, AbortSignal.timeout(STEP_S * 1_000)]);
    return fetch(path, {
      credentials: "omit", cache: "no-store", signal: limit, ...init,
      headers: { ...this.headers, ...init.headers },
    });
  }

  /** @param {unknown} error @param {string} what a step that had no answer in time */
  said(error, what) {
    if (this.wishes.signal.aborted) throw error;
    const late = error instanceof DOMException && ["TimeoutError", "AbortError"].includes(error.name);
    return late ? `${what} gets no answer within ${STEP_S} s` : `${what}: ${words(error)}`;
  }

  // ── how the page came here, and whether it may measure ──

  /** @returns {Promise<Offer | null>} */
  async reach() {
    const { seen } = this;
    const { tcp, tls, http, http2 } = seen.wires;
    const page = /** @type {PerformanceNavigationTiming | undefined} */ (
      performance.getEntriesByType("navigation")[0]
    );
    try {
      const began = performance.now();
      const wall = Date.now();
      const answer = await this.fetch(PATH);
      const round = performance.now() - began;
      tcp.state = http.state = "passes";
      if (seen.secure) tls.state = "passes";
      const told = await answer.json().catch(() => null);
      if (!answer.ok || told?.kind !== "ossicle.probe.v1") {
        seen.is_ossicle = Boolean(told?.error?.text);
        seen.refused = told?.error?.text ?? `it answers with status ${answer.status}`;
        return null;
      }
      seen.is_ossicle = true;
      seen.peer = String(told.peer ?? "").slice(0, 100);
      seen.ledger = told.ledger ?? {};
      seen.skews_ms.push([Number(told.at_ms) - (wall + round / 2), round]);
      if (page && page.connectEnd > page.connectStart) { // the page's own connection was a new one
        const secured = page.secureConnectionStart;
        tcp.cold_ms = (secured || page.connectEnd) - page.domainLookupStart;
        seen.tcp_ms.push((secured || page.connectEnd) - page.connectStart);
        if (secured) tls.cold_ms = page.connectEnd - page.domainLookupStart;
        http.cold_ms = page.responseStart - page.domainLookupStart;
      } else {
        http.resumed_ms = round;
        http.why = "the page came over a connection that was open already";
      }
      const spoken = page?.nextHopProtocol ?? "";
      if (seen.secure && spoken) {
        const passes = spoken === "h2";
        Object.assign(http2, passes
          ? { state: "passes", why: "", cold_ms: http.cold_ms }
          : { state: "blocked", why: `this page came over ${spoken}, though the browser offered h2` });
        if (passes) Object.assign(http, { cold_ms: null, resumed_ms: null, why: "this page came over HTTP/2" });
      }
      return told;
    } catch (error) {
      http.state = "broken";
      http.why = this.said(error, "a request");
      return null;
    }
  }

  // ── WebSocket, gRPC-Web ──

  async wires() {
    const { seen } = this;
    const { websocket, grpcweb } = seen.wires;
    try {
      const began = performance.now();
      const talk = await this.talk();
      const took = performance.now() - began;
      // A page cannot tell: over TLS the browser resumes the session in which the page came.
      if (seen.secure) websocket.resumed_ms = took;
      else websocket.cold_ms = took;
      websocket.state = "passes";
      talk.close();
    } catch (error) {
      if (this.wishes.signal.aborted) throw error;
      websocket.state = "blocked";
      websocket.why = words(error);
    }
    try {
      const began = performance.now();
      const question = new Uint8Array([0, 0, 0, 0, 2, 8, 7]); // a frame, and EchoRequest{n: 7}
      const answer = await this.fetch("/ossicle.v1.Probe/Ask", {
        method: "POST", body: question,
        headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
      });
      const body = new Uint8Array(await answer.arrayBuffer());
      const good = answer.ok && body[5] === 8 && body[6] === 7
        && new TextDecoder().decode(body).includes("grpc-status:0");
      grpcweb.resumed_ms = performance.now() - began;
      grpcweb.state = good ? "passes" : "broken";
      grpcweb.why = good ? "" : `it is answered with status ${answer.status}`;
    } catch (error) {
      grpcweb.state = "blocked";
      grpcweb.why = this.said(error, "a call");
    }
  }

  /** A WebSocket to the probe that is open. */
  async talk() {
    const kinds = this.wishes.key ? ["ossicle.v1", "token", this.wishes.key] : ["ossicle.v1"];
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${PATH}`;
    const talk = new Talk(new WebSocket(url, kinds), this.wishes.signal);
    await within(talk.opened, STEP_S, `the upgrade gets no answer within ${STEP_S} s`);
    return talk;
  }

  async rounds() {
    const { seen } = this;
    const over = seen.wires.websocket.state === "passes" ? "websocket" : "http";
    seen.rtt_over = over;
    /** @type {Talk | null} */
    let talk = null;
    try {
      if (over === "websocket") talk = await this.talk();
      for (let n = 0; n < ROUNDS; n += 1) {
        const wall = Date.now();
        const began = performance.now();
        if (talk) {
          const { at_ms } = await talk.ask({ type: "echo", n }, "echoed");
          const round = performance.now() - began;
          seen.rtt_ms.push(round);
          seen.skews_ms.push([Number(at_ms) - (wall + round / 2), round]);
        } else {
          await (await this.fetch(`${PATH}?pieces=1`)).text();
          if (n) seen.rtt_ms.push(performance.now() - began); // the first one pays for the set-up
        }
        this.wishes.told("round trips", (n + 1) / ROUNDS);
        await pause(APART_MS);
      }
    } catch (error) {
      seen.rtt_why = this.said(error, "an echo");
    } finally {
      talk?.close();
    }
  }

  // ── WebRTC ──

  /** @param {Offer} offer */
  async calls(offer) {
    const { ice, turn, udp } = this.seen.wires;
    if (!offer.ice) {
      for (const each of [ice, turn]) each.state = "not_offered";
      return;
    }
    if (!("RTCPeerConnection" in globalThis)) {
      for (const each of [ice, turn]) each.why = "this browser has no WebRTC";
      return;
    }
    const relays = offer.ice_servers.filter(({ url }) => url.startsWith("turn")).slice(0, MOST_RELAYS);
    const stun = offer.ice_servers.filter(({ url }) => url.startsWith("stun:")).slice(0, 1);
    const direct = this.call(stun, false).then(
      (made) => {
        Object.assign(ice, { state: "passes", cold_ms: made.ms });
        this.seen.ice_rtt_ms = made.rounds;
        this.seen.datagrams = made.sent;
        this.seen.datagram_rtt_ms = made.rounds;
      },
      (error) => Object.assign(ice, { state: "blocked", why: words(error) }),
    );
    const through = relays.map((server) => this.call([server], true).then(
      (made) => ({ url: server.url, passes: true, why: "", ms: made.ms }),
      (error) => ({ url: server.url, passes: false, why: words(error), ms: 0 }),
    ));
    /** @type {[unknown, Relayed[]]} */
    const [, tries] = await Promise.all([direct, Promise.all(through)]);
    this.seen.relays = tries;
    if (tries.length) {
      const good = tries.filter(({ passes }) => passes);
      turn.state = good.length ? "passes" : "blocked";
      turn.cold_ms = good.length ? Math.min(...good.map(({ ms }) => ms)) : null;
      turn.why = tries.map(({ url, passes, why }) => `${url} ${passes ? "passes" : why}`).join("; ");
    } else {
      Object.assign(turn, { state: "not_offered", why: "the gateway names no relay (webrtc.turn)" });
    }
    const byUdp = tries.some(({ url, passes }) => passes && /^turn:/.test(url) && !/tcp/.test(url));
    const passes = ice.state === "passes" || byUdp;
    Object.assign(udp, passes
      ? { state: "passes", why: "seen by WebRTC's data channel, which drops what is lost" }
      : { state: "blocked", why: `seen by WebRTC, the only UDP of a page: ${ice.why}` });
  }

  /** A call without sound: ICE, DTLS, a data channel, echoes on it.
   * @param {Server[]} servers @param {boolean} relayed through one of them, and in no other way */
  async call(servers, relayed) {
    const pc = new RTCPeerConnection({
      iceServers: servers.map(({ url, username, credential }) => ({ urls: url, username, credential })),
      iceTransportPolicy: relayed ? "relay" : "all",
    });
    let refused = "";
    let step = "no addresses are gathered";
    pc.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
      refused = errorCode === 401 ? "refuses the credentials that the gateway hands out"
        : `cannot be used (${errorCode}${errorText ? ` ${errorText.slice(0, 80)}` : ""})`;
    });
    const channel = pc.createDataChannel("probe", { ordered: false, maxRetransmits: 0 });
    pc.addTransceiver("audio", { direction: "recvonly" }); // what a call to a gateway has
    const run = async () => {
      const began = performance.now();
      const gathered = new Promise((resolve) => {
        pc.addEventListener("icegatheringstatechange", () => {
          if (pc.iceGatheringState === "complete") resolve(null);
        });
      });
      await pc.setLocalDescription();
      await Promise.race([gathered, pause(STEP_S * 400)]);
      const sdp = pc.localDescription?.sdp ?? "";
      if (relayed && !sdp.includes("typ relay")) throw new Error(refused || "gives no address");
      step = "the gateway does not answer the call over HTTP";
      const answer = await this.fetch(`${PATH}/ice`, {
        method: "POST", body: sdp, headers: { "content-type": "application/sdp" },
      });
      if (answer.status !== 201) throw new Error(`the gateway answers the call with status ${answer.status}`);
      step = "no ICE check is answered: UDP between here and its address does not pass";
      await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      const open = new Promise((resolve) => channel.addEventListener("open", resolve));
      const failed = new Promise((_, reject) => {
        pc.addEventListener("iceconnectionstatechange", () => {
          if (["connected", "completed"].includes(pc.iceConnectionState)) {
            step = "ICE connects, and the DTLS handshake behind it does not end";
          }
          if (pc.iceConnectionState === "failed") reject(new Error(step));
        });
      });
      if (channel.readyState !== "open") await Promise.race([open, failed]);
      const ms = performance.now() - began;
      step = "the data channel opens, and nothing comes back on it";
      return { ms, ...(await echoes(channel)) };
    };
    try {
      return await within(run(), STEP_S, "late");
    } catch (error) {
      this.wishes.signal.throwIfAborted();
      throw error instanceof Error && error.message !== "late" ? error : new Error(relayed && refused ? refused : step);
    } finally {
      pc.close();
    }
  }

  // ── bodies ──

  async pieces() {
    const { seen } = this;
    try {
      const answer = await this.fetch(`${PATH}?pieces=8&every_ms=100&size=200`);
      if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
      const began = performance.now();
      let rest = "";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let got = await reader.read(); !got.done; got = await reader.read()) {
        const lines = (rest + got.value).split("\n");
        rest = (lines.pop() ?? "").slice(0, 4_096);
        for (const line of lines.slice(0, 64)) {
          seen.down_pieces.push([Number(JSON.parse(line).at_ms), performance.now() - began]);
        }
      }
      if (seen.down_pieces.length < 8) throw new Error(`${seen.down_pieces.length} of 8 pieces came`);
    } catch (error) {
      seen.pieces_why.down = this.said(error, "a streamed answer");
    }
  }

  /** @param {Offer} offer */
  async flows(offer) {
    const { down, up } = this.seen;
    const most = Math.max(1, Math.min(4 << 20, Number(offer.most_bytes) || 1));
    try {
      const answer = await this.fetch(`${PATH}?bytes=${most}`);
      if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
      const reader = answer.body.getReader();
      let began = 0;
      for (let got = await reader.read(); !got.done; got = await reader.read()) {
        const now = performance.now();
        if (!began) {
          began = now; // the first piece only starts the watch
          continue;
        }
        down.bytes += got.value.length;
        down.ms = now - began;
        if (down.ms > BULK_MS) break;
      }
      await reader.cancel();
    } catch (error) {
      down.why = this.said(error, "a body");
    }
    this.wishes.told("bandwidth", 0.5);
    try {
      // A page cannot stop in the middle of a body, and most lines are slower upwards: it begins
      // small, and asks for more while that takes no time.
      const largest = Math.min(most, MOST_UP);
      for (let size = Math.min(largest, LEAST_UP); ;) {
        const answer = await this.fetch(PATH, {
          method: "POST", body: new Uint8Array(size), headers: { "content-type": "application/octet-stream" },
        });
        const last = JSON.parse((await answer.text()).trim().split("\n").at(-1) ?? "");
        if (!answer.ok) throw new Error(`it is answered with status ${answer.status}`);
        if (last.type !== "total" || last.bytes !== size) throw new Error("it tells of other bytes than were sent");
        Object.assign(up, { bytes: size, ms: last.ms }); // by the gateway's clock
        if (size === largest || last.ms > BULK_MS / 4) break;
        size = Math.min(largest, size * 8);
      }
    } catch (error) {
      const why = this.said(error, "a body upwards");
      if (!up.bytes) up.why = why; // what a smaller one took is a figure too
    }
  }

  // ── silence ──

  /** @param {Offer} offer */
  async silence(offer) {
    const { seen, wishes } = this;
    const idle = Math.min(wishes.idleS, Math.max(1, offer.most_s - 10));
    if (!wishes.idleS || seen.wires.websocket.state !== "passes") return;
    seen.idle_s = idle;
    const steps = [1, 2, 5, 10, 20, 30, 60].filter((each) => each < idle * 0.95);
    const began = performance.now();
    const clock = setInterval(() => {
      wishes.told("silence", Math.min(0.99, (performance.now() - began) / (idle * 1_000)));
    }, 200);
    try {
      await Promise.all([
        ...[...steps, idle].map((s) => this.silent(s, "nothing")),
        this.silent(idle, "data"),
      ]);
    } finally {
      clearInterval(clock);
      wishes.told("silence", 1);
    }
  }

  /** One connection on which nobody speaks for a while; or only this end does.
   * @param {number} s @param {"nothing" | "data"} kept_by */
  async silent(s, kept_by) {
    const silence = { kept_by, s, lived: false, cut_s: /** @type {number | null} */ (null), over: "websocket" };
    /** @type {Talk | null} */
    let talk = null;
    try {
      talk = await this.talk();
      await talk.ask({ type: "quiet", s: s + 3 }, "hushed", 3);
      const began = performance.now();
      const left = () => s * 1_000 - (performance.now() - began);
      while (left() > 0) {
        await Promise.race([talk.over, pause(kept_by === "data" ? Math.min(1_000, left()) : left())]);
        this.wishes.signal.throwIfAborted(); // it was this end that hung up
        if (talk.overAt) {
          silence.cut_s = (talk.overAt - began) / 1_000;
          break;
        }
        if (kept_by === "data" && left() > 0) await talk.ask({ type: "echo", n: 0 }, "echoed", 3);
      }
      if (!talk.overAt) {
        await talk.ask({ type: "echo", n: 1 }, "echoed", 3);
        silence.lived = true;
      }
    } catch {
      this.wishes.signal.throwIfAborted(); // else `lived` is false, which was to be found out
    } finally {
      talk?.close();
    }
    this.seen.silences.push(silence);
  }
}

/** Echoes on a data channel, as the packets of a call would be; what is lost does not come back.
 * @param {RTCDataChannel} channel */
async function echoes(channel) {
  /** @type {Map<number, number>} */
  const left = new Map();
  /** @type {Map<number, number>} */
  const came = new Map();
  channel.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.type === "echoed" && left.has(answer.n) && !came.has(answer.n)) came.set(answer.n, performance.now());
  });
  for (let n = 0; n < ROUNDS; n += 1) {
    left.set(n, performance.now());
    channel.send(JSON.stringify({ type: "echo", n }));
    await pause(APART_MS);
  }
  for (let waited = 0; came.size < ROUNDS && waited < 500; waited += APART_MS) await pause(APART_MS);
  if (!came.size) throw new Error("the data channel opens, and nothing comes back on it");
  const rounds = [...left].filter(([n]) => came.has(n)).map(([n, at]) => Number(came.get(n)) - at);
  return { sent: ROUNDS, rounds };
}

/** A WebSocket that asks and is answered. */
class Talk {
  /** @param {WebSocket} socket @param {AbortSignal} signal */
  constructor(socket, signal) {
    this.socket = socket;
    /** When it ended; 0 = it lives. */
    this.overAt = 0;
    /** @type {{kind: string, take: (answer: any) => void, fail: (error: Error) => void} | null} */
    this.waiting = null;
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve(null));
      socket.addEventListener("error", () => reject(new Error("the upgrade is refused, or something hangs up")));
    });
    /** @type {Promise<void>} */
    this.over = new Promise((resolve) => {
      socket.addEventListener("close", () => {
        this.overAt = performance.now();
        this.waiting?.fail(new Error("the connection was closed"));
        resolve();
      });
    });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return;
      const answer = JSON.parse(data);
      if (answer.type === this.waiting?.kind) this.waiting?.take(answer);
    });
    signal.addEventListener("abort", () => this.close());
  }

  /** @param {object} question @param {string} kind of the answer @param {number} [seconds] @returns {Promise<any>} */
  ask(question, kind, seconds = 2) {
    if (this.overAt) return Promise.reject(new Error("the connection was closed"));
    const answered = new Promise((take, fail) => {
      this.waiting = { kind, take, fail };
    });
    this.socket.send(JSON.stringify(question));
    return within(answered, seconds, `no answer within ${seconds} s`);
  }

  close() {
    this.socket.close();
  }
}

/** What the samples mean, from the gateway.
 * @param {Record<string, any>} seen @param {string} key @returns {Promise<any>} */
export async function judge(seen, key) {
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  const answer = await fetch(`${PATH}/findings`, {
    method: "POST", headers, credentials: "omit", body: JSON.stringify(seen),
    signal: AbortSignal.timeout(STEP_S * 1_000),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told?.error?.text ?? `status ${answer.status}`);
  return told;
}
