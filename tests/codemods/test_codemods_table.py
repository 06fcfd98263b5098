"""The tables against the world: the wheels themselves, read without installing them."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import platformdirs
import pytest
from locks import read_lock
from packaging.requirements import Requirement
from packaging.version import Version

from codemods import migrate_bytes
from codemods.reading.source import Source
from codemods.tables.constructors import Constructors, baseline
from codemods.tables.core_classes import DATE, gives
from codemods.tables.dated import Pins, mined_rows
from codemods.tables.hops import CORE, Hop, Hops, all_hops, distribution_of
from harness.targets import get_target, outside_pins

TARGETS = ("2.5.1", "2.10.3", "2.11.0")


def test_hops_have_no_cycle() -> None:
    """Whatever the pins: a path never comes back to itself."""
    steps = {old: {h.new for h in hops if h.new} for old, hops in all_hops().items()}
    done: set[str] = set()

    def walk(path: str, trail: tuple[str, ...]) -> None:
        assert path not in trail, " -> ".join([*trail, path])
        if path not in done:
            for new in steps.get(path, ()):
                walk(new, (*trail, path))
            done.add(path)

    for old in steps:
        walk(old, ())


@pytest.mark.parametrize("hop", [h for hops in all_hops().values() for h in hops][::97])
def test_headers_name_the_distribution_of_the_new_path(hop: Hop) -> None:
    if hop.new.startswith("airflow."):
        names = {hop.when.name} | ({hop.needs.name} if hop.needs is not None else set())
        assert distribution_of(hop.new) in names


def test_every_hop_leads_somewhere_else() -> None:
    for old, hops in all_hops().items():
        assert all(h.new != old for h in hops)
        assert all(h.new or h.advice or h.when for h in hops)


def test_distributions_of_paths() -> None:
    assert distribution_of("airflow.models.DAG") == CORE
    assert (
        distribution_of("airflow.providers.apache.hive.operators.hive.HiveOperator")
        == "apache-airflow-providers-apache-hive"
    )
    assert distribution_of("pendulum.today") == ""


def test_a_provider_that_the_pins_lack_is_said() -> None:
    resolution = Hops({CORE: "2.11.0"}).resolve("airflow.operators.HttpSensor")
    assert resolution.removed is not None
    assert "apache-airflow-providers-http" in resolution.removed.advice


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "airflow.contrib.operators.gcs_to_gcs_transfer_operator",
            "cloud_storage_transfer_service",
        ),
        ("airflow.models.user", "airflow users create"),
        ("airflow.contrib.hooks", "import each of the names"),
    ],
)
def test_a_module_that_is_gone_tells_of_its_names(
    path: str, told: str, newest: dict[str, str]
) -> None:
    removed = Hops(newest).resolve(path).removed
    assert removed is not None
    assert told in removed.advice


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("airflow.operators.dagrun_operator.timezone", "airflow.utils.timezone"),
        ("airflow.www_rbac.app.STATE_COLORS", "airflow.settings.STATE_COLORS"),
        ("airflow.www_rbac.utils.get_python_source", "airflow.utils.code_utils.get_python_source"),
        ("airflow.bin.cli.ActionCommand", "airflow.cli.cli_parser.ActionCommand"),
    ],
)
def test_what_a_module_of_1_10_only_imports_leads_to_its_home(
    path: str, home: str, newest: dict[str, str]
) -> None:
    assert Hops(newest).resolve(path).path == home


@pytest.mark.parametrize(
    ("version", "told"), [("2.5.1", "airflow.kubernetes"), ("2.11.0", "airflow.providers.cncf")]
)
def test_advice_names_what_the_target_has(version: str, told: str) -> None:
    path = "airflow.kubernetes.refresh_config.RefreshConfiguration"
    removed = Hops({CORE: version}).resolve(path).removed
    assert removed is not None
    assert told in removed.advice


def test_constructors_know_what_they_inherit(newest: dict[str, str]) -> None:
    table = Constructors(newest)
    signature = table.signature("airflow.operators.bash.BashOperator")
    assert signature is not None
    assert {"bash_command", "task_id", "do_xcom_push", "trigger_rule"} <= signature.accepts
    assert signature.required >= {"bash_command", "task_id"}
    assert "xcom_push" not in signature.accepts
    old = baseline().signature("airflow.operators.bash_operator.BashOperator")
    assert old is not None
    assert "xcom_push" in old.accepts


# -- the proof ---------------------------------------------------------------------------------


def _cache() -> Path:
    default = Path(platformdirs.user_cache_dir("mwaa-harness")) / "wheels"
    return Path(os.environ.get("MWAA_HARNESS_WHEELS", default))


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_every_end_exists_in_the_targets_wheels(version: str) -> None:
    """No path of the table ends at something that the pinned wheels do not have."""
    from tools.inventory import target

    pins, world = target(version, _cache())
    assert world.missing == []
    hops = Hops(pins)
    wrong = []
    for old in all_hops():
        resolution = hops.resolve(old)
        end = resolution.path
        if resolution.removed is not None or not end.startswith("airflow."):
            continue
        if not resolution.moved and distribution_of(end) not in pins:
            continue  # a provider that the target does not have at all
        module, _, name = end.rpartition(".")
        if end not in world.modules and world.find(module, name) is None and resolution.moved:
            wrong.append(f"{old} -> {end}")
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_the_table_has_every_function_that_takes_something_else(version: str) -> None:
    """Of 1.10.15 and of the target it says what the wheels' functions take."""
    from tools.inventory import target
    from tools.mine_functions import functions, taken
    from tools.mine_imports import names
    from tools.mine_wheels import BASELINE, INSIDE, World, fetch, local_wheels

    pins, world = target(version, _cache())
    fetch({CORE: BASELINE}, _cache())
    old = World({CORE: BASELINE}, local_wheels(_cache()))
    hops, rows = Hops(pins), mined_rows("functions.txt")
    public = [name for name in names(old, providers=False) if not INSIDE.match(name)]
    count, wrong = 0, []
    for path, before in functions(old, public).items():
        end = hops.resolve(path).path
        after = functions(world, [end]).get(end)
        if after is not None and taken(after) != taken(before):
            count += 1
            told = Pins({CORE: BASELINE}).line(rows, path), Pins(pins).line(rows, end)
            wrong += [path] if told != (before[1], after[1]) else []
    assert count > 40
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_the_table_has_every_contract_of_the_wheels(version: str) -> None:
    """Of each class of 1.10.15 it says what the target's own code does with its methods."""
    from tools.inventory import target
    from tools.mine_contracts import classes_of, contracts
    from tools.mine_wheels import BASELINE, World, fetch, local_wheels

    pins, world = target(version, _cache())
    fetch({CORE: BASELINE}, _cache())
    classes = classes_of(World({CORE: BASELINE}, local_wheels(_cache())))
    rows, hops, outside, wrong = Pins(pins), Hops(pins), outside_pins(get_target(version)), []
    for path, (_, said) in contracts(world, classes).items():
        if distribution_of(hops.resolve(path).path) in outside:
            continue  # the miners read what the locks have
        told: dict[str, str] = {}
        for home in reversed(classes[path]):
            for row in (r for r in mined_rows("contracts.txt") if r.startswith(f"{home.path}.")):
                line = rows.line(mined_rows("contracts.txt"), row).partition(" ")[2]
                told |= {row.rpartition(".")[2]: line} if line else {}
        found = {name: line for name, line in told.items() if line != "kept"}
        wrong += [] if found == said else [f"{path}: {found} {said}"]
    assert wrong == []


def test_hand_rows_name_known_classes(newest: dict[str, str]) -> None:
    """A row by hand that no class bears is a slip of the pen."""
    from codemods.tables.constructors import _hand_rows, _lines

    assert sorted({path for path, _ in _hand_rows()} - set(_lines())) == []


def test_specifiers_of_headers_hold_for_real_pins(newest: dict[str, str]) -> None:
    hops = Hops(newest)
    assert hops.has(Requirement("apache-airflow>=2.4"))
    assert not hops.has(Requirement("apache-airflow>=3"))
    assert not hops.has(Requirement("apache-airflow-providers-plexus>=1.0"))


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_a_targets_own_examples_are_left_alone(version: str) -> None:
    """Airflow's example DAGs run on their own release: nothing in them is to be changed."""
    from tools.mine_wheels import fetch, local_wheels

    fetch({CORE: version}, _cache())
    changed, noted = [], []
    with zipfile.ZipFile(local_wheels(_cache())[CORE, version]) as wheel:
        names = [n for n in wheel.namelist() if re.match(r"airflow/example_dags/.*\.py$", n)]
        for name in names:
            new, migration = migrate_bytes(wheel.read(name), pins=read_lock(version), path=name)
            assert migration.error is None
            changed += [name] if new is not None else []
            noted += [name] if migration.notes else []
    assert len(names) > 40
    assert changed == []
    # The one example of a class that warns, and is the one that is reported.
    assert noted == ["airflow/example_dags/example_subdag_operator.py"]


# 1.10.15's own examples that a person must look at, with the rule that says so, by target.
EVERYWHERE = {
    "contrib/example_dags/example_gcp_dlp_operator.py": {"dag-shift"},
    "example_dags/example_kubernetes_executor_config.py": {"removed-import"},
    "example_dags/example_latest_only_with_trigger.py": {"trigger-rules"},
    "example_dags/example_subdag_operator.py": {"subdag"},
}
BY_HAND = {
    "2.5.1": EVERYWHERE,
    "2.10.3": EVERYWHERE,
    "2.11.0": {
        **EVERYWHERE,
        "contrib/example_dags/example_gcp_transfer.py": {"python-names"},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_the_examples_of_1_10_import_what_the_target_has(version: str) -> None:
    """Its example_dags and contrib/example_dags: what is imported is in the wheels, or is said."""
    from tools.inventory import target
    from tools.mine_wheels import BASELINE, fetch, local_wheels

    _, world = target(version, _cache())
    fetch({CORE: BASELINE}, _cache())
    count, noted, missing = 0, {}, []
    with zipfile.ZipFile(local_wheels(_cache())[CORE, BASELINE]) as wheel:
        for name in wheel.namelist():
            if not re.match(r"airflow/(contrib/)?example_dags/.*(?<!__init__)\.py$", name):
                continue
            count += 1
            short = name.removeprefix("airflow/")
            new, migration = migrate_bytes(wheel.read(name), pins=read_lock(version), path=name)
            assert migration.error is None
            if migration.notes:
                noted[short] = {n.rule for n in migration.notes}
            text = (new or wheel.read(name)).decode()
            assert migrate_bytes(text.encode(), pins=read_lock(version), path=name)[0] is None
            for binding in Source(text).bindings:
                path = binding.alias.name if binding.dotted else binding.path
                known = path in world.modules or world.find(*path.rpartition(".")[::2])
                if path.startswith("airflow.") and ".example_dags." not in path and not known:
                    missing.append(short)
    assert count > 55
    assert noted == BY_HAND[version]
    assert {n for n in missing if "removed-import" not in noted.get(n, ())} == set()


@pytest.mark.slow
@pytest.mark.parametrize("version", TARGETS)
def test_every_option_that_moved_is_one_of_the_targets(version: str) -> None:
    from codemods.rules.configuration_options import _GONE, _name, _rows
    from tools.mine_options import defaults
    from tools.mine_wheels import fetch, local_wheels

    fetch({CORE: version}, _cache())
    with zipfile.ZipFile(local_wheels(_cache())[CORE, version]) as wheel:
        there = defaults(wheel)
    sections = {option.partition(".")[0] for option in there}
    for old in (row for row in _rows() if not row.endswith(".*")):
        new = _name(old, Version(version))
        if new == _GONE:
            assert old not in there
        elif new != old and new.partition(".")[0] in sections:
            assert new in there, f"{old} {new}"


def test_the_miner_sees_every_way_to_bind_a_name() -> None:
    """What a module declares, unpacks or leaves to a function counts; a local name does not."""
    from tools.mine_wheels import _read_module

    text = (
        "Session: type\n"
        "first, (second, third) = make()\n"
        "try:\n"
        "    if (tz := make()) != 'system':\n"
        "        pass\n"
        "except ImportError:\n"
        "    pass\n"
        "def configure():\n"
        "    global engine, only_read\n"
        "    engine = local = only_read\n"
    )
    (module,) = _read_module("airflow.settings", CORE, text, package=False)
    assert set(module.defs) == {"Session", "first", "second", "third", "tz", "configure", "engine"}


@pytest.mark.parametrize("version", TARGETS)
@pytest.mark.parametrize("name", ["Session", "engine", "TIMEZONE"])
def test_names_that_a_module_only_declares_are_there(version: str, name: str) -> None:
    resolution = Hops(read_lock(version)).resolve(f"airflow.settings.{name}")
    assert (resolution.moved, resolution.removed) == (False, None)


def test_the_miner_takes_airflow_2s_home_of_what_is_served_for_both() -> None:
    from tools.mine_wheels import _read_module

    text = (
        '_IMPORT_MAP: dict[str, object] = {"Hook": ("airflow.sdk", "airflow.hooks.base")}\n'
        '_RENAME_MAP = {"Asset": ("airflow.sdk", "airflow.datasets", "Dataset")}\n'
        '_MODULE_MAP = {"timezone": ("airflow.sdk.timezone", "airflow.utils.timezone")}\n'
    )
    (module,) = _read_module("airflow.compat", CORE, text, package=False)
    assert module.imports == {
        "Hook": "airflow.hooks.base.Hook",
        "Asset": "airflow.datasets.Dataset",
        "timezone": "airflow.utils.timezone",
    }


def test_the_miner_sees_what_a_class_gives_to_its_base() -> None:
    from tools.mine_wheels import _read_module

    text = (
        "class Post(Call):\n"
        "    def __init__(self, text, **kwargs):\n"
        "        if text:\n"
        "            super().__init__(method='a', body=text, text=text, **kwargs)\n"
        "        else:\n"
        "            super().__init__(method='b', **kwargs)\n"
    )
    (module,) = _read_module("airflow.post", CORE, text, package=False)
    init = module.defs["Post"].init
    assert init is not None
    assert init.handed == ("method",)


@pytest.mark.parametrize(
    ("maker", "names"),
    [
        ("attr.s(auto_attribs=True)", "url! kind tags"),
        ("attrs.define(kw_only=True)", "* url! kind tags"),
        ("dataclass", "url! kind tags"),
        ("total_ordering", ""),
    ],
)
def test_the_miner_sees_the_fields_that_a_constructor_is_made_of(maker: str, names: str) -> None:
    from tools.mine_wheels import _read_module

    text = (
        f"@{maker}\n"
        "class File:\n"
        "    template_fields: ClassVar = ('url',)\n"
        "    url: str = attr.ib()\n"
        "    kind: str | None = None\n"
        "    tags = attr.ib(factory=list)\n"
        "    seen: bool = field(default=False, init=False)\n"
    )
    (module,) = _read_module("airflow.entities", CORE, text, package=False)
    init = module.defs["File"].init
    params = init.params if init is not None else ()
    named = ["*"] if params and not params[0].positional else []
    assert [*named, *(p.name + "!" * p.required for p in params)] == names.split()


@pytest.mark.parametrize(
    ("test", "warned"), [("old", ("old",)), ("not old", ()), ("old is None", ())]
)
def test_the_miner_sees_what_a_warning_is_about(test: str, warned: tuple[str, ...]) -> None:
    from tools.mine_wheels import _read_module

    text = (
        "class Post(Call):\n"
        "    def __init__(self, old=None, **kwargs):\n"
        f"        if {test}:\n"
        "            warnings.warn('mind it', DeprecationWarning)\n"
    )
    (module,) = _read_module("airflow.post", CORE, text, package=False)
    init = module.defs["Post"].init
    assert init is not None
    assert init.warned == warned


@pytest.mark.parametrize("version", TARGETS)
def test_what_a_class_gives_to_its_base_is_not_asked_for(version: str) -> None:
    """SlackAPIPostOperator says the method itself; SlackAPIOperator needs it."""
    table = Constructors(read_lock(version))
    signature = table.signature("airflow.providers.slack.operators.slack.SlackAPIPostOperator")
    assert signature is not None
    assert "method" not in signature.required | signature.accepts
    assert "text" in signature.accepts


@pytest.mark.slow
def test_what_classes_give_is_given_by_1_10_15() -> None:
    """Each row of gives.txt names an attribute of a class of the wheel, and gives a class."""
    from tools.inventory import BASELINE
    from tools.mine_attributes import given, line_of
    from tools.mine_wheels import World, fetch, local_wheels

    fetch({CORE: BASELINE}, _cache())
    world = World({CORE: BASELINE}, local_wheels(_cache()))
    outside = {"context", DATE}
    wrong = []
    for name, what in gives().items():
        path, _, attribute = name.rpartition(".")
        classes = {path, what.removeprefix("*")} - outside
        homes = {p: world.find(*p.rpartition(".")[::2]) for p in classes}
        home = homes.get(path)
        if None in homes.values() or (
            home is not None and attribute not in given(line_of(world, home)[0])
        ):
            wrong.append(name)
    assert wrong == []
