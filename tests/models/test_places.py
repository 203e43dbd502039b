"""Names of branches and folders, as public suites write them, and what they say."""

import pytest

from kent.models.places import Place, add_up, read_branch, read_count

NAMES = {
    # Pythia, OLMo 1, Olmo 3's reinforcement learning
    "step0": Place(step=0),
    "step143000": Place(step=143000),
    "step1000-tokens4B": Place(step=1000, tokens=4 * 10**9),
    "step738020-tokens3094B": Place(step=738020, tokens=3094 * 10**9),
    "step1200000-tokens5033B": Place(step=1200000, tokens=5033 * 10**9),
    "step_1375": Place(step=1375),
    # OLMo 2, Olmo 3
    "stage1-step1907359-tokens4001B": Place(1, None, 1907359, 4001 * 10**9),
    "stage2-ingredient4-step23852-tokens51B": Place(2, 4, 23852, 51 * 10**9),
    "stage1-step10000": Place(1, None, 10000),
    "stage2-ingredient2-step47684": Place(2, 2, 47684),
    "stage3-step11921": Place(3, None, 11921),
    "stage2-step47684-mix-round5-from-2T-ckpt": Place(2, None, 47684),
    # DataDecide, TOAA
    "step69369-seed-default": Place(step=69369, seed="default"),
    "step69369-seed-large-aux-2": Place(step=69369, seed="large-aux-2"),
    "stage1-step102000": Place(1, None, 102000),
    "stage2-step1000": Place(2, None, 1000),
    "step110000-unsharded": Place(step=110000),
    # SmolLM2, SmolLM3, FineWeb's ablations
    "step-125000": Place(step=125000),
    "stage1-step-40000": Place(1, None, 40000),
    "stage3-step-4720000": Place(3, None, 4720000),
    "step-001000-2BT": Place(step=1000, tokens=2 * 10**9),
    # Apertus, Comma
    "step400000-tokens1680B": Place(step=400000, tokens=1680 * 10**9),
    "step2627139-tokens15T": Place(step=2627139, tokens=15 * 10**12),
    "stage1-step010000-tokens21B": Place(1, None, 10000, 21 * 10**9),
    "stage2-step002000-tokens969B": Place(2, None, 2000, 969 * 10**9),
    # LLM360
    "ckpt_000": Place(step=0),
    "ckpt_358": Place(step=358),
    "base_1245000": Place(step=1245000),
    "CrystalCoder_phase1_checkpoint_055500": Place(1, None, 55500),
    # TinyLlama: branches, and repositories of one checkpoint
    "step-480k-token-1007B": Place(step=480_000, tokens=1007 * 10**9),
    "TinyLlama-1.1B-intermediate-step-480k-1T": Place(step=480_000, tokens=10**12),
    "TinyLlama-1.1B-step-50K-105b": Place(step=50_000, tokens=105 * 10**9),
    # OpenCoder, RedPajama-INCITE, B-GPT, BabyLM
    "pretrain_iter_0373000": Place(1, None, 373000),
    "anneal_iter_0001000": Place(2, None, 1000),
    "240b_tokens": Place(tokens=240 * 10**9),
    "128000": Place(step=128000),
    "chck_1M": Place(step=10**6),
    "chck_1000M": Place(step=10**9),
    # what trainers call folders
    "checkpoint-500": Place(step=500),
    "global_step1000": Place(step=1000),
    "iter_0001000": Place(step=1000),
}
SILENT = [
    *("main", "fp32", "", "final", "135M/final", "kestrel", "deeper-starling", "v1.0", "step"),
    *("stepping5", "step٩٩٩", "step10x", "ckpt_", "pythia-1b", "OLMo-1B-0724-hf", "step1-seed-"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_where_in_its_pretraining_a_checkpoint_stands(name):
    assert read_branch(name) == NAMES[name]


@pytest.mark.parametrize("name", SILENT)
def test_a_name_of_no_known_form_says_nothing(name):
    assert read_branch(name) == Place()


@pytest.mark.parametrize(
    ("written", "number"),
    [("7", 7), ("0007", 7), ("480k", 480_000), ("2M", 2 * 10**6), ("1.5T", 15 * 10**11)],
)
def test_numbers_are_read_with_their_units(written, number):
    assert read_count(written) == read_count(written.upper()) == number


def test_a_place_says_what_is_known_of_it():
    assert str(Place(2, 1, 1000, 3 * 10**9)) == (
        "stage 2, ingredient 1, step 1,000, tokens 3,000,000,000"
    )
    assert str(Place(step=5, seed="default")) == "step 5, seed default"


@pytest.mark.parametrize(
    ("names", "totals"),
    [
        (["step1-tokens4B", "step2-tokens8B"], [4, 8]),
        # a stage counts its own tokens (OLMo 2), or the run's (Comma)
        (["stage1-step9-tokens40B", "stage2-ingredient1-step1-tokens3B"], [40, 43]),
        (["stage1-step9-tokens40B", "stage2-step1-tokens41B", "stage3-step1-tokens1B"],
         [40, 41, 42]),
        (["step5-tokens2B", "stage1-step9-tokens40B", "stage2-step1-tokens3B"], [2, 40, 43]),
        (["240b_tokens"], [240]),
        (["stage1-step9-tokens40B", "stage2-step1", "stage2-step2-tokens3B"], [40]),
        (["step1"], []),
    ],
)  # fmt: skip
def test_tokens_are_counted_from_the_start_of_pretraining(names, totals):
    found = add_up({name: read_branch(name) for name in names})
    assert found == dict(zip(names, (total * 10**9 for total in totals), strict=False))
