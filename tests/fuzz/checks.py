"""The fuzzers' targets."""

from fuzz.again import check_again
from fuzz.held import check_held, check_held_stream
from fuzz.oracles import check_request
from fuzz.readers import check_answer, check_stream

CHECKS = {
    "request": check_request,
    "answer": check_answer,
    "stream": check_stream,
    "held": check_held,
    "held-stream": check_held_stream,
    "again": check_again,
}
"""Target -> what must not raise, whatever bytes it is given."""
