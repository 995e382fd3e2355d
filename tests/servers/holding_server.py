"""A member in a process of its own, which never answers one method: it can be killed while it is asked just that.

`python holding_server.py --help`. It writes down ["held", method] once it has such a request.
"""

import json
import threading

from servers.journal import Journal, read_options
from servers.moody_server import MoodyServer


class HoldingServer(MoodyServer):
    """Answers all but one method, by its era's own words."""

    def __init__(self, journal, hold, **further):
        self._journal, self._hold = journal, hold
        super().__init__(**further)

    def _answer(self, connection, http_method, body):
        method = json.loads(body or b"{}").get("method")
        if method == self._hold:
            self._journal.write("held", method)
            threading.Event().wait()
        return super()._answer(connection, http_method, body)


def main():
    options = read_options(__doc__, {"hold": "the method that is never answered", "era": "legacy or modern"})
    HoldingServer(Journal(options.name, options.journal), options.hold, port=options.port, era=options.era)
    threading.Event().wait()


if __name__ == "__main__":
    main()
