"""How programs begin that speak to the server by the bindings of the original's API."""

import os

from pulpcore.client import pulpcore

user, password = os.environ["LOGIN"].split(":")
settings = {"host": os.environ["URL"], "username": user, "password": password}
core = pulpcore.ApiClient(pulpcore.Configuration(**settings))
tasks = pulpcore.TasksApi(core)


def client(bindings):
    """The client of a plugin's bindings."""
    return bindings.ApiClient(bindings.Configuration(**settings))


def ended(answer):
    """Waits for a task, which does what it was to do."""
    task = tasks.read(answer.task)
    while task.state in ("waiting", "running", "canceling"):
        task = tasks.read(answer.task)
    assert task.state == "completed", task
    return task
