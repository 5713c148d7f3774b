"""Each step of a session as a task run, with its log on its page."""

from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from opticstream.core.steps import Step

T = TypeVar("T")


class PrefectSteps:
    """Runs steps in this thread, each as a task run of the flow run around it."""

    def run(self, step: Step[T]) -> T:
        """Do a step, with its retries, as a task run of its name."""

        @task(
            name=step.name,
            task_run_name=step.name,
            retries=step.retries,
            retry_delay_seconds=step.retry_delay_s,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        def run_step() -> T:
            return step.work()

        return run_step()
