"use strict";
// textual.js draws the terminal and opens the websocket. This script, which is loaded before it, tells it where the websocket is,
// sends keys to it without a first click, shows the wizard's title in the tab, and asks before a tab with a running training is closed.

let isTraining = false;

document.addEventListener("DOMContentLoaded", () => {
  // From the address of the page: a tunnel or proxy may have changed port, protocol and path.
  const url = new URL("ws", window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  document.getElementById("terminal").dataset.sessionWebsocketUrl = url.href;
  document.querySelector("button").addEventListener("click", () => window.location.reload());
});

window.addEventListener("beforeunload", (event) => {
  if (isTraining) {
    event.preventDefault();
  }
});

function focusTerminal() {
  document.querySelector(".xterm-helper-textarea")?.focus();
}

window.addEventListener("focus", focusTerminal);

window.WebSocket = class extends WebSocket {
  constructor(...values) {
    super(...values);
    this.addEventListener("open", focusTerminal);
    this.addEventListener("message", (event) => {
      if (typeof event.data !== "string") {
        return;
      }
      const [kind, value] = JSON.parse(event.data);
      if (kind === "title") {
        document.title = value.title;
        isTraining = value.training;
      }
    });
    this.addEventListener("close", () => {
      isTraining = false;
      document.title = "freezetui";
    });
  }
};
