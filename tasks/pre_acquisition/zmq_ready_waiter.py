"""Wait over ZeroMQ until another computer is ready, see `zmq_ready_publisher`.

It is a failure when nothing comes within ``zmq_ready_waiter_timeout`` seconds. Needs the extra ``zmq``.
"""

from pydantic import Field

from opticstream.rig.modules import ModuleContext, ModuleFailed, ModuleParameters, ModuleResult
from opticstream.rig.parameter_types import PositiveSeconds
from opticstream.tasks.modules.ready_signal import await_message

STAGES = ("pre_acquisition", "post_acquisition")


class WaiterParameters(ModuleParameters):
    """Parameters of the module."""

    zmq_ready_waiter_timeout: PositiveSeconds = Field(10, description="Longest wait, seconds.")
    zmq_ready_waiter_address: str = Field("tcp://localhost:5555", description="The publisher.")
    zmq_ready_message: str = Field("pre_acquisition_ready", min_length=1, description="What is waited for.")


PARAMETERS = WaiterParameters


def run(context: ModuleContext) -> ModuleResult:
    """Wait."""
    parameters = context.read(WaiterParameters)
    address, message = parameters.zmq_ready_waiter_address, parameters.zmq_ready_message
    try:
        await_message(address, message, parameters.zmq_ready_waiter_timeout)
    except TimeoutError as error:
        raise ModuleFailed(
            "zmq_ready_waiter", found=str(error), expected="the signal of zmq_ready_publisher on the other computer"
        ) from None
    return ModuleResult(message=f"got {message} from {address}")
