// Predict first: the question with its buttons, what is said after a pick, and the tally on the scorecard.
// What is asked and said is written by scripts/predictions.py.
"use strict";
(() => {
  const { read, write } = window.kentPicks;

  function make(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }
  const makeButton = (text, onclick) => make("button", { type: "button", onclick }, text);
  const readData = (root) => JSON.parse(root.querySelector("script").textContent);

  function ask(folded) {
    const { page, question, options, said } = readData(folded);
    const outcome = make("p", { className: "outcome", tabIndex: -1 });
    const choose = (pick) => {
      write({ ...read(), [page]: pick });
      open();
      outcome.focus({ preventScroll: true });
    };
    const form = make("fieldset", { className: "predict-ask" }, make("legend", {}, question),
      ...options.map((option, place) => makeButton(option, () => choose(place - 1))),
      Object.assign(makeButton("show me", () => choose(null)), { className: "skip" }),
      make("p", {}, "The page opens then. A pick stays in this browser; the scorecard counts yours."));

    function open() {
      const pick = read()[page] ?? null;
      outcome.replaceChildren(`${pick === null ? "You did not pick" : `You picked “${options[pick + 1]}”`}; ${said} `,
        make("a", { href: "scorecard.html#your-predictions" }, "Your picks"));
      form.replaceWith(outcome);
      folded.open = true;
    }

    folded.before(form);
    if (page in read()) open();
    // who came for something behind the question is led there, on paper all is shown
    const follow = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!target || folded.open || !(folded.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING)) return;
      folded.open = true;
      form.hidden = true;
      target.scrollIntoView();
    };
    addEventListener("hashchange", follow);
    follow();
  }

  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  function tally(root) {
    const asked = readData(root);
    const show = () => {
      const picks = read(), made = asked.filter(({ page }) => Number.isInteger(picks[page]));
      const agree = (side) => made.filter((each) => each[side] === picks[each.page]).length;
      const decided = made.filter(({ here }) => here !== null).length;
      const said = `Of ${count(made.length, "pick")}, ${agree("paper")} agree with the paper and ${agree("here")} with what was measured here, ` +
        `which decides ${decided} of them. Your picks are kept in this browser and go nowhere. `;
      const lines = made.map(({ page, title, options, paper, here, verdict }) => make("li", {},
        `${title}: you picked “${options[picks[page] + 1]}”, the paper says “${options[paper + 1]}”, measured here: `,
        here === null ? verdict : `“${options[here + 1]}”`));
      const clear = makeButton("clear my picks", () => { write({}); show(); root.focus(); });
      root.replaceChildren(...(Object.keys(picks).length ? [make("p", {}, said, clear), make("ul", {}, ...lines)] : [make("p", {}, "No pick yet.")]));
    };
    Object.assign(root, { tabIndex: -1 }).setAttribute("role", "status");
    show();
  }

  document.querySelectorAll(".predict").forEach(ask);
  document.querySelectorAll(".tally").forEach(tally);
})();
