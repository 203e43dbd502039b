// Curves of several models, and those of a reader's own files: nothing of a file leaves the page.
"use strict";
(() => {
  const { readRecord, groupRecords, measureRecord, measurePoints, placeRecord, drawPlane, drawLegend, make, assign } = window.kentLive;
  const AXES = { tokens: "tokens per parameter (logarithmic)", step: "pretraining step (logarithmic)" };
  const show = (value, places) => value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  const shorten = (value) => (value < 100 ? `${+value.toPrecision(3)}` : show(value, 0));
  const number = (name, value, text) => make("data", { value: value ?? "", "data-name": name }, value === null ? "not known" : text);
  const count = (many, word) => `${many} ${word}${many === 1 ? "" : "s"}`;

  class Comparison {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.bands = Object.entries(this.data.published).map(([name, [low, high]]) => ({ name: `paper: ${name} (fig. 2)`, low, high }));
      this.own = [];
      this.addControls(root);
      this.addDrawing(root);
      this.acceptDrops(root);
      assign(root, { role: "group", "aria-label": "Knowledge entropy of several models, and of your own files" }).classList.add("ready");
      new ResizeObserver(() => this.draw()).observe(this.drawing);
      this.draw();
    }

    addControls(root) {
      const controls = make("div", { className: "controls" });
      this.files = make("input", { type: "file", multiple: true, accept: ".json,application/json", onchange: () => this.take([...this.files.files]) });
      this.axis = make("select", { onchange: () => this.draw() }, ...Object.keys(AXES).map((value) => make("option", { value }, AXES[value].split(" (")[0])));
      this.clear = make("button", { type: "button", hidden: true, onclick: () => this.drop() }, "Remove my files");
      controls.append(make("label", {}, "Your records ", this.files), make("label", {}, "Axis ", this.axis), this.clear);
      const note = make("p", { className: "note" }, "Choose files that ", make("code", {}, "python -m kent profile … --record FILE.json"),
        " wrote, or drop them on this page. They are read in this page and sent nowhere.");
      this.alert = make("p", { className: "refused", role: "alert" });
      this.said = make("p", { className: "said", "aria-live": "polite" });
      root.append(controls, note, this.alert, this.said);
    }

    addDrawing(root) {
      this.plane = make("svg", { role: "img" });
      this.drawing = make("div", { className: "plane" }, this.plane);
      this.legend = make("ul", { className: "legend" });
      this.table = make("table");
      const scrolled = make("div", { className: "values", tabIndex: 0, role: "region", "aria-label": "All values" }, this.table);
      root.append(this.legend, this.drawing, make("details", {}, make("summary", {}, "All values"), scrolled));
    }

    /** Files may be dropped anywhere on the page: beside the picture the browser would leave the page for them. */
    acceptDrops(root) {
      const listen = (kind, over, act = () => {}) => document.addEventListener(kind, (event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        root.classList.toggle("over", over);
        act(event);
      });
      listen("dragover", true);
      listen("dragleave", false);
      listen("drop", false, (event) => this.take([...event.dataTransfer.files]));
    }

    /** Add the records in files; what is none is refused, and the others are drawn. */
    async take(files) {
      assign(this.root, { "aria-busy": true });
      const read = await Promise.allSettled(files.map((file) => readRecord(file, this.data.schema)));
      this.alert.textContent = read.filter((each) => each.reason).map((each) => `${each.reason.message}.`).join(" ");
      const known = new Set(this.own.map(JSON.stringify)), found = read.filter((each) => each.value).map((each) => each.value);
      this.own.push(...found.filter((each) => !known.has(JSON.stringify(each))));
      this.draw();
      this.said.replaceChildren(...this.sayOwn());
      this.share(groupRecords(this.own), measurePoints);
      assign(this.root, { "aria-busy": false });
    }

    /** Give a reader's curves to the other charts of the page, or take them away there. */
    share(curves, measure) {
      for (const { name, records } of curves) window.kentLive.addSeries?.(`yours: ${name}`, records.flatMap((each) => measure(each, this.data.rows)));
    }

    drop() {
      this.share(groupRecords(this.own), () => []);
      this.own = [];
      this.files.value = this.alert.textContent = this.said.textContent = "";
      this.draw();
      this.files.focus();
    }

    /** What was drawn of a reader's files: the last checkpoint of each curve. */
    sayOwn() {
      const curves = groupRecords(this.own);
      return curves.flatMap(({ name, records }) => {
        const { value, bound, gap } = measureRecord(this.sort(records).at(-1));
        return [make("b", {}, name), ` (${count(records.length, "checkpoint")}): H = `, number("entropy", value, show(value, 4)),
          ` of at most ${show(bound, 4)} nats (${show(100 * value / bound, 2)} %), `, number("gap", gap, show(gap, 4)), " below per layer. "];
      });
    }

    sort(records) {
      const place = (each) => placeRecord(each, this.axis.value) ?? Infinity;
      return [...records].sort((one, other) => (place(one) === place(other) ? 0 : place(one) - place(other)));
    }

    draw() {
      const own = groupRecords(this.own).map((each) => ({ ...each, name: `yours: ${each.name}`, own: true }));
      const axis = this.axis.value, stretch = axis === "tokens" ? this.data.read : null;
      const curves = [...this.data.curves, ...own].map((each) => ({ ...each, records: this.sort(each.records) }));
      for (const curve of curves) curve.points = curve.records.map((each) => this.place(curve.name, each, axis));
      this.clear.hidden = !own.length;
      const title = `Distance of knowledge entropy to its bound, by ${AXES[axis]}: ${curves.map((each) => each.name).join(", ")}. The table below has all values.`;
      drawPlane(this.plane, { bands: this.bands, stretch, curves, axis: AXES[axis], title });
      drawLegend(this.legend, curves, this.bands, stretch);
      this.fillTable([...curves].reverse());
    }

    place(name, record, axis) {
      const { gap, spread } = measureRecord(record), x = placeRecord(record, axis);
      const where = x === null ? "place not known" : `${shorten(x)} ${AXES[axis].split(" (")[0]}`;
      return { x, y: gap, error: spread, said: `${name}, ${where}: ${show(gap, 4)} ± ${show(2 * spread, 4)} nats` };
    }

    /** A row for each record, a reader's own first. */
    fillTable(curves) {
      const heads = ["model", "text", "tokens per parameter", "step", "H (nats)", "share of ln m", "ln m − H per layer (nats)"];
      const row = (name, record) => {
        const { value, error, bound, gap, spread } = measureRecord(record), read = placeRecord(record, "tokens"), { step } = record.model;
        const cells = [record.text.name, number("read", read, shorten(read ?? 0)), number("step", step, show(step ?? 0, 0)),
          number("entropy", value, `${show(value, 4)}${error === null ? "" : ` ± ${show(2 * error, 4)}`}`), number("share", value / bound, `${show(100 * value / bound, 2)} %`),
          number("gap", gap, `${show(gap, 4)} ± ${show(2 * spread, 4)}`)];
        return make("tr", { "data-model": name }, make("th", { scope: "row" }, name), ...cells.map((each) => make("td", {}, each)));
      };
      const head = make("tr", {}, ...heads.map((each) => make("th", { scope: "col" }, each)));
      this.table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...curves.flatMap((each) => each.records.map((record) => row(each.name, record)))));
    }
  }

  document.querySelectorAll('.live[data-kind="compare"]').forEach((root) => new Comparison(root));
})();
