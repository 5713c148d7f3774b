"""Tell other computers over ZeroMQ that this one is ready.

The message is sent again and again for ``zmq_ready_publisher_wait`` seconds, so that a waiter that connects meanwhile
gets it; start the waiters first. Needs the extra ``zmq``. For sessions that must share a name, use session sync.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleParameters, ModuleResult
from opticstream.rig.parameter_types import Seconds
from opticstream.tasks.modules.ready_signal import publish

STAGES = ("pre_acquisition", "post_acquisition")


class PublisherParameters(ModuleParameters):
    """Parameters of the module."""

    zmq_ready_publisher_wait: Seconds = Field(0.5, description="How long the message is sent, seconds.")
    zmq_ready_publisher_address: str = Field(
        "tcp://*:5555", description="Where to listen for waiters; * is everywhere."
    )
    zmq_ready_message: str = Field("pre_acquisition_ready", min_length=1, description="What is sent.")


PARAMETERS = PublisherParameters


def run(context: ModuleContext) -> ModuleResult:
    """Send."""
    parameters = context.read(PublisherParameters)
    address, message = parameters.zmq_ready_publisher_address, parameters.zmq_ready_message
    publish(address, message, parameters.zmq_ready_publisher_wait)
    return ModuleResult(message=f"sent {message} on {address}")
