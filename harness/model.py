"""Frozen values that travel between the rooms. No I/O here, and nothing that knows a runtime.

    Path → Repo → Rewritten → (bridge, target) Observation → Pair → Report

All paths inside these values are POSIX and relative to the repository's root, unless a field says
otherwise. Everything below a class named *Observation* is what a probe prints as JSON, so the
field names are the wire format; ``msgspec`` converts both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

REPORT_SCHEMA = "mwaa-harness/report/1"


class Side(StrEnum):
    """Which of the two Airflows of a pair."""

    BRIDGE = "bridge"
    TARGET = "target"


class Severity(StrEnum):
    """How bad a finding is; ``note`` never changes a verdict."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(StrEnum):
    """The answer of a check and of a whole report, worst first: fail, unknown, pass."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    PASS = "pass"  # noqa: S105 – not a password


EXIT_CODES: Mapping[Verdict, int] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 3}


# ---------------------------------------------------------------------------------- versions


@dataclass(frozen=True, kw_only=True)
class Target:
    """One Airflow version that MWAA (or its local runner) has or had.

    ``python`` is the minor version ("3.12"); ``role`` is "bridge" (1.10.x) or "target" (2.x);
    ``mwaa`` is "creatable", "retired", "image-only" or "never-managed"; ``released`` is the ISO
    date of the upload to the package index. ``preinstalled`` and ``essential`` map canonical
    distribution names to versions: what the image holds before the user's requirements, and what
    MWAA enforces whatever a user's constraint file says.
    """

    airflow: str
    python: str
    role: str
    mwaa: str
    released: str
    constraints_url: str
    preinstalled: Mapping[str, str]
    essential: Mapping[str, str]
    source: str


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """The constraint file of one side, as it was really used.

    ``origin`` is "user", "official" or "reconstructed"; ``location`` is the file or URL it came
    from; ``text`` the whole file; ``pins`` canonical name → version.
    """

    origin: str
    location: str
    text: str
    pins: Mapping[str, str]


# ------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True, kw_only=True)
class Repo:
    """A folder of DAGs as found on disk; nothing in it has been run.

    ``root`` is absolute. ``dags`` and ``plugins`` are folders, ``requirements``, ``startup`` and
    ``airflow_cfg`` files. ``files`` is everything a runtime gets a copy of, ``dag_files`` what
    Airflow would parse as a DAG file (``.py`` and ``.zip``; ``.airflowignore`` and safe mode
    applied), ``problems`` what could not be read (path → why).
    """

    root: Path
    dags: str
    plugins: str | None
    requirements: str | None
    startup: str | None
    airflow_cfg: str | None
    files: tuple[str, ...]
    dag_files: tuple[str, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """A rule the user has decided to live with, and why. ``path`` is a glob; empty = everywhere."""

    rule: str
    reason: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class AwsConfig:
    """The emulated AWS. ``emulator`` is "none", "moto" or "localstack" (``image`` is its own);
    ``s3`` a folder with a folder for each bucket, "" = no bucket; ``secrets`` and ``parameters``
    are what Secrets Manager and the Parameter Store hold."""

    emulator: str = "none"
    image: str = ""
    s3: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the repository's configuration file says; command-line options override it.

    ``variables`` are values as text, ``connections`` Airflow connection URIs, ``env`` environment
    variables; all three are set before Airflow is imported. ``requirements`` are extra requirement
    lines (company packages), ``paths`` extra source folders for ``sys.path``. ``allowed_hosts``
    may be reached while DAGs are parsed, and so may the emulated ``aws``. ``constraints`` maps an
    Airflow version to the user's own constraint file or URL. Limits: seconds per DAG file, MiB per
    DAG file.
    """

    source: str = ""
    bridge: str = ""
    targets: tuple[str, ...] = ()
    dags: str = ""
    plugins: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    aws: AwsConfig = field(default_factory=AwsConfig)
    constraints: Mapping[str, str] = field(default_factory=dict)
    python_bridge: str = ""
    python_target: str = ""
    assume_missing: bool = False
    metadata: bool = False
    timeout: float = 30.0
    memory: int = 1024
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something of its surroundings that a file reads.

    ``kind`` is "variable", "connection" or "env"; ``name`` the key; ``shape`` what the code does
    with the value: "text", "number", "json" or "list"; ``sample`` a value of that shape as text,
    usable as a placeholder; ``optional`` when the code brings a default of its own.
    """

    kind: str
    name: str
    path: str
    line: int
    shape: str = "text"
    sample: str = ""
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class AssumedExtra:
    """An extra of Airflow 1.10 that the bridge was given because code needs it: ``requirement`` is
    the line that the requirements lack; ``module`` is what ``path`` imports at ``line``."""

    requirement: str
    path: str
    line: int
    module: str


# ------------------------------------------------------------------------------------ rewrite


@dataclass(frozen=True, kw_only=True)
class RewriteEdit:
    """One change made to a file; ``line`` counts in the original."""

    rule: str
    line: int
    message: str
    safe: bool = True


@dataclass(frozen=True, kw_only=True)
class RewriteNote:
    """One thing in a file that has to be done by hand; ``line`` counts in the original."""

    rule: str
    line: int
    column: int
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """What became of one file. ``diff`` is empty when nothing changed; ``error`` when it could not
    be read as Python of the target. ``lines`` maps a line of the new text to its line in the
    original (1-based; index 0 unused; empty = unchanged). ``moved_to`` is its new path when it has
    one; ``deleted`` says that it is gone; ``encoding`` is that of its text, the diff's included."""

    path: str
    diff: str = ""
    edits: tuple[RewriteEdit, ...] = ()
    notes: tuple[RewriteNote, ...] = ()
    error: str = ""
    lines: tuple[int, ...] = ()
    moved_to: str = ""
    deleted: bool = False
    encoding: str = "utf-8"


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """The rewritten copy: ``repo`` is rooted in the copy; ``needs`` are provider distributions
    that the new imports want."""

    repo: Repo
    rewrites: tuple[Rewrite, ...]
    needs: tuple[str, ...] = ()


# -------------------------------------------------------------------------- observations (JSON)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One line of a traceback. ``path`` is repository-relative when ``own`` is true."""

    path: str
    line: int
    function: str
    own: bool


@dataclass(frozen=True, kw_only=True)
class ErrorObservation:
    """Why a file or plugin did not load. ``type`` is the exception's qualified name; ``path`` and
    ``line`` the innermost place in the repository's own code; ``chain`` the messages of causes;
    ``outcome`` what a plugin's file did, in the words of FileObservation."""

    type: str
    message: str
    path: str = ""
    line: int = 0
    frames: tuple[Frame, ...] = ()
    chain: tuple[str, ...] = ()
    outcome: str = "error"


@dataclass(frozen=True, kw_only=True)
class WarningObservation:
    """A warning raised while a file was loaded, at the innermost place in the repository's own
    code. ``airflow`` is true when Airflow or a provider issued it as a deprecation."""

    category: str
    message: str
    path: str
    line: int
    airflow: bool


@dataclass(frozen=True, kw_only=True)
class LookupObservation:
    """A Variable, Connection or environment variable that was asked for while a file was loaded.

    ``answer`` is "given" (seeded, or set by the code itself), "default" (the code's own default),
    "assumed" (a placeholder stood in; ``value`` says which) or "missing".
    """

    kind: str
    name: str
    path: str
    line: int
    answer: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskObservation:
    """One task. ``operator`` is the class' dotted path (for a class of the repository's own:
    ``path/of/file.py:Class``), ``bases`` the dotted paths of its ancestors up to BaseOperator.
    ``fields`` holds the raw values of the templated fields, ``template_fields`` their names;
    ``plain`` JSON values throughout, see ``harness/probes/observe``: 1.10 took a text for a
    bool, and anything for anything."""

    task_id: str
    operator: str
    bases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    trigger_rule: str = "all_success"
    retries: Any = 0
    retry_delay: Any = None
    pool: Any = ""
    pool_slots: Any = 1
    queue: Any = ""
    priority_weight: Any = 1
    weight_rule: str = ""
    owner: Any = ""
    depends_on_past: Any = False
    wait_for_downstream: Any = False
    start_date: Any = None
    end_date: Any = None
    execution_timeout: Any = None
    sla: Any = None
    max_active_tis_per_dag: Any = None
    email_on_failure: Any = None
    email_on_retry: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    template_fields: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DagObservation:
    """One DAG. ``schedule`` is canonical: a cron expression, ``"@once"``, ``null``, seconds as
    ``{"seconds": n}`` or a timetable's dotted path; both generations print the same form.
    ``parent`` names the DAG a sub-DAG belongs to."""

    dag_id: str
    path: str
    schedule: Any = None
    start_date: Any = None
    end_date: Any = None
    catchup: Any = True
    max_active_tasks: Any = None
    max_active_runs: Any = None
    dagrun_timeout: Any = None
    default_view: str = ""
    orientation: Any = ""
    description: Any = None
    doc_md: Any = None
    is_paused_upon_creation: Any = None
    render_template_as_native_obj: Any = False
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    access_control: Any = None
    template_searchpath: Any = None
    user_defined_macros: tuple[str, ...] = ()
    user_defined_filters: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()
    parent: str = ""
    tasks: tuple[TaskObservation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileObservation:
    """What came of one DAG file on one side.

    ``outcome``: "ok" (it loaded, with or without DAGs), "error" (an exception), "exit"
    (SystemExit or os._exit), "timeout", "memory", "killed" (by a signal), "lost" (the probe died
    around it). ``output`` is the end of what it printed; ``egress`` the hosts it tried to reach;
    ``seconds`` wall time, ``memory`` peak resident MiB of its process; ``at`` Unix time.
    """

    path: str
    outcome: str
    dags: tuple[DagObservation, ...] = ()
    error: ErrorObservation | None = None
    warnings: tuple[WarningObservation, ...] = ()
    lookups: tuple[LookupObservation, ...] = ()
    egress: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0
    memory: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PluginObservation:
    """One AirflowPlugin that was loaded: its name, file, and what it registers per kind
    (``operators``, ``sensors``, ``hooks``, ``executors``, ``macros``, ``admin_views``,
    ``flask_blueprints``, ``menu_links``, ``appbuilder_views``, ``appbuilder_menu_items``,
    ``operator_extra_links`` … → names)."""

    name: str
    path: str
    registers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Why requirements cannot be installed together: both ends, in the resolver's terms.
    ``line`` is the requirement's line in the file (0 = not one line's fault)."""

    requirement: str
    line: int
    against: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A resolver's answer for one requirements file on one side.

    ``judge`` is "pip-tools" or "uv"; ``ok`` None = it could not answer (``message`` says why);
    ``pins`` what would be installed; ``changed`` image distributions that the user's file would
    change: name → (version of the image, version it would get).
    """

    judge: str
    ok: bool | None
    pins: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Everything that was seen on one side. A side that could not be brought up has ``failure``
    set and no files: then nothing about it can be judged. ``not_installed`` maps requirement lines
    that the side had to be brought up without to the installer's reason; ``isolation`` says what
    kept the DAGs' code from the network. ``image`` and ``image_digest`` name the container image of
    the side, "" where there is none."""

    side: Side
    runtime: str
    airflow: str
    python: str
    constraints_origin: str = ""
    constraints_location: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileObservation, ...] = ()
    plugins: tuple[PluginObservation, ...] = ()
    plugin_errors: tuple[ErrorObservation, ...] = ()
    plugin_warnings: tuple[WarningObservation, ...] = ()
    plugin_lookups: tuple[LookupObservation, ...] = ()
    resolution: Resolution | None = None
    not_installed: Mapping[str, str] = field(default_factory=dict)
    isolation: str = ""
    failure: str = ""
    image: str = ""
    image_digest: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)


# --------------------------------------------------------------------------------- judgement


@dataclass(frozen=True, kw_only=True)
class ArchiveMember:
    """One entry of a zip archive's table of contents; ``size`` in bytes, unpacked."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class SurvivalTable:
    """One table of metadata that was carried: ``rows`` of the source = ``carried`` + ``listed``
    (``reasons``: why → how many rows or values). ``missing`` and ``different`` count rows of the
    target that are not what they were; the checksums are of all rows on both sides. ``values`` is
    how many values the target's own Airflow has read back as they were."""

    name: str
    rows: int
    carried: int
    listed: int
    missing: int
    different: int
    source_checksum: str
    target_checksum: str
    values: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SurvivalProblem:
    """A row or a value of the metadata that did not survive; ``key`` is () for a whole table."""

    table: str
    key: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Survival:
    """What became of a history of the DAGs that was carried to a database of the target.

    ``seeded`` is table → rows that were written on the bridge for it. ``ran`` is the task (with its
    DAG's id before it) → the state that a real run there has left it in, ``left`` reason → tasks
    that were not run. A journey that could not be made has a ``failure`` instead of tables.
    """

    target: str
    database: str = ""
    seeded: Mapping[str, int] = field(default_factory=dict)
    ran: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    tables: tuple[SurvivalTable, ...] = ()
    problems: tuple[SurvivalProblem, ...] = ()
    failure: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every row and every value arrived, or is listed with its reason."""
        return (
            not self.failure
            and not self.problems
            and all(
                table.rows == table.carried + table.listed
                and not table.missing
                and not table.different
                for table in self.tables
            )
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """All that a check may look at: the repository, what was rewritten, and what both sides saw.

    ``texts`` holds the small files that rules read (requirements, startup script, airflow.cfg,
    ``.airflowignore``, plugin sources), original by path; ``rewritten_texts`` the same of the copy;
    ``archives`` the tables of contents of the repository's zip files; ``assumed_extras`` are what
    the bridge was given beyond the requirements; ``survival`` is what became of their metadata,
    None when the configuration does not ask for it.
    """

    repo: Repo
    target: Target
    bridge_target: Target
    bridge: Observation
    observed: Observation
    rewrites: tuple[Rewrite, ...] = ()
    needs: tuple[Need, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    rewritten_texts: Mapping[str, str] = field(default_factory=dict)
    archives: Mapping[str, tuple[ArchiveMember, ...]] = field(default_factory=dict)
    target_pins: Mapping[str, str] = field(default_factory=dict)
    bridge_pins: Mapping[str, str] = field(default_factory=dict)
    assumed_extras: tuple[AssumedExtra, ...] = ()
    config: Config = field(default_factory=Config)
    survival: Survival | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know, at one place.

    ``evidence`` is what was seen (a source line, a traceback's last lines, a diff); ``fix`` what
    to do. ``target`` is the Airflow version it holds for, ``side`` where it was seen ("" = neither
    in particular). ``ignored`` is the user's reason for living with it; an ignored finding never
    changes a verdict.
    """

    rule: str
    path: str
    message: str
    severity: Severity = Severity.ERROR
    line: int = 0
    column: int = 0
    evidence: str = ""
    fix: str = ""
    check: str = ""
    target: str = ""
    side: str = ""
    ignored: str = ""


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """Something a check had to judge and could not. It makes the check's verdict unknown."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One thing that a check has looked at and judged; ``path`` may be a file or a DAG's file."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A kind of finding. ``example`` shows a repository's line that raises it, ``keeps`` one that
    looks alike and does not."""

    id: str
    title: str
    why: str
    fix: str
    severity: Severity = Severity.ERROR
    example: str = ""
    keeps: str = ""

    def finding(self, path: str, message: str, **fields: Any) -> Finding:
        """A Finding of this rule at ``path``; ``fields`` are those of Finding."""
        fields.setdefault("severity", self.severity)
        fields.setdefault("fix", self.fix)
        return Finding(rule=self.id, path=path, message=message, **fields)


Judgement = Finding | Unjudged | Judged


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question about a pair. ``judge`` yields a Judged for each thing it looked at, a Finding
    for each thing that is wrong and an Unjudged for each thing it could not tell."""

    id: str
    title: str
    why: str
    rules: tuple[Rule, ...]
    judge: Callable[[Pair], Iterator[Judgement]]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A check's answer for one target. ``judged`` counts the things it looked at."""

    check: str
    title: str
    target: str
    status: Verdict
    judged: int
    findings: int = 0
    unjudged: tuple[Unjudged, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One row of the matrix files × sides: the outcome on each side (see FileObservation;
    "absent" when that side was not observed), and how many DAGs each saw."""

    path: str
    target: str
    bridge: str
    observed: str
    bridge_dags: tuple[str, ...] = ()
    observed_dags: tuple[str, ...] = ()
    rewritten: bool = False


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What one side really was: for the report's environment section. ``image`` and
    ``image_digest`` name its container image and that image's content, "" without a container."""

    target: str
    side: str
    runtime: str
    airflow: str
    python: str
    constraints_origin: str
    constraints_location: str
    packages: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    image: str = ""
    image_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class FileRewrite:
    """A file the rewrite changed, or could not, for one target."""

    target: str
    path: str
    diff: str
    edits: tuple[RewriteEdit, ...] = ()
    notes: tuple[RewriteNote, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole answer; the machine format is this value as JSON (``schema`` names its version).

    ``sources`` maps repository-relative paths of files with findings to their text, so that
    writers can show source lines without touching the disk; it is left out of the JSON.
    """

    schema: str
    version: str
    verdict: Verdict
    repo: str
    bridge: str
    targets: tuple[str, ...]
    checks: tuple[CheckResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    files: tuple[FileRow, ...] = ()
    rewrites: tuple[FileRewrite, ...] = ()
    environments: tuple[Environment, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
