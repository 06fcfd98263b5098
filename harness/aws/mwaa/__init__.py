"""A stand-in for Amazon MWAA's control plane, which neither moto nor LocalStack has.

    with mwaa() as standin:
        client = standin.client()                 # a real boto3.client("mwaa")
        client.create_environment(...)
        standin.clock.advance(1500)               # or wait for as long as the service takes

What it takes and gives is read and checked against botocore's own model of the service, so its
shapes are boto3's; its rules and the order of its statuses are the service's. Whatever an
environment is asked to do itself – a CLI command, a call of Airflow's REST interface – goes to a
``Backend``, such as an Airflow in a container.
"""

from harness.aws.mwaa.backend import Answer, Backend, NoBackend
from harness.aws.mwaa.clock import Clock, SteppingClock
from harness.aws.mwaa.environments import Environments, Failure
from harness.aws.mwaa.server import Standin, mwaa

__all__ = [
    "Answer",
    "Backend",
    "Clock",
    "Environments",
    "Failure",
    "NoBackend",
    "Standin",
    "SteppingClock",
    "mwaa",
]
