"""What can go wrong, in three families.

    PluginServerError(Exception)    the operator must act; its text goes to the terminal
    UnfitError(Exception)           the same of one plugin file, before its path is known
    PDKError(Exception)             Kong or this server refused one PDK call; a plugin may catch it
      UnknownMethodError            the protocol has no such method
    Stop(BaseException)             the event is over; plugin code must not catch it
      Exited                        kong.response.exit was sent
      DeadlineExceeded              the event took longer than --deadline
      PeerVanished                  Kong closed the connection
      MalformedFrame                Kong sent what cannot be decoded
        NotText                     text that is not UTF-8: it is the client's, in a header, path or query
      OutOfStep                     a reply cannot belong to its call, so no reply on this connection can be trusted
      BodyUnreadable                Kong keeps the request body in a file that cannot be read
      NotCarried                    an event in one frame (whole) holds nothing of what the plugin asked for

`Stop` is no Exception, so that a plugin's `except Exception` cannot turn a refusal into a pass.
"""

from __future__ import annotations


class PluginServerError(Exception):
    """The server cannot start; the text says what to do."""


class UnfitError(Exception):
    """A loaded module is no plugin that can be served; the text says why."""


class PDKError(Exception):
    """One PDK call was refused."""


class UnknownMethodError(PDKError, AttributeError):
    """The plugin protocol has no method of this name."""


class InstanceFailedError(Exception):
    """An instance could not be made on this worker: its constructor failed, or the supervisor gave no answer."""


class NotPossibleError(Exception):
    """A step was taken that the state of a connection does not have: a bug of ours."""


class Stop(BaseException):
    """The event is over."""


class Exited(Stop):
    """The answer to the client is on its way to Kong."""


class DeadlineExceeded(Stop):
    """The event took too long."""


class PeerVanished(Stop):
    """Kong closed the connection."""


class MalformedFrame(Stop):
    """A frame cannot be decoded."""


class NotText(MalformedFrame):
    """What should be text is not UTF-8."""


class OutOfStep(Stop):
    """Replies and calls do not match."""


class BodyUnreadable(Stop):
    """The file that holds the request body cannot be read."""


class NotCarried(Stop):
    """The frame of an event does not hold what its plugin asked for."""
