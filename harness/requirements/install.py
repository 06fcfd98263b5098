"""What of a requirements file is to be installed into the environment of a side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.specifiers import SpecifierSet

from harness.model import Constraints, Repo, Target
from harness.requirements.applied import applied_constraints
from harness.requirements.parse import Line, parse
from harness.requirements.sources import Tree, disk_tree, gather, located
from harness.targets import parse_pins


def requirements_for_side(
    text: str, *, target: Target, repo: Repo | None = None, extra: Iterable[str] = ()
) -> tuple[str, ...]:
    """One line per requirement or index option, in the file's order, then ``extra``, each once.

    Files named by ``-r`` are read in; constraint lines are left out, for which see
    ``constraints_for_side``, and so is Airflow itself in another version than ``target``'s: an
    environment of another Airflow could judge nothing. Of another 1.10 the bridge keeps the
    extras, since the DAGs work with what they bring. Paths (also those of MWAA's container) are
    absolute; what is not in the repository is left out. Lines that cannot be read are left out too:
    ``resolve`` reports all of these.
    """
    tree = disk_tree(repo, path="requirements.txt")
    files, _ = gather(text, tree)
    lines = [(line, file.path) for file in files if not file.constraints for line in file.lines]
    lines += [(line, tree.path) for row in extra for line in parse(row)]
    return tuple(
        dict.fromkeys(row for line, path in lines for row in _installable(line, path, target, tree))
    )


def constraints_for_side(
    text: str, *, target: Target, constraints: Constraints, repo: Repo | None = None
) -> Constraints:
    """What the requirements of a side are installed under: ``constraints``, Airflow's own, or the
    files of the user's that the requirements name, with what MWAA adds to them.

    A file that only its URL is known of holds nothing here; ``resolve`` reads it.
    """
    tree = disk_tree(repo, path="requirements.txt")
    files, _ = gather(text, tree)
    applied = applied_constraints(files, target=target, constraints=constraints, tree=tree)
    if not any(
        one.origin == "user" and one.text not in (None, constraints.text) for one in applied
    ):
        return constraints
    rows = [line.text for one in applied for line in parse(one.text or "") if line.name]
    lines = "\n".join(dict.fromkeys(rows))
    location = ", ".join(one.location for one in applied)
    return Constraints(origin="user", location=location, text=lines, pins=parse_pins(lines))


def _installable(line: Line, path: str, target: Target, tree: Tree) -> Iterator[str]:
    if line.kind not in ("requirement", "index", "option"):
        return
    if line.name == "apache-airflow" and f"=={target.airflow}" != line.specifier:
        if line.extras and (wanted := airflow_of_bridge(line, target)):
            yield wanted
        return
    row = located(line, path, tree)
    if row is not None:
        yield row


def airflow_of_bridge(line: Line, target: Target) -> str:
    """A line that asks for some 1.10, with its extras, in the one release that stands for all of
    them; "" for any other line, and on a target."""
    if target.role != "bridge" or line.name != "apache-airflow":
        return ""
    generation, _, last = target.airflow.rpartition(".")
    releases = (f"{generation}.{patch}" for patch in range(int(last) + 1))
    if not any(SpecifierSet(line.specifier).contains(release) for release in releases):
        return ""
    extras = f"[{','.join(line.extras)}]" if line.extras else ""
    marker = f" ; {line.marker}" if line.marker else ""
    return f"apache-airflow{extras}=={target.airflow}{marker}"
