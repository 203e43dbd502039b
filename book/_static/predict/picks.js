// What a reader predicted: by page -1, 0 or 1, or null where the answer was looked at without a pick.
// It stays in this browser. The pages decided are named on the root element, for the styles of chips and answers.
"use strict";
window.kentPicks = (() => {
  const KEY = "kent-picks";
  let held = {};

  function read() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      held = kept instanceof Object ? kept : {};
    } catch { /* storage is off, or holds something else: what was picked lasts as long as the page */ }
    return held;
  }

  function write(picks) {
    held = picks;
    try {
      localStorage.setItem(KEY, JSON.stringify(picks));
    } catch { /* as above */ }
    mark();
  }

  function mark() {
    document.documentElement.dataset.picked = Object.keys(read()).join(" ");
  }

  mark();
  return { read, write };
})();
