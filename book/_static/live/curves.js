// Curves over checkpoints to explore: values under the pointer, series on and off, axes, the published range, a
// reader's own. scripts/charts.py writes what is drawn; book/data.md describes it, and says why no library draws it.
"use strict";
Object.assign(window.kentLive, (() => {
  const { make, assign, count, sayEstimate, makeScale } = window.kentLive;
  const EDGE = { left: 56, right: 12, top: 10, bottom: 40 };  // pixels
  const NEAR = 12;  // pixels
  const COLOURS = 5, FEW = 3, READ = "tokens per parameter";
  const charts = [];

  class Chart {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.own = new Map();
      this.hidden = new Set();
      this.at = Infinity;
      this.addControls();
      this.addDrawing();
      root.classList.add("ready");
      this.choosePanel();
      new ResizeObserver(() => this.root.clientWidth !== this.width && this.draw()).observe(root);
    }

    addControls() {
      const row = make("div", { className: "controls" });
      const add = (label, control) => { row.append(make("label", {}, `${label} `, assign(control, { "aria-label": label }))); return control; };
      const addChoice = (label, options, onchange) => add(label, make("select", { onchange }, ...options.map(([value, name]) => make("option", { value }, name))));
      const names = this.data.panels.map((panel, place) => [place, panel.name]);
      this.panels = addChoice("Show", [...names, ["still", "the whole figure, still"]], () => this.choosePanel());
      this.axis = addChoice("along", [], () => this.chooseAxis());
      this.scale = addChoice("scale", [["log", "logarithmic"], ["linear", "linear"]], () => this.draw());
      this.published = add("published range", make("input", { type: "checkbox", checked: true, onchange: () => this.draw() }));
      this.panels.value = this.data.still ? "still" : "0";
      this.root.append(row);
    }

    addDrawing() {
      this.svg = make("svg", { role: "img" });
      this.cursor = make("div", { className: "cursor", tabIndex: 0, role: "slider", "aria-label": "Checkpoint" });
      this.cursor.addEventListener("pointermove", (event) => this.pointAt(event.offsetX / this.cursor.clientWidth));
      this.cursor.addEventListener("pointerdown", (event) => this.pointAt(event.offsetX / this.cursor.clientWidth));
      this.cursor.addEventListener("keydown", (event) => this.pressKey(event));
      this.series = make("fieldset", {});
      this.value = make("p", { className: "value" });
      this.basis = make("p", { className: "basis" });
      this.shown = make("div", {}, make("div", { className: "drawing" }, this.svg, this.cursor), this.value, this.series, this.basis);
      assign(this.root, { role: "group", "aria-label": "Curves to explore" }).append(this.shown);
    }

    choosePanel() {
      const still = this.panels.value === "still";
      this.root.classList.toggle("still", still);
      this.shown.hidden = still;
      for (const control of [this.axis, this.scale, this.published]) control.parentElement.hidden = still;
      if (still) return;
      this.panel = this.data.panels[this.panels.value];
      const axes = [this.panel.axis, ...(this.panel.series.every((each) => each.per_step) ? [READ] : [])], old = this.axis.value;
      this.axis.replaceChildren(...axes.map((name) => make("option", {}, name)));
      this.axis.value = [old, this.data.along].find((each) => axes.includes(each)) ?? axes[0];
      this.axis.parentElement.hidden = axes.length < 2;
      this.published.checked = this.isFew();
      this.basis.textContent = `${this.panel.basis}.`;
      this.hidden = new Set(this.panel.series.filter((each) => !each.shown).map((each) => each.name));
      this.chooseAxis();
    }

    /** Logarithmic where checkpoints are far apart. */
    chooseAxis() {
      const places = this.panel.places.filter((each) => each > 0);
      this.scale.value = this.panel.axis === "pretraining step" && (this.axis.value === READ || places.at(-1) / places[0] > 20) ? "log" : "linear";
      this.published.parentElement.hidden = !this.panel.published.length && this.axis.value !== READ;
      this.listSeries();
      this.draw();
    }

    /** Lines of the panel: points { x, value, error }, x null where the axis has no place for them. */
    listLines() {
      const read = this.axis.value === READ, { places, series } = this.panel;
      const lines = series.map((each, number) => ({
        ...each, number, xs: places.map((place) => (read ? place * each.per_step : place)),
        points: each.values.map((pair, place) => pair && { x: read ? places[place] * each.per_step : places[place], value: pair[0], error: pair[1] }),
      }));
      for (const [name, points] of this.own) {
        const fitting = points.filter((each) => this.fits(each.measure)).map((each) => ({ ...each, error: each.error ?? null, x: (read ? each.read : each.step) ?? null }));
        if (fitting.length) lines.push({ name, number: lines.length, own: true, seeds: [], points: fitting.sort((one, other) => one.x - other.x) });
      }
      return lines;
    }

    /** Whether a row of the book's tables is one of this panel. */
    fits(measure) {
      return this.panel.name === measure || this.panel.series.some((each) => each.row === measure);
    }

    listSeries() {
      const toggle = (name) => (event) => { this.hidden[event.target.checked ? "delete" : "add"](name); this.draw(); };
      this.series.replaceChildren(make("legend", {}, "Series"), ...this.listLines().map((line) => make("label", {},
        make("input", { type: "checkbox", checked: !this.hidden.has(line.name), onchange: toggle(line.name) }),
        make("span", { className: `swatch ${this.pickClass(line)}` }), line.name)));
    }

    pickClass({ number, own }) {
      return own ? "own" : `line-${number % COLOURS} dash-${Math.floor(number / COLOURS) % 3}`;
    }

    draw() {
      this.width = this.root.clientWidth;
      if (this.panels.value === "still" || !this.width) return;  // of no width: folded up, and drawn when it opens
      const height = Math.min(320, Math.max(230, this.width * 0.5)), right = this.width - EDGE.right, foot = height - EDGE.bottom;
      this.lines = this.listLines().filter((line) => !this.hidden.has(line.name));
      const shows = this.published.checked, stretch = shows && this.axis.value === READ ? this.data.stages : null;
      const published = shows ? this.panel.published : [], { log } = this.panel;
      const xs = [...this.lines.flatMap((line) => line.points.filter(Boolean).map((each) => each.x)).filter((each) => each !== null), ...(stretch ? [stretch.low, stretch.high] : [])];
      const ys = [...this.lines.flatMap((line) => line.points.filter(Boolean).flatMap(({ value, error }) => [value, value - 2 * error, value + 2 * error])),
        ...published.flatMap((each) => each.values ?? [each.low, each.high])].filter((each) => !log || each > 0);
      this.least = Math.min(...ys);
      const x = makeScale(xs.length ? xs : this.panel.places, this.scale.value === "log"), y = makeScale(ys.length ? ys : [1, 2], log);
      this.place = { x: (value) => EDGE.left + (0.02 + 0.96 * x(value)) * (right - EDGE.left), y: (value) => foot - (0.04 + 0.92 * y(value)) * (foot - EDGE.top), right, foot };
      assign(this.svg, { viewBox: `0 0 ${this.width} ${height}`, height, "aria-label": this.nameDrawing() });
      const few = this.panel.places.length < 8 && !stretch ? [...new Set(xs)].sort((one, other) => one - other) : x.ticks;
      this.svg.replaceChildren(...this.drawRanges(published, stretch), ...this.drawAxes(few, y.ticks), ...this.lines.flatMap((line) => this.drawLine(line)),
        this.marks = make("path", { class: "marks", d: "" }), ...this.namePublished(published, stretch));
      assign(this.cursor, { style: `left: ${EDGE.left}px; right: ${EDGE.right}px; height: ${foot}px` });
      this.stops = [...new Set(this.lines.flatMap((line) => line.points.filter((each) => each && each.x !== null).map((each) => each.x)))].sort((one, other) => one - other);
      this.moveTo(Math.min(this.at, this.stops.length - 1));
    }

    nameDrawing() {
      return `${this.panel.name} along ${this.axis.value}: ${this.lines.map((each) => each.name).join("; ") || "no series"}. Arrow keys say the values.`;
    }

    /** What the paper shows, under the curves: ranges, values by stage, what its stages have read. */
    drawRanges(published, stretch) {
      const { x, y, right, foot } = this.place, ranges = published.filter((each) => !each.values);
      const block = (kind, box) => make("rect", { class: kind, ...box });
      const join = (values) => values.map((value, place) => `${x(this.findPlace(place))} ${y(value)}`).join("L");
      return [
        ...(stretch ? [block("stretch", { x: x(stretch.low), width: x(stretch.high) - x(stretch.low), y: EDGE.top, height: foot - EDGE.top })] : []),
        ...ranges.map((each, number) => block(`range range-${number % 3}`, { x: EDGE.left, width: right - EDGE.left, y: y(each.high), height: Math.max(y(each.low) - y(each.high), 1) })),
        ...published.filter((each) => each.values).map((each) => make("path", { class: `published ${this.findClass(each)}`, d: `M${join(each.values)}` }, make("title", {}, each.name))),
      ];
    }

    /** The colour of the series that the paper's values are of, where it has several. */
    findClass({ of }) {
      const number = this.panel.series.findIndex((each) => each.name === of);
      return this.isFew() ? "" : this.pickClass({ number: Math.max(number, 0) });
    }

    /** Whether what the paper shows can be named in the drawing. */
    isFew() {
      return this.panel.published.length <= FEW;
    }

    namePublished(published, stretch) {
      const { x, y, right, foot } = this.place, label = (text, at, up) => make("text", { x: at, y: up, class: "paper", "text-anchor": "end" }, text);
      const names = (this.isFew() ? published : []).map(({ name, values, high }) => (values ? label(name, x(this.findPlace(values.length - 1)), y(values.at(-1)) - 5) : label(name, right - 4, y(high) + 12)));
      return [...names, ...(stretch ? [label(stretch.name, x(stretch.high), foot - 6)] : [])];
    }

    /** Where a checkpoint, by its number, is on the axis: that of the first series. */
    findPlace(number) {
      return this.panel.places[number] * (this.axis.value === READ ? this.panel.series[0].per_step : 1);
    }

    drawAxes(across, up) {
      const { x, y, right, foot } = this.place, word = (text, properties) => make("text", properties, text);
      const wide = across.filter((each, place) => !place || x(each) - x(across[place - 1]) > 24 || place === across.length - 1);
      return [
        make("path", { class: "grid", d: up.map((each) => `M${EDGE.left} ${y(each)}H${right}`).join("") }),
        make("path", { class: "axis", d: `M${EDGE.left} ${EDGE.top}V${foot}H${right}${across.map((each) => `M${x(each)} ${foot}v4`).join("")}` }),
        ...wide.map((each) => word(count(each), { x: x(each), y: foot + 16, "text-anchor": "middle" })),
        ...up.map((each) => word(count(each).replace("-", "−"), { x: EDGE.left - 6, y: y(each) + 4, "text-anchor": "end" })),
        word(this.axis.value, { x: (EDGE.left + right) / 2, y: foot + 33, "text-anchor": "middle" }),
        word(this.panel.name, { transform: `translate(11 ${(EDGE.top + foot) / 2}) rotate(-90)`, "text-anchor": "middle" }),
      ];
    }

    /** A line with the band of its interval and thin lines of its seeds; what has no place on the axis is a level line. */
    drawLine(line) {
      const { x, y, right } = this.place, name = this.pickClass(line), low = this.panel.log ? 1e-300 : -Infinity;
      const placed = line.points.filter((each) => each && each.x !== null && each.value > low), level = line.points.filter((each) => each && each.x === null);
      const join = (points) => points.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
      const band = [...placed.map((each) => [each.x, each.value + 2 * each.error]), ...placed.map((each) => [each.x, Math.max(each.value - 2 * each.error, this.least)]).reverse()];
      const draw = (kind, d) => make("path", { class: `${kind} ${name}`, d });
      return [
        ...(placed.length ? [draw("band", `M${join(band)}Z`)] : []),
        ...line.seeds.map((values) => draw("seed", values.map((value, place) => (value === null || value <= low ? "" : `${place && values[place - 1] !== null ? "L" : "M"}${join([[line.xs[place], value]])}`)).join(""))),
        ...(placed.length ? [draw("line", `M${join(placed.map((each) => [each.x, each.value]))}`)] : []),
        draw("dots", placed.map((each) => `M${join([[each.x, each.value]])}m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z`).join("")),
        ...level.map((each) => draw("level", `M${EDGE.left} ${y(each.value)}H${right}`)),
      ];
    }

    pointAt(share) {
      const at = EDGE.left + share * (this.place.right - EDGE.left);
      const far = this.stops.map((each) => Math.abs(this.place.x(each) - at));
      this.moveTo(far.indexOf(Math.min(...far)));
    }

    pressKey(event) {
      const last = this.stops.length - 1, steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -last, End: last };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.moveTo(this.now + steps[event.key], true);
    }

    /** A line's point at a place of the axis; of a line with places of its own the nearest, if it is near. */
    findPoint({ points, xs }, at) {
      const there = points.find((each) => each && (each.x === at || each.x === null));
      if (there || xs?.includes(at)) return there;
      const far = (each) => Math.abs(this.place.x(each.x) - this.place.x(at));
      const [nearest] = points.filter(Boolean).sort((one, other) => far(one) - far(other));
      return nearest && far(nearest) < NEAR ? nearest : undefined;
    }

    /** Mark a place of the axis, and say the values there. */
    moveTo(place, moved = false) {
      this.now = Math.max(0, Math.min(place, this.stops.length - 1));
      if (moved) this.at = this.now;
      const at = this.stops[this.now], { x, y, foot } = this.place, words = [], dots = [];
      for (const line of this.lines) {
        const point = this.findPoint(line, at);
        if (!point) continue;
        if (point.x !== null) dots.push(`M${x(point.x)} ${y(point.value)}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z`);
        words.push(make("span", { className: "said" }, make("span", { className: `swatch ${this.pickClass(line)}` }), `${line.name} `,
          make("data", { value: point.value, "data-name": line.name, "data-error": point.error }, sayEstimate([point.value, point.error]))));
      }
      this.marks.setAttribute("d", at === undefined ? "" : `M${x(at)} ${EDGE.top}V${foot}${dots.join("")}`);
      const where = at === undefined ? "no series" : `${this.axis.value} ${count(at)}`;
      this.value.replaceChildren(make("b", {}, `${where}: `), ...words);
      assign(this.cursor, { "aria-valuemin": 0, "aria-valuemax": Math.max(this.stops.length - 1, 0), "aria-valuenow": this.now,
        "aria-valuetext": `${where}: ${words.map((each) => each.textContent).join("; ")}` });
    }

    /** Draw a series of a reader's, in place of one of that name; no points take it away. */
    addSeries(name, points) {
      if (points.length) this.own.set(name, points); else this.own.delete(name);
      if (this.panels.value !== "still") [this.listSeries(), this.draw()];
    }
  }

  /**
   * Draw a series in every chart of the page. Each of its points has `measure` (the name of a panel or a row of the
   * book's tables, as "H (nats)"), `value`, `error` (one standard error, or null), and where it is: `step` and `read`
   * (tokens per parameter), null where that is not known. One that has no place on the axis is a level line.
   */
  const addSeries = (name, points) => charts.forEach((chart) => chart.addSeries(name, points));

  document.querySelectorAll(".curves").forEach((root) => charts.push(new Chart(root)));
  return { addSeries, charts };
})());
