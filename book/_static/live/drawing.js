// Bars of a layer's coefficients, and a gauge of its entropy.
"use strict";
Object.assign(window.kentLive, (() => {
  const GAPS = [0, 0.1, 0.25, 0.5, 1];  // nats below the bound that the gauge marks

  /** Give an element properties, or attributes of that name where it has no such property. */
  function assign(element, properties) {
    for (const [name, value] of Object.entries(properties)) {
      if (element instanceof HTMLElement && name in element) element[name] = value; else element.setAttribute(name, value);
    }
    return element;
  }
  function make(tag, properties = {}, ...children) {
    const made = ["svg", "path", "rect", "text", "title"].includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    made.append(...children);
    return assign(made, properties);
  }

  /** The outline of bars one unit wide, from their foot on; what is larger than `cut` is cut off. */
  const outline = (values, cut, start = 0) =>
    `M${start} ${cut}${[...values].map((each) => `V${(cut - Math.min(each, cut)).toFixed(4)}h1`).join("")}`;

  /** Sorted bars, those of the chosen vectors in another colour, over the outline of what they were. */
  function drawBars(svg, before, { after, chosen }, cut, at) {
    const count = before.length, first = count - chosen, path = (name, d) => make("path", { class: name, d });
    svg.setAttribute("viewBox", `0 0 ${count} ${cut}`);
    svg.replaceChildren(
      path("kept", `${outline(after.slice(0, first), cut)}V${cut}`),
      path("chosen", `${outline(after.slice(first), cut, first)}V${cut}`),
      path("before", chosen ? outline(before.slice(first), cut, first) : ""),
      path("mean", `M0 ${cut - 1}H${count}`),
      make("rect", { class: "at", x: at, width: 1, height: cut }),
    );
  }

  /** From 0 to ln m nats; the filled part is the share of memory vectors that, used alike, have this entropy. */
  function drawGauge(gauge, count, entropy, before) {
    const bound = Math.log(count), place = (nats) => `${100 * Math.exp(nats - bound)}%`;
    const ticks = GAPS.filter((gap) => gap < bound).map((gap) =>
      make("span", { className: "tick", style: `left: ${place(bound - gap)}` }, (bound - gap).toFixed(2)));
    gauge.replaceChildren(
      make("span", { className: "fill", style: `width: ${place(entropy)}` }),
      make("span", { className: "start", hidden: before === entropy, style: `left: ${place(before)}` }),
      make("span", { className: "tick first", style: "left: 0" }, "0 nats"), ...ticks,
    );
  }

  return { assign, make, drawBars, drawGauge };
})());
