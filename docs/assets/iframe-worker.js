// A page that was opened from a disk may start no Worker: its address has no origin (HTML standard,
// "fetch a classic worker script"). The search of this site runs in one, so there, and only there,
// a hidden frame takes its place: the same script, in a window of its own. It shares the thread of
// the page, which is enough for a search of a few dozen pages.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = this.onmessageerror = this.onerror = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.ready = new Promise((resolve) => {
        const begin = () => {
          document.body.append(this.frame);
          const inside = this.frame.contentWindow;
          inside.postMessage = (data) => queueMicrotask(() => this.tell("message", { data }));
          const script = inside.document.createElement("script");
          script.src = new URL(address, location).href;
          script.onload = () => resolve(inside);
          script.onerror = () => this.tell("error", {});
          inside.document.head.append(script);
        };
        if (document.body) begin();
        else addEventListener("DOMContentLoaded", begin, { once: true });
      });
    }

    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }

    tell(kind, values) {
      const event = kind === "message" ? new MessageEvent(kind, values) : new Event(kind);
      this[`on${kind}`]?.(event);
      this.dispatchEvent(event);
    }
  };
}
