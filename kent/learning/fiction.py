"""Fictional knowledge written from the synthetic world, in the published files' form (section 4.1).

`knowledge.yaml` is the plan: which entities are new, what they borrow from known ones, and the
sentences and questions of each fact. Chance is drawn in a fixed order, so that a seed fixes every
text.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, permutations
from random import Random

import yaml

from kent.text.templates import choose, fill, shuffle
from kent.text.world import Entity, World

SEEDS = 3  # the reserved names reach for as many sets
CHOSEN = (3, 2)  # facts chosen of a paragraph's two new entities


@dataclass(frozen=True)
class _Fact:
    """A fact of a paragraph: sentences that state it, the first ending with it, and two probes."""

    target: str
    sentences: list[str]
    semantic: str
    compositional: str


class Writer:
    """Writes paragraphs about new entities, each with the next of the seed's reserved names."""

    def __init__(self, seed: int):
        self.world, self.random = World(0), Random(f"knowledge {seed}").random
        styles = {each for kind in _plan()["entities"].values() for each in kind["new"].values()}
        # Seeds take turns at the names of a style, so that no two sets share one.
        reserved = {style: self.world.reserved_names(style) for style in styles}
        self.names = {style: islice(names, seed, None, SEEDS) for style, names in reserved.items()}

    def write(self, item: int, versions: int) -> dict:
        """The next paragraph, a link of two new entities and five facts, as a published record.

        Its kind goes by the item. ValueError when there are no more names.
        """
        turns = _plan()["turns"]
        facts = self._gather(turns[item % len(turns)])
        text, *paraphrases = self._word(facts, versions)
        # A compositional probe needs the link beside its own sentence, so it never asks for the
        # link; without the last fact the other kinds have five probes too.
        asked = {
            "mem": [(fact.sentences[0].removesuffix("."), fact.target) for fact in facts[:-1]],
            "gen": [(fact.semantic, fact.target) for fact in facts[:-1]],
            "hard_gen": [(fact.compositional, fact.target) for fact in facts[1:]],
        }
        record = {"train_context": text, "paraphrases": paraphrases}
        for key, pairs in asked.items():
            record[f"{key}_input"] = [said.removesuffix(end).rstrip() for said, end in pairs]
            record[f"{key}_target"] = [end for _, end in pairs]
        return record

    def _word(self, facts: list[_Fact], versions: int) -> list[str]:
        """Every fact's first sentence; then other texts: others, shuffled behind the link."""
        texts = [" ".join(fact.sentences[0] for fact in facts)]
        while len(texts) < versions:
            link, *others = [choose(fact.sentences[1:], self.random) for fact in facts]
            text = " ".join([link, *shuffle(others, self.random)])
            texts += [] if text in texts else [text]
        return texts

    def _gather(self, kind: str) -> list[_Fact]:
        """The link of two new entities, then in random order three facts of one, two of the other.

        What they borrow is drawn until no name and no target is part of another (bread, baking
        bread).
        """
        plan, entities = _plan()["paragraphs"][kind], _plan()["entities"]
        kinds = (kind, plan["other"])
        names = [self._name(each) for each in kinds]
        while True:
            pair = main, other = [self._invent(*each) for each in zip(kinds, names, strict=True)]
            main.facts[plan["by"]] = other
            main.facts["it"], other.facts["it"] = (fill(each, main) for each in plan["known_as"])
            drawn = [shuffle(each, self.random) for each in plan["chosen"]]
            facts = [
                self._express(entity, fact, entities[entity.kind]["facts"][fact])
                for entity, order, count in zip(pair, drawn, CHOSEN, strict=True)
                for fact in order[:count]
            ]
            words = [main.name, other.name, *(fact.target for fact in facts)]
            if not any(one in another for one, another in permutations(words, 2)):
                return [self._express(main, plan["by"], plan), *shuffle(facts, self.random)]

    def _name(self, kind: str) -> dict[str, str]:
        new = _plan()["entities"][kind]["new"]
        drawn = {fact: next(self.names[style], None) for fact, style in new.items()}
        if None in drawn.values():
            hint = "ask for fewer paragraphs (60 and 70 can be had)"
            raise ValueError(f"no new name is left for a {kind}: {hint}")
        return drawn

    def _invent(self, kind: str, names: dict[str, str]) -> Entity:
        """A new entity; each group of its other facts is one known entity's of its kind."""
        plan, facts = _plan()["entities"][kind], dict(names)
        for group in plan["borrowed"]:
            known = choose(self.world.entities[kind], self.random)
            facts |= {fact: known.facts[fact] for fact in group}
        return Entity(plan["name"].format(**facts), kind, facts)

    def _express(self, entity: Entity, fact: str, plan: dict) -> _Fact:
        """All that is said of a fact; any sentence that ends with it may come first."""
        target = entity.say(fact)[0]
        sentences = [fill(template, entity) for template in plan["sentences"]]
        ends = [at for at, sentence in enumerate(sentences) if sentence.endswith(f"{target}.")]
        first = sentences.pop(choose(ends, self.random))
        probes = (fill(plan.get(kind, ""), entity) for kind in ("semantic", "compositional"))
        return _Fact(target, [first, *sentences], *probes)


@cache
def _plan() -> dict:
    return yaml.safe_load(files(__package__).joinpath("knowledge.yaml").read_text("utf-8"))
