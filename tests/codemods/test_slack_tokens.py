"""The token that a task of Slack's or a hook sends on 1.10.15 is what it sends on each target: seen
by running both versions of one file, as far as the client."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from codemods import migrate_source
from harness.model import Config, Side
from harness.runtimes.venv import VenvRuntime
from harness.targets import get_target

CALLS = """
import os
from datetime import datetime

from airflow import DAG
from airflow.contrib.hooks.slack_webhook_hook import SlackWebhookHook
from airflow.contrib.operators import slack_webhook_operator
from airflow.hooks.base_hook import BaseHook
from airflow.hooks.slack_hook import SlackHook
from airflow.operators.slack_operator import SlackAPIPostOperator

MORE = {"token": "xoxb-unpacked"}


class Given(SlackAPIPostOperator):
    def __init__(self, secret, **kwargs):
        super(Given, self).__init__(token=secret, **kwargs)


class Handed(SlackAPIPostOperator):
    def __init__(self, *args, **kwargs):
        super(Handed, self).__init__(*args, **kwargs)


def token_of(conn_id):
    return BaseHook.get_connection(conn_id).password


def posts():
    token = BaseHook.get_connection("slack").password
    return [
        SlackAPIPostOperator(task_id="connection", token=token),
        SlackAPIPostOperator(task_id="helper", token=token_of(conn_id="slack")),
        SlackAPIPostOperator(task_id="variable", token=os.environ["TOKEN"], text="done"),
        SlackAPIPostOperator(task_id="unpacked", **MORE),
        SlackAPIPostOperator(task_id="id", slack_conn_id="slack"),
        Given(task_id="given", secret="xoxb-given"),
        Handed(task_id="handed", token="xoxb-handed"),
    ]


def alerts():
    conn = BaseHook.get_connection("hook")
    return [
        slack_webhook_operator.SlackWebhookOperator(
            task_id="url", webhook_token="https://example.com/T/" + os.environ["TOKEN"]
        ),
        slack_webhook_operator.SlackWebhookOperator(
            task_id="same", http_conn_id="hook", webhook_token=conn.password
        ),
        slack_webhook_operator.SlackWebhookOperator(
            task_id="based", http_conn_id="base", webhook_token=conn.password
        ),
        slack_webhook_operator.SlackWebhookOperator(
            task_id="whole", webhook_token=BaseHook.get_connection("whole").password
        ),
    ]


def hooks():
    return [
        SlackHook("xoxb-place"),
        SlackHook(token_of("slack")),
        SlackHook(token=os.environ["TOKEN"]),
        SlackHook(slack_conn_id="slack"),
    ]


def webhooks():
    return [
        SlackWebhookHook(None, "https://example.com/place"),
        SlackWebhookHook(http_conn_id="base", webhook_token="T/named"),
    ]


default_args = {"token": "xoxb-default", "start_date": datetime(2020, 1, 1)}
with DAG("told", default_args=default_args, schedule_interval=None):
    default = SlackAPIPostOperator(task_id="default")
"""
# Both sides' clients, the network left out.
RUN = """
import json, sys
import requests
import calls

seen, said = {}, []
answer = requests.Response()
answer.status_code = 200
answer.body = ""


def webhook(session, prepared, **kwargs):
    said.append(prepared.url)
    return answer


requests.Session.send = webhook
try:
    import slack_sdk
except ImportError:
    from airflow.hooks import slack_hook

    slack_hook.SlackClient.api_call = lambda s, *a, **k: said.append(s.token) or {"ok": True}
else:
    slack_sdk.WebClient.api_call = lambda s, *a, **k: said.append(s.token)
    slack_sdk.WebhookClient.send_dict = lambda s, *a, **k: said.append(s.url) or answer
for task in [calls.default, *calls.posts(), *calls.alerts()]:
    task.execute(context={})
    seen[task.task_id] = said.pop()
for number, hook in enumerate(calls.hooks()):
    hook.call("chat.postMessage", **{"json" if hasattr(hook, "client") else "api_params": {}})
    seen["hook %d" % number] = said.pop()
for number, hook in enumerate(calls.webhooks()):
    hook.send(text="") if hasattr(hook, "client") else hook.execute()
    seen["webhook %d" % number] = said.pop()
print("\\n" + json.dumps([seen, "webhook_token" in calls.alerts()[0].template_fields]))
"""
SEEN = {
    "default": "xoxb-default",
    "connection": "xoxb-kept",
    "helper": "xoxb-kept",
    "variable": "xoxb-found",
    "unpacked": "xoxb-unpacked",
    "id": "xoxb-kept",
    "given": "xoxb-given",
    "handed": "xoxb-handed",
    "url": "https://example.com/T/xoxb-found",
    "same": "https://hooks.example.com/T/B",
    "based": "https://base.example.com/T/B",
    "whole": "https://example.com/T/W",
    "hook 0": "xoxb-place",
    "hook 1": "xoxb-kept",
    "hook 2": "xoxb-found",
    "hook 3": "xoxb-kept",
    "webhook 0": "https://example.com/place",
    "webhook 1": "https://base.example.com/T/named",
}


def _seen(version: str, text: str, folder: Path) -> list[object]:
    """What each call sends its message by, and whether a token may be a template."""
    target, runtime = get_target(version), VenvRuntime()
    bridge = target.role == "bridge"
    side = Side.BRIDGE if bridge else Side.TARGET
    asked = ("slackclient==1.3.2",) if bridge else ("apache-airflow-providers-slack",)
    constraints = runtime.constraints(target, Config())
    python = runtime.environment(target, side, constraints, asked).python
    (folder / "calls.py").write_text(text)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW_CONN_SLACK": "http://:xoxb-kept@",
        "AIRFLOW_CONN_HOOK": "http://:T%2FB@hooks.example.com/https",
        "AIRFLOW_CONN_BASE": "http://base.example.com/https",
        "AIRFLOW_CONN_WHOLE": "http://:https%3A%2F%2Fexample.com%2FT%2FW@",
        "TOKEN": "xoxb-found",
        "LC_ALL": "C.UTF-8",
    }
    answer = subprocess.run(
        [python, "-c", RUN], env=env, cwd=folder, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_the_bridge_sends_these(tmp_path: Path) -> None:
    assert _seen("1.10.15", CALLS, tmp_path) == [SEEN, True]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.10.3", "2.11.0"])
def test_each_target_sends_the_same(
    version: str, targets: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    migration = migrate_source(CALLS, pins=targets[version])
    assert migration.text is not None
    assert {note.rule for note in migration.notes} == {"slack-token"}
    assert _seen(version, migration.text, tmp_path) == [SEEN, True]
