"""nbval, as the tests set it up: the executed pages are run again by it."""

from nbval.kernel import RunningKernel

CHATTY = "import sys\nfor _ in range(30_000):\n    sys.stderr.write('a step, ')\n    sys.stderr.flush()"


def test_however_much_a_cell_says_nbval_hears_that_it_is_done():
    kernel = RunningKernel("python3")
    try:
        message = kernel.execute_cell_input(CHATTY, allow_stdin=False)
        kernel.await_reply(message, timeout=300)
        kernel.await_idle(message, timeout=5)
    finally:
        kernel.stop()
