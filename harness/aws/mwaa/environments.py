"""The environments of the stand-in: what the operations do to them, and how their statuses go on.

An environment holds the statuses that lie before it, each with the time at which it begins. They
are looked up, never driven: no thread, no timer.
"""

from __future__ import annotations

import base64
import secrets
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from harness.aws.emulator import ACCOUNT, REGION
from harness.aws.mwaa.backend import Backend, NoBackend
from harness.aws.mwaa.clock import Clock
from harness.aws.mwaa.interface import ServiceError, invalid
from harness.aws.mwaa.rules import (
    check_rest,
    check_upgrade,
    check_version,
    creatable,
    limits,
    with_defaults,
)

PAGE = 25

# Statuses in which an environment can be updated; in all but these it runs no commands.
READY = ("AVAILABLE", "UPDATE_FAILED")
ANSWERING = (*READY, "CREATING_SNAPSHOT", "UPDATING", "MAINTENANCE")
UNDELETABLE = ("CREATING", "DELETING", "UPDATING", "ROLLING_BACK", "CREATING_SNAPSHOT")

MODULES = ("DagProcessingLogs", "SchedulerLogs", "WebserverLogs", "WorkerLogs", "TaskLogs")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a creation or an update does not succeed. ``final``: the environment could not be
    restored either (UNAVAILABLE)."""

    code: str
    message: str
    final: bool = False


OnStart = Callable[[str, Mapping[str, Any]], Failure | None]
"""Asked with an environment's name and its coming settings whether that shall fail."""


def always_well(name: str, settings: Mapping[str, Any]) -> Failure | None:  # noqa: ARG001
    """Nothing fails."""
    return None


@dataclass(kw_only=True)
class Environment:
    """One environment. ``settings`` are what it was made with; ``plan`` its statuses, each with
    its beginning, settings that come with it, and the state of its last update."""

    name: str
    arn: str
    created: datetime
    settings: dict[str, Any]
    tags: dict[str, str]
    plan: list[Step] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A status from ``begins`` on. ``settings`` are the environment's from then on, None = as they
    were; ``update`` is its LastUpdate, None = as it was."""

    status: str
    begins: datetime
    settings: Mapping[str, Any] | None = None
    update: Mapping[str, Any] | None = None


class Environments:
    """All environments of one account and Region. Its methods are the service's operations."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        backend: Backend | None = None,
        on_create: OnStart = always_well,
        on_update: OnStart = always_well,
        region: str = REGION,
    ) -> None:
        self.clock = clock or Clock()
        self.backend: Backend = backend or NoBackend()
        self.on_create, self.on_update = on_create, on_update
        self.region = region
        self._lock = threading.RLock()
        self._all: dict[str, Environment] = {}
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def existing(self, name: str, **settings: Any) -> str:
        """Put an environment there that is AVAILABLE, of any version that there ever was: the
        service makes no new ones of those, and keeps the old. Gives its ARN."""
        with self._lock:
            filled = with_defaults(settings)
            now = self.clock.now()
            made = self._add(name, filled, now)
            made.plan = [Step(status="AVAILABLE", begins=now)]
            return made.arn

    def endpoints_are_made(self, name: str) -> None:
        """The customer has made the VPC endpoints that a PENDING environment waits for."""
        with self._lock:
            found, step = self._found(name)
            if step.status != "PENDING":
                raise invalid(f"Environment {name} is {step.status}, not PENDING")
            now = self.clock.now()
            half = timedelta(seconds=limits()["seconds"]["CREATING"] / 2)
            found.plan = [
                Step(status="CREATING", begins=now, update=step.update),
                *self._created(name, found.settings, now, now + half),
            ]

    # ------------------------------------------------------------------------------- operations

    def create_environment(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        settings = dict(arguments)
        name = settings.pop("Name")
        check_version(settings.get("AirflowVersion") or creatable()[-1])
        filled = with_defaults(settings)
        with self._lock:
            now = self.clock.now()
            if name in self._all and not self._is_gone(self._all[name], now):
                raise invalid(f"Environment {name} already exists")
            made = self._add(name, filled, now)
            begin = Step(status="CREATING", begins=now)
            length = timedelta(seconds=limits()["seconds"]["CREATING"])
            if filled["EndpointManagement"] == "CUSTOMER":
                asked = now + length / 2
                late = asked + timedelta(seconds=limits()["pending_seconds"])
                made.plan = [
                    begin,
                    Step(status="PENDING", begins=asked),
                    Step(
                        status="CREATE_FAILED",
                        begins=late,
                        update=_update(
                            now,
                            Failure(
                                code="INCORRECT_CONFIGURATION",
                                message="The VPC endpoints were not created in time.",
                            ),
                        ),
                    ),
                ]
            else:
                made.plan = [begin, *self._created(name, filled, now, now + length)]
            return {"Arn": made.arn}

    def get_environment(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            found, step = self._found(arguments["Name"])
            return {"Environment": self._description(found, step)}

    def list_environments(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            now = self.clock.now()
            names = sorted(n for n, entry in self._all.items() if not self._is_gone(entry, now))
        size = arguments.get("MaxResults") or PAGE
        if token := arguments.get("NextToken"):
            after = _from_token(token)
            names = [name for name in names if name > after]
        page = names[:size]
        more = _to_token(page[-1]) if len(names) > size else None
        return {"Environments": page, **({"NextToken": more} if more else {})}

    def update_environment(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        changes = dict(arguments)
        name = changes.pop("Name")
        strategy = changes.pop("WorkerReplacementStrategy", None) or "FORCED"
        with self._lock:
            found, step = self._found(name)
            if step.status not in READY:
                raise invalid(
                    f"Environment {name} is {step.status}; only {' and '.join(READY)} "
                    "environments can be updated"
                )
            old = found.settings["AirflowVersion"]
            new = changes.get("AirflowVersion") or old
            if new != old:
                check_upgrade(old, new)
            settings = _changed(found.settings, changes)
            now = self.clock.now()
            found.plan = self._updated(name, settings, now, strategy)
            return {"Arn": found.arn}

    def delete_environment(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            found, step = self._found(arguments["Name"])
            if step.status in UNDELETABLE:
                raise invalid(f"Environment {found.name} is {step.status} and cannot be deleted")
            now = self.clock.now()
            end = now + timedelta(seconds=limits()["seconds"]["DELETING"])
            found.plan = [
                Step(status="DELETING", begins=now, update=step.update),
                Step(status="DELETED", begins=end),
            ]
            return {}

    def create_cli_token(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        found, token = self._token(arguments["Name"], "cli")
        return {"CliToken": token, "WebServerHostname": self._host(found)}

    def create_web_login_token(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        found, token = self._token(arguments["Name"], "web")
        return {
            "WebToken": token,
            "WebServerHostname": self._host(found),
            "IamIdentity": "assumed-role/testing",
            "AirflowIdentity": "testing",
        }

    def invoke_rest_api(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            found, step = self._found(arguments["Name"])
            check_rest(found.settings["AirflowVersion"])
        if step.status not in ANSWERING:
            raise invalid(f"Environment {found.name} is {step.status} and answers no call")
        status, said = self.backend.rest(
            found.name,
            arguments["Method"],
            arguments["Path"],
            arguments.get("QueryParameters") or {},
            arguments.get("Body"),
        )
        told = {"RestApiStatusCode": status, "RestApiResponse": said}
        if status >= 500:
            raise ServiceError("RestApiServerException", **told)
        if status >= 400:
            raise ServiceError("RestApiClientException", **told)
        return told

    def tag_resource(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            tags = self._by_arn(arguments["ResourceArn"]).tags
            together = {**tags, **arguments["Tags"]}
            if len(together) > 50:
                raise invalid("An environment has at most 50 tags")
            tags.update(together)
            return {}

    def untag_resource(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            tags = self._by_arn(arguments["ResourceArn"]).tags
            for key in arguments["tagKeys"]:
                tags.pop(key, None)
            return {}

    def list_tags_for_resource(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            tags = self._by_arn(arguments["ResourceArn"]).tags
            return {"Tags": dict(tags)} if tags else {}

    def publish_metrics(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """For the service's own use: taken and forgotten, as it says."""
        del arguments
        return {}

    # ---------------------------------------------------------------------------------- tokens

    def environment_of(self, token: str, kind: str) -> str:
        """The environment that a token of ``kind`` ("cli", "web") was made for. Raises
        AccessDeniedException for a token that nobody was given or that has run out."""
        with self._lock:
            name, until = self._tokens.get(token, ("", datetime.min))
            if not name or not token.startswith(f"{kind}-") or self.clock.now() > until:
                raise ServiceError("AccessDeniedException", "The token is not valid")
            return name

    def _token(self, name: str, kind: str) -> tuple[Environment, str]:
        with self._lock:
            found, step = self._found(name)
            if step.status not in ANSWERING:
                raise ServiceError(
                    "ResourceNotFoundException", f"Environment {name} is {step.status}"
                )
            token = f"{kind}-{secrets.token_urlsafe(24)}"
            length = timedelta(seconds=limits()["token_seconds"])
            self._tokens[token] = name, self.clock.now() + length
            return found, token

    # ---------------------------------------------------------------------- plans and statuses

    def _created(
        self, name: str, settings: Mapping[str, Any], now: datetime, then: datetime
    ) -> list[Step]:
        failure = self.on_create(name, settings)
        if failure is not None:
            return [Step(status="CREATE_FAILED", begins=then, update=_update(now, failure))]
        return [Step(status="AVAILABLE", begins=then)]

    def _updated(
        self,
        name: str,
        settings: Mapping[str, Any],
        now: datetime,
        strategy: str,
    ) -> list[Step]:
        """A snapshot, the update, and either its end or the way back."""
        seconds = {key: timedelta(seconds=value) for key, value in limits()["seconds"].items()}
        common = {"strategy": strategy}
        pending = _update(now, None, status="PENDING", **common)
        updating = now + seconds["CREATING_SNAPSHOT"]
        done = updating + seconds["UPDATING"]
        steps = [
            Step(status="CREATING_SNAPSHOT", begins=now, update=pending),
            Step(status="UPDATING", begins=updating, update=pending),
        ]
        failure = self.on_update(name, settings)
        if failure is None:
            end = _update(now, None, **common)
            return [*steps, Step(status="AVAILABLE", begins=done, settings=settings, update=end)]
        failed = _update(now, failure, **common)
        back = done + seconds["ROLLING_BACK"]
        return [
            *steps,
            Step(status="ROLLING_BACK", begins=done, update=failed),
            Step(
                status="UNAVAILABLE" if failure.final else "UPDATE_FAILED",
                begins=back,
                update=failed,
            ),
        ]

    def _found(self, name: str) -> tuple[Environment, Step]:
        """The environment and where it stands now. Raises ResourceNotFoundException."""
        now = self.clock.now()
        found = self._all.get(name)
        if found is None or self._is_gone(found, now):
            raise ServiceError("ResourceNotFoundException", f"Environment {name} was not found")
        step = found.plan[0]
        while len(found.plan) > 1 and found.plan[1].begins <= now:
            found.plan.pop(0)
            step = found.plan[0]
            if step.settings is not None:
                found.settings = dict(step.settings)
        return found, step

    @staticmethod
    def _is_gone(entry: Environment, now: datetime) -> bool:
        return any(step.status == "DELETED" and step.begins <= now for step in entry.plan)

    def _by_arn(self, arn: str) -> Environment:
        for entry in self._all.values():
            if entry.arn == arn:
                return self._found(entry.name)[0]
        raise ServiceError("ResourceNotFoundException", f"{arn} was not found")

    # ------------------------------------------------------------------------------ descriptions

    def _add(self, name: str, filled: dict[str, Any], now: datetime) -> Environment:
        tags = filled.pop("Tags", {})
        arn = f"arn:aws:airflow:{self.region}:{ACCOUNT}:environment/{name}"
        made = Environment(name=name, arn=arn, created=now, settings=filled, tags=dict(tags))
        self._all[name] = made
        return made

    def _host(self, entry: Environment) -> str:
        """As the service names web servers; nobody answers there."""
        slug = f"{zlib.crc32(f'{entry.name} {entry.created}'.encode()):08x}"
        return f"{slug}.c0.{self.region}.airflow.amazonaws.com"

    def _description(self, entry: Environment, step: Step) -> dict[str, Any]:
        settings = dict(entry.settings)
        logging = settings.pop("LoggingConfiguration", None)
        described = {
            **settings,
            "Name": entry.name,
            "Arn": entry.arn,
            "Status": step.status,
            "CreatedAt": entry.created,
            "ServiceRoleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/"
            "airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA",
            "LastUpdate": step.update,
            "Tags": dict(entry.tags) or None,
            "WebserverUrl": None,
            "LoggingConfiguration": self._logging(entry.name, logging),
            "CeleryExecutorQueue": f"arn:aws:sqs:{self.region}:{ACCOUNT}:airflow-{entry.name}",
        }
        if step.status not in ("CREATING", "PENDING", "CREATE_FAILED"):
            described["WebserverUrl"] = f"https://{self._host(entry)}"
        return {key: value for key, value in described.items() if value is not None}

    def _logging(self, name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
        logging = {}
        for module in MODULES:
            wanted = dict((given or {}).get(module) or {"Enabled": False, "LogLevel": "INFO"})
            if wanted["Enabled"]:
                group = f"airflow-{name}-{module.removesuffix('Logs')}"
                wanted["CloudWatchLogGroupArn"] = (
                    f"arn:aws:logs:{self.region}:{ACCOUNT}:log-group:{group}"
                )
            logging[module] = wanted
        return logging


def _changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings after an update; what belongs together is merged or replaced as the service
    does it, and checked anew."""
    changes = {key: value for key, value in changes.items() if value is not None}
    network = changes.pop("NetworkConfiguration", None)
    logging = changes.pop("LoggingConfiguration", None)
    teams = changes.pop("Teams", None)
    together = {**settings, **changes}
    if changes.get("EnvironmentClass") not in (None, settings["EnvironmentClass"]):
        # Sizes that were not asked for follow the class.
        for key in ("Schedulers", "MinWebservers", "MaxWebservers"):
            if key not in changes:
                together[key] = None
    if network:
        kept = settings.get("NetworkConfiguration") or {}
        together["NetworkConfiguration"] = {**kept, **network}
    if logging:
        together["LoggingConfiguration"] = {
            **(settings.get("LoggingConfiguration") or {}),
            **logging,
        }
    if teams:
        kept = {**(settings.get("Teams") or {}), **(teams.get("AddOrUpdate") or {})}
        for name in teams.get("Remove") or ():
            kept.pop(name, None)
        together["Teams"] = kept or None
    return with_defaults(together)


def _update(
    when: datetime, failure: Failure | None, *, status: str = "", strategy: str = ""
) -> dict[str, Any]:
    """A LastUpdate: pending, succeeded or failed."""
    told: dict[str, Any] = {
        "Status": status or ("FAILED" if failure else "SUCCESS"),
        "CreatedAt": when,
    }
    if strategy:
        told["WorkerReplacementStrategy"] = strategy
    if failure:
        told["Error"] = {"ErrorCode": failure.code, "ErrorMessage": failure.message}
    return told


def _to_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid("NextToken is not valid") from None
