"""Plugins that shuffle or draw start from a seed that the bundle knows, and a replay has it again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ci_itest.model.recording import Surroundings
from ci_itest.wire import read_document
from tests.helpers.suites import SmallSuite, ci_itest, write_files

LIKE_RANDOMLY = """
    import random, pytest

    def pytest_addoption(parser):
        parser.addoption("--randomly-seed", dest="randomly_seed", default="default")

    def pytest_configure(config):
        if config.option.randomly_seed == "default":
            config.option.randomly_seed = random.getrandbits(32)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(config, items):
        random.Random(int(config.option.randomly_seed)).shuffle(items)

    @pytest.fixture(autouse=True)
    def seeded(request):
        random.seed(int(request.config.option.randomly_seed))
"""
"""What pytest-randomly does, as far as it matters here: this environment cannot have it, it would shuffle our tests."""

LUCK = """
    import random, pytest

    @pytest.mark.parametrize("n", range(20))
    def test_luck(n): assert random.random() < 2, random.random()

    def test_draws(): assert False, f"drew {random.random()}"
"""


@pytest.fixture
def shuffled(tmp_path: Path) -> SmallSuite:
    root = write_files(tmp_path / "repo", {"like_randomly.py": LIKE_RANDOMLY, "tests/test_a.py": LUCK})
    return SmallSuite(root, arguments=("-p", "like_randomly", "-p", "no:xdist"), variables={"PYTHONPATH": str(root)})


def test_the_same_seed_gives_the_same_order_and_the_same_numbers(shuffled: SmallSuite) -> None:
    one, again, other = (shuffled.but(seed=seed).run() for seed in ("5", "5", "6"))

    assert one.cases == again.cases != sorted(one.cases)
    assert one.message("test_draws") == again.message("test_draws")
    assert other.cases != one.cases
    assert other.message("test_draws") != one.message("test_draws")


def test_a_seed_of_the_users_own_stays(shuffled: SmallSuite) -> None:
    own = shuffled.but(arguments=(*shuffled.arguments, "--randomly-seed=5"))

    assert own.but(seed="6").run().cases == shuffled.but(seed="5").run().cases


def test_a_recorded_order_outweighs_the_shuffling(shuffled: SmallSuite) -> None:
    cases = tuple(f"tests/test_a.py::test_luck[{n}]" for n in (7, 3, 11))

    played = shuffled.but(queues=(("gw0", cases),), only=cases, seed="9").run()

    assert played.cases == list(cases)


def test_the_bundle_has_the_seed_and_a_replay_uses_it(tmp_path: Path) -> None:
    settings = "shards = 1\nworkers = 1\nretries = 0\narguments = ['-p', 'like_randomly']\n"
    files = {"like_randomly.py": LIKE_RANDOMLY, "tests/test_a.py": LUCK, "ci-itest.toml": settings}
    root = write_files(tmp_path, files)
    ci_itest("run", root=root, PYTHONPATH=str(root))
    (bundle,) = (root / ".ci-itest" / "latest" / "bundles").iterdir()
    recorded = read_document(bundle / "environment.json", Surroundings)

    _, output = ci_itest("replay", root=root, PYTHONPATH=str(root))

    replayed = read_document(Path(output.strip().splitlines()[-1]) / "environment.json", Surroundings)
    assert recorded.seed.isdigit()
    assert replayed.seed == recorded.seed
    assert "failed there and here: tests/test_a.py::test_draws" in output
    assert "in the same order (21 cases)" in output
    assert drew(bundle) == drew(Path(output.strip().splitlines()[-1]))


def drew(bundle: Path) -> str:
    text = (bundle / "junit" / "shard.xml").read_text()
    return text[text.index("drew 0.") :][:22]


def test_what_replay_needs_weighs_little_beside_results_and_logs(tmp_path: Path) -> None:
    """5,000 cases may weigh 200 kB as uploaded: 40 bytes a case, the journals that are their results included."""
    many = "import pytest\n@pytest.mark.parametrize('order', range(200))\ndef test_a_customer_orders(order): pass\n"
    files = {f"tests/test_orders_{number}.py": many for number in range(5)}
    root = write_files(tmp_path, {**files, "ci-itest.toml": "shards = 1\nworkers = 2\n"})
    assert ci_itest("run", root=root)[0] == 0
    (bundle,) = (root / ".ci-itest" / "latest" / "bundles").iterdir()
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in bundle.rglob("*"):
            if file.relative_to(bundle).parts[0] not in ("junit", "logs"):
                packed.write(file, file.relative_to(bundle))

    assert archive.stat().st_size <= 40 * 1000
    own = [bundle / "environment.json", bundle / "shard.json", bundle / "results" / "selection.json"]
    assert sum(file.stat().st_size for file in own) <= 10_000
