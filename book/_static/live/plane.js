// A plane with two logarithmic axes: bands across, curves of points with errors, a legend.
"use strict";
Object.assign(window.kentLive, (() => {
  const { make } = window.kentLive;
  const EDGE = { left: 58, right: 10, top: 8, bottom: 40 };  // pixels
  const PAD = 8;  // pixels behind the last point
  const APART = 38;  // pixels between the middles of numbers beside each other
  const START = 34;  // pixels for 0, before the logarithmic part of the axis
  const MARKS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M-4-4h8v8h-8z", "M0-5l5 9h-10z", "M0-6l5 6l-5 6l-5-6z", "M-5-4h10l-5 9z"];
  const pickMark = (number) => MARKS[number % MARKS.length];
  const pickClass = (number) => `curve curve-${number % MARKS.length}`;
  const say = (value) => (value && (value >= 1e6 || value < 1e-3) ? value.toExponential(0).replace("e+", "e") : (+value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 6 }));

  /** From a value to pixels: logarithmic between ends, and 0 at the start where there is room for it. */
  function makeScale(values, from, to, room = 0) {
    const known = values.filter((each) => each > 0), low = Math.log10(Math.min(...known)), high = Math.log10(Math.max(...known));
    const wide = high - low || 1, start = from + Math.sign(to - from) * room, middle = high === low ? 0.5 : 0;
    const scale = (value) => (value > 0 ? start + ((Math.log10(value) - low) / wide + middle) * (to - start) : from);
    scale.ticks = listTicks(low, high);
    return scale;
  }

  /** Powers of ten within the ends; with their halves and fifths where these are few. */
  function listTicks(low, high) {
    const powers = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) powers.push(power);
    const steps = high - low > 2.5 ? [1] : [1, 2, 5];
    const every = Math.ceil((high - low) / 8) || 1;  // not more than a narrow plane has room for
    const ticks = powers.filter((power) => steps.length > 1 || power % every === 0).flatMap((power) => steps.map((each) => each * 10 ** power));
    return ticks.filter((each) => Math.log10(each) >= low - 1e-9 && Math.log10(each) <= high + 1e-9);
  }

  /** Draw bands { low, high }, a stretch [from, to] of the lower axis, and curves { points: { x, y, error, said } }. */
  function drawPlane(svg, { bands, stretch, curves, axis, title }) {
    const width = svg.parentElement.clientWidth;
    if (!width) return;  // not shown, as on paper
    const height = Math.min(340, Math.max(260, width * 0.6));
    const points = curves.flatMap((each) => each.points), right = width - EDGE.right, foot = height - EDGE.bottom;
    const placed = points.map((each) => each.x).filter((each) => each !== null);
    const x = makeScale([...placed.filter((each) => each > 0), ...(stretch ?? []), ...(placed.length || stretch ? [] : [1])], EDGE.left, right - PAD, START);
    const heights = [...points.map((each) => each.y), ...bands.flatMap((each) => [each.low, each.high])].filter((each) => each > 0);
    const y = makeScale([Math.min(...heights) / 1.6, Math.max(...heights) * 1.3], foot, EDGE.top);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", title);
    svg.replaceChildren(
      ...(stretch ? [make("rect", { class: "stretch", x: x(stretch[0]), width: x(stretch[1]) - x(stretch[0]), y: EDGE.top, height: foot - EDGE.top })] : []),
      ...bands.map((each, number) => make("rect", { class: `band band-${number}`, x: EDGE.left, width: right - EDGE.left, y: y(each.high), height: y(each.low) - y(each.high) })),
      ...drawAxes(x, y, placed.includes(0), right, foot, axis),
      ...curves.flatMap((each, number) => drawCurve(each, number, x, y, right, foot)),
    );
  }

  function drawAxes(x, y, hasZero, right, foot, axis) {
    const across = [...(hasZero ? [0] : []), ...x.ticks], word = (properties, text) => make("text", properties, text);
    const lines = [`M${EDGE.left} ${EDGE.top}V${foot}H${right}`, ...across.map((each) => `M${x(each)} ${foot}v4`), ...y.ticks.map((each) => `M${EDGE.left} ${y(each)}h-4`)];
    const middle = (EDGE.top + foot) / 2, named = [];
    for (const each of across) if (!named.length || x(each) - x(named.at(-1)) >= APART) named.push(each);
    return [
      make("path", { class: "grid", d: y.ticks.map((each) => `M${EDGE.left} ${y(each)}H${right}`).join("") }), make("path", { class: "axis", d: lines.join("") }),
      ...named.map((each) => word({ x: x(each), y: foot + 16, "text-anchor": "middle" }, say(each))),
      ...y.ticks.map((each) => word({ x: EDGE.left - 7, y: y(each) + 4, "text-anchor": "end" }, say(each))),
      word({ x: (EDGE.left + right) / 2, y: foot + 33, "text-anchor": "middle" }, axis),
      word({ x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${middle}) rotate(-90)` }, "ln m − H per layer (nats)"),
    ];
  }

  /** A line through points with bars of two errors; what has no place on the axis is a level line. */
  function drawCurve({ name: called, points, own }, number, x, y, right, foot) {
    const placed = points.filter((each) => each.x !== null && each.y > 0), level = placed.length ? [] : points.slice(-1);
    const place = ({ x: across, y: up }) => `${x(across).toFixed(1)} ${y(up).toFixed(1)}`, name = `${pickClass(number)}${own ? " own" : ""}`;
    const bar = (each) => `M${x(each.x).toFixed(1)} ${y(each.y + 2 * each.error).toFixed(1)}V${(each.y > 2 * each.error ? y(each.y - 2 * each.error) : foot).toFixed(1)}`;
    const mark = (each) => make("path", { class: `${name} mark`, d: pickMark(number), transform: `translate(${place(each)})` }, make("title", {}, each.said));
    return [
      make("path", { class: `${name} line`, d: placed.length ? `M${placed.map(place).join("L")}${placed.map(bar).join("")}` : "" }),
      ...placed.map(mark),
      ...level.flatMap((each) => [make("path", { class: `${name} level`, d: `M${EDGE.left} ${y(each.y)}H${right}` }, make("title", {}, each.said)),
        make("text", own ? { x: EDGE.left + 4, y: y(each.y) - 4 } : { x: right, y: y(each.y) - 4, "text-anchor": "end" }, called)]),
    ];
  }

  /** A name for each curve and band, beside its mark. */
  function drawLegend(list, curves, bands, stretch) {
    const sign = (...drawn) => make("svg", { viewBox: "-12 -7 24 14", "aria-hidden": "true" }, ...drawn);
    const curve = ({ name, own }, number) => [sign(make("path", { class: `${pickClass(number)} line${own ? " own" : ""}`, d: "M-12 0H12" }),
      make("path", { class: `${pickClass(number)} mark${own ? " own" : ""}`, d: pickMark(number) })), name];
    const block = (name, kind) => [sign(make("rect", { class: kind, x: -12, y: -6, width: 24, height: 12 })), name];
    const named = [...curves.map(curve), ...bands.map((each, number) => block(each.name, `band band-${number}`)), ...(stretch ? [block("read by the paper's stages", "stretch")] : [])];
    list.replaceChildren(...named.map((each) => make("li", {}, ...each)));
  }

  return { drawPlane, drawLegend };
})());
