"""nbval, as the tests set it up: the executed pages are run again by it."""

from itertools import takewhile

from nbval.kernel import RunningKernel

STEPS = 4000  # at 8 kB each far more than ZeroMQ's queues and the sockets between them hold
CHATTY = f"""import sys
for _ in range({STEPS}):
    sys.stderr.write('a step, ' + ' ' * 8000)
    sys.stderr.flush()"""


def test_however_much_a_cell_says_nbval_hears_that_it_is_done():
    kernel = RunningKernel("python3")
    try:
        message = kernel.execute_cell_input(CHATTY, allow_stdin=False)
        kernel.await_reply(message, timeout=300)
        heard = iter(lambda: kernel.get_message("iopub", timeout=5), None)
        ours = (each for each in heard if each["parent_header"].get("msg_id") == message)
        busy = takewhile(lambda each: each["content"].get("execution_state") != "idle", ours)
        said = "".join(each["content"]["text"] for each in busy if each["msg_type"] == "stream")
        assert said.count("a step") == STEPS, "nothing is lost, and then the kernel is idle"
    finally:
        kernel.stop()
